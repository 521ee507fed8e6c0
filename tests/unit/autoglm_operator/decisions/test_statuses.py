from datetime import UTC, datetime, timedelta

from autoglm_api.conditions import Condition, ConditionType, Reason
from autoglm_operator.decisions import statuses
from autoglm_operator.decisions.statuses import Verdict, fails, holds, unknown

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


def made(
    ready: Verdict, before: tuple[Condition, ...] = (), at: datetime = NOW
) -> tuple[Condition, ...]:
    verdicts = {
        ConditionType.READY: ready,
        ConditionType.DEGRADED: fails(Reason.AS_EXPECTED, "All is well."),
    }
    return statuses.conditions_of(before, verdicts, 1, at)


def test_only_a_flip_moves_the_transition_time() -> None:
    first = made(fails(Reason.PODS_NOT_READY, "Not yet."))
    same = made(fails(Reason.PROBE_FAILED, "Other."), first, LATER)
    flipped = made(holds(Reason.READY, "Yes."), first, LATER)
    assert same[0].last_transition_time == NOW
    assert flipped[0].last_transition_time == LATER


def test_an_unchanged_status_compares_equal() -> None:
    first = made(unknown(Reason.NOT_PROBED, "Not probed."))
    assert made(unknown(Reason.NOT_PROBED, "Not probed."), tuple(reversed(first)), LATER) == first


def test_conditions_of_no_verdict_are_dropped() -> None:
    first = made(holds(Reason.READY, "Yes."))
    kept = statuses.conditions_of(
        first, {ConditionType.READY: holds(Reason.READY, "Yes.")}, 1, LATER
    )
    assert [each.type for each in kept] == ["Ready"]


def test_changes_are_told_and_good_beginnings_are_not() -> None:
    good, bad = made(holds(Reason.READY, "Yes.")), made(fails(Reason.PODS_NOT_READY, "No."))
    assert statuses.transitions((), good) == ()
    (told,) = statuses.transitions((), bad)
    assert (told.reason, told.wrong) == (Reason.PODS_NOT_READY, True)
    (back,) = statuses.transitions(bad, good)
    assert (back.reason, back.wrong) == (Reason.READY, False)
    assert statuses.transitions(good, good) == ()


def test_degraded_is_bad_when_true() -> None:
    before = made(holds(Reason.READY, "Yes."))
    after = statuses.conditions_of(
        before, {ConditionType.DEGRADED: holds(Reason.ROUTER_STALE, "Stale.")}, 1, LATER
    )
    (told,) = statuses.transitions(before, after)
    assert told.wrong
