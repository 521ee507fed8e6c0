"""What a HealingPolicy's status says about it."""

import pytest

from autoglm_api.conditions import (
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    find_condition,
)
from autoglm_api.healingpolicy import HealingPolicy, HealingPolicyStatus, LastRun
from autoglm_operator.decisions import policystatus
from autoglm_operator.decisions.healing import Denial
from autoglm_operator.decisions.statuses import Verdict, fails
from episodes import NOW, a_policy


def _status(
    policy: HealingPolicy | None = None,
    *,
    problem: Denial | None = None,
    references: Verdict | None = None,
    matching: int | None = 3,
    last_run: LastRun | None = None,
) -> HealingPolicyStatus:
    return policystatus.status_of(
        policy or a_policy(),
        problem=problem,
        references=references,
        matching=matching,
        last_run=last_run,
        now=NOW,
    )


def _found(status: HealingPolicyStatus, about: ConditionType) -> Condition:
    condition = find_condition(status.conditions, about)
    assert condition is not None
    return condition


def test_a_usable_policy_is_ready_and_says_what_it_matches() -> None:
    status = _status()
    ready = _found(status, ConditionType.READY)
    assert (ready.status, ready.reason) == (ConditionStatus.TRUE, Reason.READY)
    assert "3 objects match" in ready.message
    assert (status.matching, status.observed_generation) == (3, 3)
    assert "1 object matches" in _found(_status(matching=1), ConditionType.READY).message


def test_a_dry_policy_says_that_it_only_records() -> None:
    ready = _found(_status(a_policy(mode="DryRun")), ConditionType.READY)
    assert (ready.status, ready.reason) == (ConditionStatus.TRUE, Reason.DRY_RUN)


def test_a_paused_policy_is_not_ready() -> None:
    ready = _found(_status(a_policy(paused=True)), ConditionType.READY)
    assert (ready.status, ready.reason) == (ConditionStatus.FALSE, Reason.PAUSED)


@pytest.mark.parametrize(
    ("reason", "answer"),
    [
        (Reason.QUERY_INVALID, ConditionStatus.FALSE),
        (Reason.PROMETHEUS_UNAVAILABLE, ConditionStatus.UNKNOWN),
    ],
)
def test_a_problem_is_told_and_makes_it_unready(reason: Reason, answer: ConditionStatus) -> None:
    status = _status(problem=Denial(reason, "No."))
    accepted, ready = (
        _found(status, each) for each in (ConditionType.ACCEPTED, ConditionType.READY)
    )
    assert (accepted.status, accepted.reason) == (answer, reason)
    assert (ready.status, ready.reason) == (ConditionStatus.FALSE, reason)


def test_a_missing_secret_is_told_and_makes_it_unready() -> None:
    status = _status(references=fails(Reason.SECRET_NOT_FOUND, "Secret hook does not exist."))
    assert _found(status, ConditionType.ACCEPTED).status is ConditionStatus.TRUE
    assert _found(status, ConditionType.RESOLVED_REFS).status is ConditionStatus.FALSE
    assert _found(status, ConditionType.READY).reason == Reason.SECRET_NOT_FOUND


def test_what_cannot_be_counted_stays_as_it_was_known() -> None:
    known = _status().model_copy(update={"last_run": LastRun(name="crash-1", phase="Succeeded")})
    policy = a_policy().model_copy(update={"status": known})
    status = _status(policy, matching=None)
    assert status.matching == 3
    assert status.last_run == known.last_run
    assert "objects" not in _found(status, ConditionType.READY).message


def test_a_status_that_says_nothing_new_is_equal() -> None:
    policy = a_policy().model_copy(update={"status": _status()})
    assert _status(policy) == policy.status
