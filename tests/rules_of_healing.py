"""For every rule of the healing kinds, an object that breaks it and one that keeps it."""

from collections.abc import Iterator
from typing import Any, Final

from customresources import (
    Object,
    a_full_node_policy,
    a_full_policy,
    a_node_run,
    a_policy,
    a_run,
)
from rulecases import ChangeCase, RuleCase, with_field

LABEL_KEY: Final = "a label key has at most 317 characters"

_STEP_DURATIONS: Final = (
    ("CleanDisk", "minimumAge", "10m", "2160h"),
    ("IsolateNode", "drainTimeout", "10s", "6h"),
    ("IsolateNode", "expiresAfter", "1m", "24h"),
    ("IsolateNode", "healthyDelay", "10s", "24h"),
    ("ScaleOut", "revertAfter", "1m", "23h"),
)
_OPTIONS: Final[dict[str, Object]] = {
    "Restart": {"scope": "Pod"},
    "CleanDisk": {},
    "IsolateNode": {"level": "Drain"},
    "ScaleOut": {"maxReplicas": 4},
}


def healing_rules() -> list[RuleCase]:
    """Every rule that looks at one object."""
    return [*_verification(), *_metrics(), *_steps(), *_selectors(), *_policies()]


def healing_changes() -> list[ChangeCase]:
    """Every rule that looks at a change."""
    return [
        ChangeCase(
            "spec never changes: edit the HealingPolicy, which applies to later alerts",
            before=a_run(),
            refused=with_field(a_run(), "alert.fingerprint", "other"),
            taken=_labelled(a_run()),
            field="",
        ),
    ]


def _verification() -> Iterator[RuleCase]:
    late = "timeout must be longer than stabilization, or no action could ever be verified"
    for good, block in ((a_policy(), ""), (a_run(), "policy.")):
        verify = f"{block}verify"
        yield RuleCase(
            late,
            with_field(good, f"{verify}.stabilization", "5m"),
            with_field(good, f"{verify}.stabilization", "4m59s"),
            f"spec.{verify}",
        )
    for field, shortest, longest in (("stabilization", "1s", "1h"), ("timeout", "2s", "6h")):
        path = f"policy.verify.{field}"
        yield _duration(a_run(), path, shortest, longest)


def _metrics() -> Iterator[RuleCase]:
    either = "write name, one of the admin's catalogue, or query, but not both"
    most: Object = {"thresholdRange": {"max": 1}}
    named = {"name": "error-ratio", **most}
    for good, block in ((a_policy(), ""), (_with_verify(a_run()), "policy.")):
        field = f"{block}verify.metrics"
        taken = with_field(good, field, [named])
        for wrong in (most, {"query": "up", **named}):
            yield RuleCase(either, with_field(good, field, [wrong]), taken, f"spec.{field}[0]")
        for message, limits in (
            ("write min, max or both", {}),
            ("min must not be greater than max", {"min": 2, "max": 1}),
        ):
            wrong = {"name": "error-ratio", "thresholdRange": limits}
            yield RuleCase(
                message,
                with_field(good, field, [wrong]),
                taken,
                f"spec.{field}[0].thresholdRange",
            )


def _steps() -> Iterator[RuleCase]:
    """What is wrong with one step, in a policy and in a run's copy of it."""
    restart = "action Restart needs a scope: write restart: {scope: Pod} or {scope: Workload}"
    isolate = (
        "action IsolateNode needs a level: write isolateNode: {level: Quarantine} or {level: Drain}"
    )
    scale = "action ScaleOut needs a ceiling: write scaleOut: {maxReplicas: 10}"
    foreign = "options belong to another action: keep only the block of the step's own action"
    cases: list[tuple[str, Object, Object]] = [
        (restart, {"action": "Restart"}, _step("Restart")),
        (isolate, {"action": "IsolateNode"}, _step("IsolateNode")),
        (scale, {"action": "ScaleOut"}, _step("ScaleOut")),
        (foreign, _step("CleanDisk") | {"isolateNode": {"level": "Drain"}}, _step("CleanDisk")),
        (foreign, _step("IsolateNode") | {"cleanDisk": {}}, _step("IsolateNode")),
        (foreign, _step("ScaleOut") | {"restart": {"scope": "Pod"}}, _step("ScaleOut")),
        (foreign, _step("Restart") | {"scaleOut": {"maxReplicas": 4}}, _step("Restart")),
    ]
    for message, wrong, good in cases:
        yield from _of_step(message, wrong, good, "")
    for action, field, shortest, longest in _STEP_DURATIONS:
        yield from _of_step(
            _duration_sentence(shortest, longest),
            _step(action, **{field: f"{longest}1ms"}),
            _step(action, **{field: longest}),
            f".{_block(action)}.{field}",
        )
    count = "write a count from 1 to 9999 or a share from 1% to 100%, like 2 or 25%"
    for action, field in (("IsolateNode", "minHealthy"), ("ScaleOut", "step")):
        # The schema's pattern catches texts; a number that is out of bounds is left to the rule.
        for number in (1, 9999, "100%"):
            yield from _of_step(
                count,
                _step(action, **{field: 0}),
                _step(action, **{field: number}),
                f".{_block(action)}.{field}",
            )


def _of_step(message: str, wrong: Object, good: Object, path: str) -> Iterator[RuleCase]:
    on_node = good["action"] in ("CleanDisk", "IsolateNode")
    policy, run = (a_full_node_policy(), a_node_run()) if on_node else (a_full_policy(), a_run())
    for base, field in ((policy, "ladder"), (run, "policy.ladder")):
        yield RuleCase(
            message,
            with_field(base, field, [wrong]),
            with_field(base, field, [good]),
            f"spec.{field}[0]{path}",
        )


def _selectors() -> Iterator[RuleCase]:
    empty = "name at least one label: an empty selector would match everything and is refused"
    for good, block in ((a_policy(), ""), (a_run(), "policy.")):
        selector = f"{block}target.selector.matchLabels"
        yield RuleCase(empty, with_field(good, selector, {}), good, f"spec.{selector}")
        yield RuleCase(
            LABEL_KEY,
            with_field(good, selector, {"a" * 318: "b"}),
            with_field(good, selector, {"a" * 317: "b"}),
            f"spec.{selector}",
        )


def _policies() -> Iterator[RuleCase]:
    regex = "value is no regular expression: write RE2 syntax, as in 'warning|critical'"
    named = (
        "say which alert is meant: add a matcher such as"
        " {name: alertname, value: KubePodCrashLooping}"
    )
    yield RuleCase(
        regex, _matching("=~", "a("), _matching("=~", "a|b"), "spec.alerts[0].matchers[0]"
    )
    yield RuleCase(named, _matching("!=", "a"), _matching("=", "a"), "spec.alerts[0]")
    yield from _fitting()
    for field, shortest, longest in (
        ("approval.timeout", "1m", "24h"),
        ("guards.cooldown", "0s", "24h"),
        ("guards.maxWait", "0s", "24h"),
    ):
        yield _duration(a_policy(), field, shortest, longest)
    window: Object = {"schedule": "0 8 * * *"}
    yield RuleCase(
        _duration_sentence("1m", "168h"),
        with_field(a_policy(), "guards.windows", [{**window, "duration": "168h1ms"}]),
        with_field(a_policy(), "guards.windows", [{**window, "duration": "168h"}]),
        "spec.guards.windows[0].duration",
    )
    url = {"urlSecretRef": {"name": "hook", "key": "url"}}
    slack = {"type": "Slack", "slack": url}
    for wrong in ({"type": "Slack"}, {"type": "Webhook", "slack": url}, {**slack, "webhook": url}):
        yield RuleCase(
            "write the block of the type and no other: slack for Slack, webhook for Webhook",
            with_field(a_policy(), "notify", [wrong]),
            with_field(a_policy(), "notify", [slack]),
            "spec.notify[0]",
        )


def _fitting() -> Iterator[RuleCase]:
    """Which action fits which target: every pair, with the sentence that refuses it or none."""
    node = (
        "actions CleanDisk and IsolateNode fit target kind Node; a volume that is full is never"
        " cleaned: use action Notify, which offers its expansion"
    )
    restart = "action Restart fits target kinds Pod, Workload and ModelEndpoint"
    scale = "action ScaleOut fits target kinds Workload and ModelEndpoint"
    scope = (
        "restart scope Workload needs target kind Workload or ModelEndpoint:"
        " write scope: Pod, or target: {kind: Workload, ...}"
    )
    pods, nodes, volumes = ("Pod",), ("Node",), ("PersistentVolumeClaim",)
    loads = ("Workload", "ModelEndpoint")
    rolled = _step("Restart", scope="Workload")
    for message, step, fits, misfits in (
        (restart, _step("Restart"), (*pods, *loads), (*nodes, *volumes)),
        (scope, rolled, loads, (*pods, *nodes, *volumes)),
        (scale, _step("ScaleOut"), loads, (*pods, *nodes, *volumes)),
        (node, _step("CleanDisk"), nodes, (*pods, *loads, *volumes)),
        (node, _step("IsolateNode"), nodes, (*pods, *loads, *volumes)),
    ):
        for at, misfit in enumerate(misfits):
            fit = fits[at % len(fits)]
            yield RuleCase(message, _with_step(step, misfit), _with_step(step, fit), "spec")
    somebody = "action Notify needs somebody to notify: add an entry to notify"
    entry = {"type": "Slack", "slack": {"urlSecretRef": {"name": "hook", "key": "url"}}}
    for kind in (*pods, *loads, *nodes, *volumes):
        lonely = _with_step({"action": "Notify"}, kind)
        yield RuleCase(somebody, lonely, with_field(lonely, "notify", [entry]), "spec")
    last = "action Notify heals nothing: write it once, as the last step"
    told, restart_pod = {"action": "Notify"}, _step("Restart", scope="Pod")
    right = with_field(a_policy(ladder=[restart_pod, told]), "notify", [entry])
    for wrong in ([told, restart_pod], [told, told]):
        yield RuleCase(last, with_field(right, "ladder", wrong), right, "spec")


def _step(action: str, **options: object) -> Object:
    return {"action": action, _block(action): _OPTIONS[action] | options}


def _block(action: str) -> str:
    return action[0].lower() + action[1:]


def _with_step(step: Object, kind: str) -> Object:
    return with_field(a_policy(ladder=[step]), "target.kind", kind)


def _with_verify(run: Object) -> Object:
    return with_field(run, "policy.verify", {"stabilization": "1m", "timeout": "5m"})


def _duration(good: Object, field: str, shortest: str, longest: str) -> RuleCase:
    return RuleCase(
        _duration_sentence(shortest, longest),
        with_field(good, field, f"{longest}1ms"),
        good,
        f"spec.{field}",
    )


def _duration_sentence(shortest: str, longest: str) -> str:
    return f"write a duration from {shortest} to {longest}, like 30s or 1h30m"


def _matching(match_type: str, value: str) -> Object:
    matcher: dict[str, Any] = {"name": "alertname", "matchType": match_type, "value": value}
    return a_policy(alerts=[{"matchers": [matcher]}])


def _labelled(obj: Object) -> Object:
    obj["metadata"]["labels"] = {"seen": "true"}
    return obj
