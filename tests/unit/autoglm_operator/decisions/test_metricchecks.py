"""Verification by metrics: which queries, and which answers are good."""

import math
from typing import Any

import pytest

from autoglm_api.conditions import Reason
from autoglm_api.healingevidence import Evidence, WorkloadEvidence
from autoglm_api.healingpolicy import ThresholdRange, Verification
from autoglm_operator.decisions import metricchecks
from autoglm_operator.decisions.healing import Health
from autoglm_operator.decisions.metricchecks import Query

CATALOGUE = {"errors": 'sum(errors{namespace="$namespace",pod=~"$name-.*"})', "load": "node_load1"}
TARGET = {"namespace": "team-a", "name": "web", "kind": "Deployment"}
WELL = Health(
    healthy=True,
    message="Deployment web is as wanted.",
    evidence=Evidence(workload=WorkloadEvidence(desired=2, updated=2, available=2, restarts=0)),
)


def _verify(*checks: dict[str, Any]) -> Verification:
    return Verification.model_validate({"metrics": list(checks)})


def _named(name: str = "errors", **limits: float) -> dict[str, Any]:
    return {"name": name, "thresholdRange": limits or {"max": 0.05}}


def _free(query: str = "up") -> dict[str, Any]:
    return {"query": query, "thresholdRange": {"min": 1}}


def test_a_policy_without_metrics_has_no_problem() -> None:
    assert metricchecks.problem_of(Verification(), {}, trusted=False) is None


def test_a_known_name_and_a_trusted_query_are_fine() -> None:
    verify = _verify(_named(), _free())
    assert metricchecks.problem_of(verify, CATALOGUE, trusted=True) is None


def test_an_unknown_name_is_refused_and_the_known_ones_are_named() -> None:
    problem = metricchecks.problem_of(_verify(_named("latency")), CATALOGUE, trusted=True)
    assert problem is not None
    assert problem.reason is Reason.QUERY_UNKNOWN
    assert "choose one of errors, load" in problem.message


def test_an_empty_catalogue_says_so() -> None:
    problem = metricchecks.problem_of(_verify(_named()), {}, trusted=True)
    assert problem is not None
    assert "choose one of none" in problem.message


def test_a_query_of_its_own_needs_a_trusted_namespace() -> None:
    problem = metricchecks.problem_of(_verify(_free()), CATALOGUE, trusted=False)
    assert problem is not None
    assert problem.reason is Reason.QUERY_NOT_ALLOWED


def test_the_target_is_put_into_the_query_and_nothing_else_is_touched() -> None:
    verify = _verify(_named(), _free('up{job=~"web$"}'))
    first, second = metricchecks.queries(verify, CATALOGUE, TARGET, trusted=True)
    assert first.text == 'sum(errors{namespace="team-a",pod=~"web-.*"})'
    assert (first.name, second.name) == ("errors", 'up{job=~"web$"}')
    assert second.text == 'up{job=~"web$"}'


def test_a_name_that_left_the_catalogue_gives_no_query() -> None:
    (query,) = metricchecks.queries(_verify(_named("gone")), CATALOGUE, TARGET, trusted=False)
    assert query.text == ""


def test_a_copy_of_a_query_that_was_never_allowed_is_not_asked() -> None:
    verify = _verify(_named(), _free("secrets_of_others"))
    first, second = metricchecks.queries(verify, CATALOGUE, TARGET, trusted=False)
    assert first.text
    assert (second.name, second.text) == ("secrets_of_others", "")


def test_what_is_parsed_has_a_word_in_each_place() -> None:
    verify = _verify(_named(), _named("gone"))
    assert metricchecks.texts(verify, CATALOGUE) == ('sum(errors{namespace="any",pod=~"any-.*"})',)


@pytest.mark.parametrize(
    ("samples", "good", "shown"),
    [
        ([0.01, 0.02], True, "0.02"),
        ([0.01, 0.5], False, "0.5"),
        ([0.05], True, "0.05"),
        ([math.nan, 0.01], False, "nan"),
        ([math.inf], False, "inf"),
        ([], False, None),
        (None, False, None),
    ],
)
def test_every_sample_must_be_good(
    samples: list[float] | None, good: bool, shown: str | None
) -> None:
    query = Query("errors", "q", ThresholdRange(max=0.05))
    read = metricchecks.reading(query, samples)
    assert (read.name, read.good, read.value) == ("errors", good, shown)


@pytest.mark.parametrize(
    ("limits", "sample", "good"),
    [
        ({"min": 1}, 1, True),
        ({"min": 1}, 0.9, False),
        ({"min": 1, "max": 2}, 1.5, True),
        ({"min": 1, "max": 2}, 2.1, False),
        ({"min": 1, "max": 2}, 0.5, False),
    ],
)
def test_ranges_hold_at_both_ends(limits: dict[str, float], sample: float, good: bool) -> None:
    query = Query("q", "q", ThresholdRange.model_validate(limits))
    assert metricchecks.reading(query, [sample]).good is good


def test_without_metrics_only_the_state_counts() -> None:
    assert metricchecks.with_readings(WELL, Verification(), ()) == WELL


def test_good_metrics_keep_a_target_healthy_and_stand_in_the_evidence() -> None:
    read = metricchecks.reading(Query("errors", "q", ThresholdRange(max=1)), [0.0])
    health = metricchecks.with_readings(WELL, _verify(_named()), (read,))
    assert health.healthy
    assert health.evidence is not None
    assert health.evidence.metrics == (read,)
    assert health.evidence.workload is not None


@pytest.mark.parametrize(
    ("samples", "message"),
    [([2.0], "Metric errors is 2, which is not good."), ([], "Metric errors has no data.")],
)
def test_a_bad_or_missing_metric_is_not_health(samples: list[float], message: str) -> None:
    read = metricchecks.reading(Query("errors", "q", ThresholdRange(max=1)), samples)
    health = metricchecks.with_readings(WELL, _verify(_named()), (read,))
    assert (health.healthy, health.message) == (False, message)


def test_metrics_that_were_not_asked_are_not_health() -> None:
    health = metricchecks.with_readings(WELL, _verify(_named()), ())
    assert (health.healthy, health.message) == (False, "The metrics were not asked yet.")


def test_good_metrics_do_not_heal_a_sick_state() -> None:
    read = metricchecks.reading(Query("errors", "q", ThresholdRange(max=1)), [0.0])
    sick = Health(healthy=False, message="It is not.", evidence=WELL.evidence)
    health = metricchecks.with_readings(sick, _verify(_named()), (read,))
    assert (health.healthy, health.message) == (False, "It is not.")
    assert health.evidence is not None
    assert health.evidence.metrics == (read,)


def test_a_state_without_evidence_stays_without() -> None:
    blind = Health(healthy=True, message="Nobody looked.", evidence=None)
    read = metricchecks.reading(Query("errors", "q", ThresholdRange(max=1)), [0.0])
    assert metricchecks.with_readings(blind, _verify(_named()), (read,)).evidence is None
