"""Conditions move their time on a flip only, and always follow the generation."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoglm_api.conditions import (
    MESSAGE_LIMIT,
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    find_condition,
    is_true,
    read_conditions,
    set_condition,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)

STATUSES = st.sampled_from([True, False, None])


def ready(
    conditions: tuple[Condition, ...] = (),
    *,
    status: bool | None = True,
    now: datetime = NOW,
    message: str = "all is well",
    generation: int = 1,
) -> tuple[Condition, ...]:
    return set_condition(
        conditions,
        ConditionType.READY,
        status=status,
        reason=Reason.READY,
        message=message,
        generation=generation,
        now=now,
    )


@given(before=STATUSES, after=STATUSES, generation=st.integers(0, 2**53 - 1))
def test_time_moves_on_a_flip_only(
    before: bool | None, after: bool | None, generation: int
) -> None:
    (condition,) = ready(ready(status=before), status=after, now=LATER, generation=generation)
    assert condition.last_transition_time == (NOW if before is after else LATER)
    assert condition.observed_generation == generation


@given(st.lists(st.tuples(st.sampled_from(list(ConditionType)), STATUSES)))
def test_there_is_one_condition_per_type(
    changes: list[tuple[ConditionType, bool | None]],
) -> None:
    conditions: tuple[Condition, ...] = ()
    for about, status in changes:
        conditions = set_condition(
            conditions,
            about,
            status=status,
            reason=Reason.AS_EXPECTED,
            message="",
            generation=1,
            now=NOW,
        )
    types = [condition.type for condition in conditions]
    assert types == list(dict.fromkeys(str(about) for about, _ in changes))
    last = dict(changes)
    assert all(is_true(conditions, about) is (status is True) for about, status in last.items())


@given(STATUSES)
def test_setting_again_changes_nothing(status: bool | None) -> None:
    once = ready(status=status)
    assert ready(once, status=status, now=LATER) == once


def test_the_given_conditions_are_left_as_they_are() -> None:
    before = ready()
    ready(before, status=False, now=LATER)
    assert before == ready()


def test_a_new_message_does_not_move_the_time() -> None:
    (condition,) = ready(ready(), message="still well", now=LATER)
    assert condition.message == "still well"
    assert condition.last_transition_time == NOW


def test_a_long_message_is_cut_where_it_still_fits() -> None:
    (condition,) = ready(message="x" * (MESSAGE_LIMIT + 1))
    assert len(condition.message) == MESSAGE_LIMIT
    assert condition.message.endswith("…")


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (True, ConditionStatus.TRUE),
        (False, ConditionStatus.FALSE),
        (None, ConditionStatus.UNKNOWN),
    ],
)
def test_no_answer_is_unknown(status: bool | None, word: ConditionStatus) -> None:
    (condition,) = ready(status=status)
    assert condition.status is word


def test_finds_by_type() -> None:
    conditions = ready()
    assert find_condition(conditions, ConditionType.READY) == conditions[0]
    assert find_condition(conditions, ConditionType.DEGRADED) is None
    assert not is_true(conditions, ConditionType.DEGRADED)


def test_what_is_written_to_a_status_is_read_again() -> None:
    conditions = ready(now=NOW.astimezone())
    written = [condition.as_json() for condition in conditions]
    assert written[0]["lastTransitionTime"] == "2026-01-02T03:04:05Z"
    assert read_conditions({"conditions": written}) == conditions


@pytest.mark.parametrize("status", [{}, {"conditions": None}, {"conditions": "Ready"}])
def test_a_status_without_conditions_has_none(status: dict[str, object]) -> None:
    assert read_conditions(status) == ()


def test_a_condition_that_does_not_parse_is_dropped() -> None:
    (good,) = ready()
    assert read_conditions({"conditions": [{"type": "Ready"}, 7, good.as_json()]}) == (good,)


def test_reasons_are_words_that_kubernetes_takes() -> None:
    for reason in Reason:
        assert Condition.model_validate(
            {
                "type": "Ready",
                "status": "True",
                "reason": reason,
                "message": "",
                "lastTransitionTime": NOW,
            }
        )
