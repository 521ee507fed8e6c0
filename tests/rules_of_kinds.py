"""For every rule in CEL, an object that breaks just this one and one that keeps it.

Exists so that the sentence of each rule is read on a real API server before a user reads it. A test
compares this table with the definitions, so that no rule can be forgotten.
"""

from typing import Final

from customresources import (
    Object,
    a_cluster,
    a_managed_endpoint,
    a_policy,
    a_run,
    an_external_endpoint,
)
from rulecases import ChangeCase, RuleCase, with_field
from rules_of_access import access_rules
from rules_of_healing import healing_changes, healing_rules

NAME: Final = (
    "use at most 40 lower-case letters, digits and '-', a letter first and no '-' at the end"
)
CLAIM: Final = (
    "write pvc://claim/path: a PersistentVolumeClaim of this namespace and a path inside it, of"
    " letters, digits and -_.@+= between single slashes"
)
DIGEST: Final = f"sha256:{'0' * 64}"
BLOCK: Final = (
    "set exactly the block that the type names: resource, containerResource, pods or external"
)
RESOURCE_TARGET: Final = (
    "set exactly the field that the type names: averageUtilization or averageValue"
)
EXTERNAL_TARGET: Final = "set exactly the field that the type names: value or averageValue"
MODEL: Final = "use letters, digits and -._:/@+ only, a letter or digit first"
URL_FORM: Final = "write scheme://host[:port][/path] with letters, digits and -._~% only"


def rule_cases() -> list[RuleCase]:
    """Every rule that looks at one object."""
    return [
        *_names(),
        *_pods(),
        *_durations(),
        *_clusters(),
        *_routers(),
        *_endpoints(),
        *_urls(),
        *_autoscalers(),
        *access_rules(),
        *healing_rules(),
    ]


def change_cases() -> list[ChangeCase]:
    """Every rule that looks at a change."""
    return [
        ChangeCase(
            "storage cannot be changed: delete the cluster and create it with the new size",
            before=_stored("1Gi"),
            refused=_stored("2Gi"),
            taken=_stored("1Gi", cpu="100m"),
            field="spec.sessions.store.embedded.storage",
        ),
        ChangeCase(
            "type cannot be changed: create an endpoint of another name",
            before=an_external_endpoint("one"),
            refused=a_managed_endpoint("one"),
            taken=an_external_endpoint("one", baseURL="https://other.example.com"),
            field="spec.type",
        ),
        *healing_changes(),
    ]


def _names() -> list[RuleCase]:
    of_object = f"metadata.name: {NAME}"
    good = "a" * 40
    upstreams = [{"name": name, "endpointRef": {"name": "local"}} for name in ("a1-b", "UP")]
    served = [{**upstreams[0], "servedModelName": name} for name in ("glm-4.6", "a b")]
    refs = [{"name": "a", "endpointRef": {"name": name}} for name in ("local", "a.b")]
    return [
        *(RuleCase(of_object, a_cluster(bad), a_cluster(good), "") for bad in ("1a", "a.b")),
        RuleCase(of_object, an_external_endpoint(good + "a"), an_external_endpoint(good), ""),
        RuleCase(of_object, a_policy("a.b"), a_policy("a-b"), ""),
        _cluster_case(NAME, "upstreams[0].name", [upstreams[1]], [upstreams[0]]),
        _cluster_case(MODEL, "upstreams[0].servedModelName", [served[1]], [served[0]]),
        _cluster_case(NAME, "upstreams[0].endpointRef.name", [refs[1]], [refs[0]]),
        RuleCase(
            NAME,
            with_field(a_run(), "policy.name", "A"),
            with_field(a_run(), "policy.name", "a"),
            "spec.policy.name",
        ),
    ]


def _cluster_case(message: str, path: str, bad: object, good: object) -> RuleCase:
    field = path.split("[", maxsplit=1)[0]
    return RuleCase(message, a_cluster(**{field: bad}), a_cluster(**{field: good}), f"spec.{path}")


def _pods() -> list[RuleCase]:
    requests = {"requests": {"cpu": 2}}
    exists = {"operator": "Exists"}
    options: list[tuple[str, str, Object, Object]] = [
        (
            "every request must be at most the limit of the same name",
            "resources",
            {"resources": {**requests, "limits": {"cpu": "1500m"}}},
            {"resources": {**requests, "limits": {"cpu": "2000m", "memory": "1Gi"}}},
        ),
        (
            "without a key the operator must be Exists",
            "tolerations[0]",
            {"tolerations": [{"value": "a"}]},
            {"tolerations": [exists]},
        ),
        (
            "operator Exists takes no value: remove value or set operator: Equal",
            "tolerations[0]",
            {"tolerations": [{"key": "a", "value": "b", **exists}]},
            {"tolerations": [{"key": "a", "value": "b"}]},
        ),
        (
            "tolerationSeconds needs effect: NoExecute",
            "tolerations[0]",
            {"tolerations": [{"tolerationSeconds": 1, "effect": "NoSchedule", **exists}]},
            {"tolerations": [{"tolerationSeconds": 1, "effect": "NoExecute", **exists}]},
        ),
    ]
    cases: list[RuleCase] = []
    for message, path, bad, good in options:
        for role in ("router", "planner", "executor"):
            refused, taken = a_cluster(**{role: bad}), a_cluster(**{role: good})
            cases.append(RuleCase(message, refused, taken, f"spec.{role}.{path}"))
        refused, taken = (a_cluster(sessions=_embedded(**block)) for block in (bad, good))
        cases += [
            RuleCase(message, refused, taken, f"spec.sessions.store.embedded.{path}"),
            RuleCase(
                message,
                a_managed_endpoint(**bad),
                a_managed_endpoint(**good),
                f"spec.managed.{path}",
            ),
        ]
    return cases


def _durations() -> list[RuleCase]:
    cases: list[RuleCase] = []
    for build, path, shortest, longest in (
        (a_cluster, "circuitBreaker.openDuration", "1s", "10m"),
        (a_cluster, "cooperation.timeout", "1s", "1h"),
        (an_external_endpoint, "timeouts.connect", "100ms", "1m"),
        (an_external_endpoint, "timeouts.firstByte", "100ms", "1h"),
        (an_external_endpoint, "timeouts.request", "100ms", "1h"),
        (an_external_endpoint, "healthCheck.interval", "1s", "1h"),
        (an_external_endpoint, "healthCheck.timeout", "100ms", "1m"),
        (a_managed_endpoint, "managed.startupTimeout", "10s", "6h"),
        (a_managed_endpoint, "managed.drainTimeout", "1s", "1h"),
        (a_policy, "guards.cooldown", "0s", "24h"),
        (a_policy, "guards.maxWait", "0s", "24h"),
        (a_policy, "verify.stabilization", "1s", "1h"),
        (a_policy, "verify.timeout", "2s", "6h"),
    ):
        message = f"write a duration from {shortest} to {longest}, like 30s or 1h30m"
        for bad in ("1ms" if shortest != "0s" else "5x", f"{longest}1ms", "5 s", "-1s"):
            refused = with_field(build(), path, bad)
            # The longest of one pair may be longer than the default of the other: see `beside`.
            taken = with_field(_beside(build(), path), path, longest)
            cases.append(RuleCase(message, refused, taken, f"spec.{path}"))
    return [*cases, *_pairs()]


def _beside(obj: Object, path: str) -> Object:
    partners = {
        "timeouts.firstByte": ("timeouts.request", "1h"),
        "healthCheck.timeout": ("healthCheck.interval", "1h"),
        "verify.stabilization": ("verify.timeout", "6h"),
    }
    return with_field(obj, *partners[path]) if path in partners else obj


def _pairs() -> list[RuleCase]:
    first_byte = "firstByte must not be longer than request"
    check = "timeout must not be longer than interval"
    base = an_external_endpoint()
    return [
        RuleCase(
            first_byte,
            with_field(with_field(base, "timeouts.request", "9s"), "timeouts.firstByte", "10s"),
            with_field(with_field(base, "timeouts.request", "10s"), "timeouts.firstByte", "10s"),
            "spec.timeouts",
        ),
        RuleCase(
            check,
            with_field(base, "healthCheck.interval", "4s"),
            with_field(base, "healthCheck.interval", "5s"),
            "spec.healthCheck",
        ),
    ]


def _routers() -> list[RuleCase]:
    header = (
        "hashHeader goes with strategy ConsistentHash and with no other: name the header whose"
        " value decides, or remove it"
    )
    percent = "hashLoadPercent goes with strategy ConsistentHash or SourceIPHash: remove it"
    name = "write the name of a header: letters, digits and '-'"
    cookie = "write a cookie's name: a letter, then letters, digits, '_' and '-'"
    body = "write a size from 1Ki to 1Gi"
    hashed = {"strategy": "ConsistentHash", "hashHeader": "x-session"}
    by_address = {"strategy": "SourceIPHash"}
    cases: list[tuple[str, Object, Object, str]] = [
        (header, {"strategy": "ConsistentHash"}, hashed, ""),
        (header, {"hashHeader": "x-session"}, {}, ""),
        (percent, {"hashLoadPercent": 150}, {**by_address, "hashLoadPercent": 150}, ""),
        (name, {**hashed, "hashHeader": "x session"}, hashed, ".hashHeader"),
        (cookie, {"stickyCookie": "1a"}, {"stickyCookie": "a_1-b"}, ".stickyCookie"),
        (body, {"maxBodySize": "1023"}, {"maxBodySize": "1Ki"}, ".maxBodySize"),
        (body, {"maxBodySize": "2Gi"}, {"maxBodySize": "1Gi"}, ".maxBodySize"),
    ]
    return [
        RuleCase(message, a_cluster(router=bad), a_cluster(router=good), f"spec.router{path}")
        for message, bad, good, path in cases
    ]


def _clusters() -> list[RuleCase]:
    size = "write a size from 64Mi to 16Ti"
    field = "spec.sessions.store.embedded.storage"
    return [
        RuleCase(size, _stored("63Mi"), _stored("64Mi"), field),
        RuleCase(size, _stored("17Ti"), _stored("16Ti"), field),
    ]


def _endpoints() -> list[RuleCase]:
    both = an_external_endpoint()
    both["spec"]["managed"] = {"engine": "Simulator"}
    external = "type External needs the block external and no block managed"
    managed = "type Managed needs the block managed and no block external"
    limited = with_field(a_managed_endpoint(), "limits", {"requestsPerMinute": 600})
    per_minute = "limits.requestsPerMinute goes with type External: write maxConcurrency instead"
    simulator = (
        "engine Simulator runs the operator's own image: remove image and args,"
        " or set engine: Custom"
    )
    custom = a_managed_endpoint(engine="Custom", image="a/b:c", args=["x"])
    return [
        RuleCase(external, both, an_external_endpoint(), "spec"),
        RuleCase(external, _typed("External"), an_external_endpoint(), "spec"),
        RuleCase(managed, _typed("Managed"), a_managed_endpoint(), "spec"),
        RuleCase(managed, with_field(both, "type", "Managed"), a_managed_endpoint(), "spec"),
        RuleCase(
            per_minute,
            limited,
            with_field(a_managed_endpoint(), "limits", {"maxConcurrency": 8}),
            "spec",
        ),
        *(
            RuleCase(
                "this engine needs an image: only engine Simulator has one of its own",
                a_managed_endpoint(engine=engine),
                a_managed_endpoint(engine=engine, image="a/b:c", args=["x"]),
                "spec.managed",
            )
            for engine in ("Custom", "VLLM", "SGLang")
        ),
        *(
            RuleCase(
                CLAIM,
                a_managed_endpoint(artifact={"uri": bad, "digest": DIGEST}),
                a_managed_endpoint(artifact={"uri": good, "digest": DIGEST}),
                "spec.managed.artifact.uri",
            )
            for bad, good in (
                ("https://models.example.com/a", "pvc://models"),
                ("pvc://", "pvc://a.b-c/x"),
                ("pvc://models/a//b", "pvc://models/a/b"),
                ("pvc://models/../b", "pvc://models/..b"),
                ("pvc://models/a/.", "pvc://models/a/.b"),
                ("pvc://models/a b", "pvc://models/a_b@1+2=3"),
                ("pvc://models/a\nb", "pvc://models/A"),
            )
        ),
        RuleCase(simulator, a_managed_endpoint(image="a"), custom, "spec.managed"),
        RuleCase(simulator, a_managed_endpoint(args=[]), custom, "spec.managed"),
        RuleCase(
            MODEL,
            with_field(an_external_endpoint(), "model", 'a"b'),
            with_field(an_external_endpoint(), "model", "zai-org/GLM-4.6:free@v1+x"),
            "spec.model",
        ),
    ]


def _autoscalers() -> list[RuleCase]:
    either = "write either replicas or autoscaling: an autoscaler chooses the number of pods itself"
    order = "minReplicas must not be more than maxReplicas"
    cases: list[RuleCase] = []
    for build, block in ((_executors, "executor"), (a_managed_endpoint, "managed")):
        bounds: Object = {"minReplicas": 3, "maxReplicas": 3}
        good = build(autoscaling=bounds)
        here = f"spec.{block}"
        cases += [
            RuleCase(either, build(autoscaling=bounds, replicas=3), good, here),
            RuleCase(
                order,
                build(autoscaling={**bounds, "minReplicas": 4}),
                good,
                f"{here}.autoscaling",
            ),
        ]
        for kind, metric in _metrics().items():
            where = f"{here}.autoscaling.metrics[0]"
            taken = build(autoscaling={**bounds, "metrics": [metric]})
            other: Object = {"type": "External" if kind == "pods" else "Pods"}
            refused = build(autoscaling={**bounds, "metrics": [{**metric, **other}]})
            cases.append(RuleCase(BLOCK, refused, taken, where))
            if kind == "pods":
                continue
            message = EXTERNAL_TARGET if kind == "external" else RESOURCE_TARGET
            wrong = {**metric, kind: {**metric[kind], "target": {"type": "AverageValue"}}}
            refused = build(autoscaling={**bounds, "metrics": [wrong]})
            cases.append(RuleCase(message, refused, taken, f"{where}.{kind}.target"))
    return cases


def _metrics() -> dict[str, Object]:
    percent = {"type": "Utilization", "averageUtilization": 70}
    queue = {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": 5}}
    cpu: Object = {"name": "cpu", "target": percent}
    return {
        "resource": {"type": "Resource", "resource": cpu},
        "containerResource": {
            "type": "ContainerResource",
            "containerResource": {**cpu, "container": "server"},
        },
        "pods": {"type": "Pods", "pods": queue},
        "external": {"type": "External", "external": queue},
    }


def _executors(**block: object) -> Object:
    return a_cluster(executor=block)


def _urls() -> list[RuleCase]:
    good = "https://models.example.com:8443/api/paas/v4"
    local = "http://sim.team-a.svc:8000/v1/"
    scheme = "start with https:// or http://, as in https://models.example.com/v1"
    secret = "write no credentials here: put the key into a Secret and name it in apiKeySecretRef"  # noqa: S105
    end = "end before '?' and '#': only scheme, host, port and path are used"
    table = [
        (scheme, "ftp://models.example.com", good),
        (scheme, "models.example.com/v1", local),
        (secret, "https://user:word@models.example.com", good),
        (secret, "http://key@sim", local),
        (end, "https://models.example.com/v1?key=a", good),
        (end, "https://models.example.com/v1#a", good),
        (URL_FORM, "https://", good),
        (URL_FORM, "https:///v1", "https://[2001:db8::1]:8000/v1"),
        (URL_FORM, "https://a b.example.com", "https://192.0.2.1"),
        (URL_FORM, "https://models.example.com:70000", "https://models.example.com:65535"),
        (URL_FORM, "https://models.example.com:0", "https://models.example.com:1"),
        (URL_FORM, "https://models.example.com/a\nserver b", "https://models.example.com/a%20b"),
        (URL_FORM, 'https://models.example.com/"', "https://models.example.com/~a/_b/"),
    ]
    return [
        RuleCase(
            message,
            an_external_endpoint(baseURL=bad),
            an_external_endpoint(baseURL=kept),
            "spec.external.baseURL",
        )
        for message, bad, kept in table
    ]


def _typed(kind: str) -> Object:
    endpoint = an_external_endpoint()
    del endpoint["spec"]["external"]
    return with_field(endpoint, "type", kind)


def _embedded(**block: object) -> Object:
    return {"store": {"type": "Embedded", "embedded": block}}


def _stored(size: str, **requests: str) -> Object:
    resources = {"resources": {"requests": requests}} if requests else {}
    return a_cluster(sessions=_embedded(storage=size, **resources))
