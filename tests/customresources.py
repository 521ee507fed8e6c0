"""Builds objects of the project's own kinds, as a user would write them.

Exists so that a test states only what it is about. The `full` ones set every field of a spec, so
that each rule and bound has something to change. Never talks to a cluster.
"""

import copy
from typing import Any, Final

Object = dict[str, Any]

API_VERSION: Final = "autoglm.io/v1alpha1"

_POD_OPTIONS: Final[Object] = {
    "resources": {
        "requests": {"cpu": "100m", "memory": "64Mi"},
        "limits": {"cpu": 1, "memory": "128Mi"},
    },
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [
        {"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"},
        {"key": "away", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
    ],
}


def a_cluster(name: str = "demo", /, **spec: object) -> Object:
    """An AutoGLMCluster with one upstream, and what the test adds or replaces."""
    upstreams = [{"name": "local", "endpointRef": {"name": "local"}}]
    return _object("AutoGLMCluster", name, {"upstreams": upstreams, **spec})


def a_full_cluster(name: str = "demo") -> Object:
    """An AutoGLMCluster that sets every field."""
    return a_cluster(
        name,
        paused=False,
        upstreams=[
            {
                "name": "local",
                "endpointRef": {"name": "local"},
                "servedModelName": "glm",
                "weight": 3,
                "priority": 0,
            },
            {"name": "spare", "endpointRef": {"name": "vendor"}, "weight": 1, "priority": 1},
        ],
        router={
            "replicas": 2,
            "strategy": "ConsistentHash",
            "hashHeader": "x-session",
            "hashLoadPercent": 150,
            "stickyCookie": "autoglm",
            "tls": {"secretRef": {"name": "demo-tls"}},
            "accessLog": "Failures",
            "maxBodySize": "20Mi",
            **_pod_options(),
        },
        planner={"replicas": 2, **_pod_options()},
        executor={"autoscaling": _autoscaling(), **_pod_options()},
        cooperation={"strategy": "Plan", "timeout": "30s"},
        circuitBreaker={"consecutiveFailures": 5, "openDuration": "10s"},
        retry={"maxAttempts": 3, "chatCompletions": "Never"},
        sessions={
            "store": {"type": "Embedded", "embedded": {"storage": "2Gi", **_pod_options()}},
        },
        security={
            "authentication": {
                "type": "JWT",
                "jwt": {
                    "issuer": "https://issuer.example.com",
                    "audience": "autoglm",
                    "jwksSecretRef": {"name": "issuer-keys", "key": "jwks.json"},
                    "modelsClaim": "models",
                },
            }
        },
    )


def an_external_endpoint(name: str = "vendor", /, **external: object) -> Object:
    """A ModelEndpoint behind a URL, with further fields of its block."""
    block = {"baseURL": "https://models.example.com/v1", **external}
    spec = {"type": "External", "model": "glm-4.6", "external": block}
    return _object("ModelEndpoint", name, spec)


def a_full_external_endpoint(name: str = "vendor") -> Object:
    """A ModelEndpoint behind a URL that sets every field of its type."""
    endpoint = an_external_endpoint(
        name,
        apiKeySecretRef={"name": "vendor-key", "key": "token"},
        tls={
            "caSecretRef": {"name": "vendor-ca", "key": "ca.crt"},
            "serverName": "models.example.com",
        },
    )
    endpoint["spec"] |= {
        "limits": {"maxConcurrency": 64, "requestsPerMinute": 600},
        "timeouts": {"connect": "2s", "firstByte": "30s", "request": "5m"},
        "healthCheck": {
            "mode": "Completion",
            "interval": "20s",
            "timeout": "5s",
            "failureThreshold": 3,
            "successThreshold": 1,
        },
        "suspend": True,
    }
    return endpoint


def a_managed_endpoint(name: str = "local", /, **managed: object) -> Object:
    """A ModelEndpoint of simulator pods, with further fields of its block."""
    block = {"engine": "Simulator", **managed}
    spec = {"type": "Managed", "model": "autoglm-sim", "managed": block}
    return _object("ModelEndpoint", name, spec)


def a_full_managed_endpoint(name: str = "local") -> Object:
    """A ModelEndpoint of pods that sets every field of its block."""
    return a_managed_endpoint(
        name,
        engine="Custom",
        image="registry.example.com/server:v1",
        args=["--max-model-len", "32768"],
        port=8000,
        artifact={"uri": "pvc://models/glm/v1", "digest": f"sha256:{'0' * 64}"},
        replicas=2,
        startupTimeout="20m",
        drainTimeout="20s",
        runtimeClassName="nvidia",
        imagePullSecrets=[{"name": "registry"}],
        **_pod_options(),
    )


def an_autoscaled_endpoint(name: str = "scaled") -> Object:
    """A ModelEndpoint of pods whose number an autoscaler chooses, with every field of that."""
    return a_managed_endpoint(name, autoscaling=_autoscaling())


def a_policy(name: str = "executor-crashloop", /, **spec: object) -> Object:
    """A HealingPolicy that restarts pods of one cluster, and what the test adds or replaces."""
    return _object(
        "HealingPolicy",
        name,
        {
            "alerts": [{"matchers": [{"name": "alertname", "value": "KubePodCrashLooping"}]}],
            "target": {
                "kind": "Pod",
                "selector": {"matchLabels": {"autoglm.io/cluster": "demo"}},
            },
            "ladder": [{"action": "Restart", "restart": {"scope": "Pod"}}],
            **spec,
        },
    )


def a_full_policy(name: str = "executor-crashloop") -> Object:
    """A HealingPolicy for a workload; with the one for a node it sets every field."""
    return a_policy(
        name,
        mode="Enforce",
        paused=False,
        alerts=[
            {
                "matchers": [
                    {"name": "alertname", "matchType": "=", "value": "KubePodCrashLooping"},
                    {"name": "severity", "matchType": "=~", "value": "warning|critical"},
                ]
            }
        ],
        target={
            "kind": "Workload",
            "from": {"namespaceLabel": "namespace", "nameLabel": "pod"},
            "selector": {"matchLabels": {"autoglm.io/cluster": "demo"}},
        },
        ladder=[
            {"action": "Restart", "restart": {"scope": "Pod"}},
            {"action": "Restart", "restart": {"scope": "Workload"}},
            {
                "action": "ScaleOut",
                "scaleOut": {
                    "step": "25%",
                    "maxReplicas": 10,
                    "revertAfter": "30m",
                    "allowStatefulSet": True,
                },
            },
            {"action": "Notify"},
        ],
        verify={
            "stabilization": "1m",
            "timeout": "5m",
            "metrics": [
                {"name": "error-ratio", "thresholdRange": {"max": 0.05}},
                {"query": "sum(up)", "thresholdRange": {"min": 1}},
            ],
        },
        guards={
            "cooldown": "10m",
            "maxRunsPerHour": 4,
            "maxConcurrent": 1,
            "maxWait": "1h",
            "storm": {"maxUnhealthy": "40%"},
            "windows": [
                {"schedule": "0 8 * * 1-5", "duration": "10h", "timeZone": "Europe/Berlin"}
            ],
            "silences": "Ignore",
        },
        approval={"timeout": "30m"},
        notify=[
            {
                "type": "Slack",
                "slack": {
                    "urlSecretRef": {"name": "hook", "key": "url"},
                    "caSecretRef": {"name": "hook", "key": "ca.crt"},
                },
            },
            {
                "type": "Webhook",
                "webhook": {
                    "urlSecretRef": {"name": "desk", "key": "url"},
                    "caSecretRef": {"name": "desk", "key": "ca.crt"},
                },
            },
        ],
    )


def a_full_node_policy(name: str = "node-disk") -> Object:
    """A HealingPolicy that sets every field of the actions on nodes."""
    return a_policy(
        name,
        target={
            "kind": "Node",
            "from": {"nameLabel": "instance"},
            "selector": {"matchLabels": {"pool": "gpu"}},
        },
        ladder=[
            {
                "action": "CleanDisk",
                "cleanDisk": {
                    "remove": ["Images", "Containers", "Logs", "Journal", "TemporaryFiles"],
                    "minimumAge": "24h",
                    "minimumSize": "1Mi",
                    "minimumFreed": "64Mi",
                },
            },
            {
                "action": "IsolateNode",
                "isolateNode": {
                    "level": "Drain",
                    "minHealthy": "51%",
                    "healthyDelay": "15m",
                    "expiresAfter": "6h",
                    "drainTimeout": "10m",
                    "evictBarePods": True,
                    "evictLocalData": True,
                },
            },
        ],
    )


def a_run(name: str = "executor-crashloop-3f9a1c0b7d2e4f65") -> Object:
    """A HealingRun as the receiver creates it."""
    return _run_of(a_full_policy(), name)


def a_node_run(name: str = "node-disk-3f9a1c0b7d2e4f65") -> Object:
    """A HealingRun about a node, as the receiver creates it from a flat event."""
    run = _run_of(a_full_node_policy(), name)
    run["spec"]["alert"] |= {"source": "Event", "actionHint": "CleanDisk"}
    return run


def _run_of(policy: Object, name: str) -> Object:
    spec = {"mode": "DryRun", "verify": {"stabilization": "60s", "timeout": "5m"}, **policy["spec"]}
    return _object(
        "HealingRun",
        name,
        {
            "policy": {
                "name": policy["metadata"]["name"],
                "uid": "4f2b6f3e-7a0b-4a52-9d35-0f6c8f3a2b11",
                "generation": 2,
                **{key: spec[key] for key in ("mode", "target", "ladder", "verify")},
            },
            "alert": {
                "name": "KubePodCrashLooping",
                "fingerprint": "2b9c0b8f4d6e1a37",
                "startsAt": "2026-01-02T03:04:05.678Z",
                "labels": {"alertname": "KubePodCrashLooping", "severity": "warning"},
                "source": "Alertmanager",
            },
        },
    )


def minimal() -> list[Object]:
    """One object of every kind and type, with nothing but what is required."""
    return [a_cluster(), an_external_endpoint(), a_managed_endpoint(), a_policy(), a_run()]


def full() -> list[Object]:
    """Objects that together set every field of every spec."""
    return [
        a_full_cluster(),
        a_cluster("fixed", executor={"replicas": 3}),
        a_full_external_endpoint(),
        a_full_managed_endpoint(),
        an_autoscaled_endpoint(),
        a_full_policy(),
        a_full_node_policy(),
        a_run(),
        a_node_run(),
    ]


def _pod_options() -> Object:
    return copy.deepcopy(_POD_OPTIONS)


def _autoscaling() -> Object:
    queue = {"name": "queue", "selector": {"matchLabels": {"model": "glm"}}}
    average = {"type": "AverageValue", "averageValue": "5"}
    percent = {"type": "Utilization", "averageUtilization": 70}
    total = {"type": "Value", "value": "30"}
    cpu = [{"name": "cpu", "target": target} for target in (percent, average)]
    anything = [{"metric": queue, "target": target} for target in (total, average)]
    rules = {
        "stabilizationWindowSeconds": 60,
        "selectPolicy": "Max",
        "policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}],
    }
    return {
        "minReplicas": 1,
        "maxReplicas": 8,
        "metrics": [
            *({"type": "Resource", "resource": each} for each in cpu),
            *(
                {"type": "ContainerResource", "containerResource": {**each, "container": "server"}}
                for each in cpu
            ),
            {"type": "Pods", "pods": {"metric": queue, "target": average}},
            *({"type": "External", "external": each} for each in anything),
        ],
        "behavior": {"scaleUp": rules, "scaleDown": rules},
    }


def _object(kind: str, name: str, spec: object) -> Object:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
