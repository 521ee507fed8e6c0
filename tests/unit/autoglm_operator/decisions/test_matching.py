"""Which alerts a policy is about, and the run that follows."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoglm_api.alerts import Alert
from autoglm_api.healingladder import ActionName
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_api.healingrun import AlertSource, HealingRun, run_name
from autoglm_operator.decisions import matching
from episodes import a_policy

TRUSTED = frozenset({"team-a"})
NOBODY: frozenset[str] = frozenset()


def matcher(name: str, value: str, kind: str = "=") -> dict[str, str]:
    return {"name": name, "matchType": kind, "value": value}


def policy_for(*matchers: dict[str, str]) -> HealingPolicy:
    return a_policy(alerts=[{"matchers": list(matchers)}])


CASES: dict[str, tuple[dict[str, str], dict[str, str], bool]] = {
    "an equal value": (matcher("severity", "page"), {"severity": "page"}, True),
    "another value": (matcher("severity", "page"), {"severity": "info"}, False),
    "an absent label": (matcher("severity", "page"), {}, False),
    "an absent label that shall be empty": (matcher("severity", ""), {}, True),
    "a value that shall differ": (matcher("severity", "page", "!="), {"severity": "x"}, True),
    "a value that shall not be this": (
        matcher("severity", "page", "!="),
        {"severity": "page"},
        False,
    ),
    "an expression": (matcher("severity", "warn.*|page", "=~"), {"severity": "warning"}, True),
    "an expression that fits only a part": (
        matcher("severity", "warn|page", "=~"),
        {"severity": "pages"},
        False,
    ),
    "an expression that shall not fit": (
        matcher("severity", "warn.*", "!~"),
        {"severity": "page"},
        True,
    ),
    "an expression that shall not fit but does": (
        matcher("severity", "warn.*", "!~"),
        {"severity": "warning"},
        False,
    ),
}


@pytest.mark.parametrize(("wanted", "labels", "fits"), CASES.values(), ids=CASES)
def test_matcher(wanted: dict[str, str], labels: dict[str, str], fits: bool) -> None:
    policy = policy_for(matcher("alertname", "Crash"), wanted)

    assert matching.matches(policy, {"alertname": "Crash", **labels}, TRUSTED) is fits


def test_any_alert_of_a_policy_is_enough() -> None:
    policy = a_policy(
        alerts=[{"matchers": [matcher("alertname", name)]} for name in ("Crash", "Stuck")]
    )

    assert matching.matches(policy, {"alertname": "Stuck"}, TRUSTED)


@pytest.mark.parametrize(
    ("labels", "fits"),
    [({"namespace": "team-a"}, True), ({"namespace": "team-b"}, False), ({}, False)],
    ids=["its own", "another", "none"],
)
def test_an_untrusted_namespace_only_matches_alerts_that_name_it(
    labels: dict[str, str], fits: bool
) -> None:
    assert matching.matches(a_policy(), {"alertname": "Crash", **labels}, NOBODY) is fits


@pytest.mark.parametrize(
    ("labels", "hint", "fits"),
    [
        ({"alertname": "Crash", "instance": "10.0.0.1"}, None, True),
        ({"alertname": "Crash"}, ActionName.RESTART, True),
        ({"alertname": "Crash"}, ActionName.CLEAN_DISK, False),
        ({"alertname": "Stuck"}, ActionName.RESTART, False),
    ],
    ids=["no wish", "an action of the ladder", "an action that is not allowed", "another alert"],
)
def test_an_event_needs_matchers_and_the_action(
    labels: dict[str, str], hint: ActionName | None, fits: bool
) -> None:
    assert matching.matches_event(a_policy(), labels, hint) is fits


def test_a_hostile_expression_takes_no_longer_than_its_input() -> None:
    policy = policy_for(matcher("alertname", "(a+)+b", "=~"))

    assert not matching.matches(policy, {"alertname": "a" * 100_000}, TRUSTED)


def test_a_bad_expression_is_named() -> None:
    policy = policy_for(matcher("alertname", "Crash"), matcher("pod", "(", "=~"))

    assert matching.problem_of(policy) == "The matcher of label pod holds no RE2 expression: '('."


def test_a_usable_policy_has_no_problem() -> None:
    policy = policy_for(matcher("alertname", "("), matcher("pod", "web-.*", "!~"))

    assert matching.problem_of(policy) is None


def an_alert(**changes: Any) -> Alert:  # noqa: ANN401
    return Alert.model_validate(
        {
            "status": "firing",
            "labels": {"alertname": "Crash", "namespace": "team-a", "pod": "web-1"},
            "startsAt": "2026-03-01T11:59:00.123456Z",
            "fingerprint": "a1b2c3d4e5f60718",
            **changes,
        }
    )


def test_a_run_copies_policy_and_alert() -> None:
    run = HealingRun.read(matching.run_for(a_policy(), an_alert()))

    assert run.metadata.namespace == "team-a"
    assert run.spec.policy.generation == 3
    assert run.spec.policy.ladder == a_policy().spec.ladder
    assert run.spec.alert.labels["pod"] == "web-1"
    assert run.spec.as_json()["alert"]["startsAt"] == "2026-03-01T11:59:00.123Z"


def test_a_run_names_who_reported_it_and_what_was_wished_for() -> None:
    built = matching.run_for(a_policy(), an_alert(), AlertSource.EVENT, ActionName.RESTART)

    alert = HealingRun.read(built).spec.alert
    assert (alert.source, alert.action_hint) == (AlertSource.EVENT, ActionName.RESTART)
    assert matching.run_path(a_policy(), an_alert()) == f"team-a/{built['metadata']['name']}"


def test_the_ladder_of_a_run_begins_with_what_was_wished_for() -> None:
    steps = [
        {"action": "Restart", "restart": {"scope": "Pod"}},
        {"action": "ScaleOut", "scaleOut": {"step": 1, "maxReplicas": 5}},
        {"action": "Notify"},
    ]
    policy = a_policy(ladder=steps)

    def begun_by(hint: ActionName | None) -> list[str]:
        built = matching.run_for(policy, an_alert(), AlertSource.EVENT, hint)
        return [str(step["action"]) for step in built["spec"]["policy"]["ladder"]]

    assert begun_by(ActionName.SCALE_OUT) == ["ScaleOut", "Notify"]
    assert begun_by(ActionName.RESTART) == begun_by(None) == ["Restart", "ScaleOut", "Notify"]


def test_an_alert_that_does_not_fit_into_a_run_is_refused() -> None:
    with pytest.raises(ValueError, match="1024"):
        matching.run_for(a_policy(), an_alert(labels={"alertname": "Crash", "x": "y" * 1025}))


def test_the_name_is_the_same_on_every_delivery() -> None:
    starts = datetime(2026, 3, 1, 12, tzinfo=UTC)
    elsewhere = starts.astimezone(timezone(timedelta(hours=5)))

    assert run_name("crash", "p-1", "a1", starts) == run_name("crash", "p-1", "a1", elsewhere)
    assert run_name("crash", "p-1", "a1", starts) == "crash-bc821d6384fb4a1a"


@given(
    st.tuples(st.sampled_from(["p-1", "p-2"]), st.sampled_from(["a1", "b2"]), st.integers(0, 5)),
    st.tuples(st.sampled_from(["p-1", "p-2"]), st.sampled_from(["a1", "b2"]), st.integers(0, 5)),
)
def test_another_policy_alert_or_episode_has_another_name(
    one: tuple[str, str, int], other: tuple[str, str, int]
) -> None:
    def name(parts: tuple[str, str, int]) -> str:
        moment = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(milliseconds=parts[2])
        return run_name("crash", parts[0], parts[1], moment)

    assert (name(one) == name(other)) is (one == other)
