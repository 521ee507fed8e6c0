"""Which records may go: never while their alert could still be delivered."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoglm_operator.decisions import retention
from autoglm_operator.decisions.retention import GONE_FOR, UNKNOWN_FOR, Limits, Record
from episodes import NOW

LIMITS = Limits(ttl=timedelta(days=30), per_policy=2)
DAY = timedelta(days=1)


def _record(
    uid: str = "a",
    *,
    ended: timedelta = timedelta(),
    gone: timedelta | None = timedelta(),
    known: bool = True,
    policy: str = "crash",
) -> Record:
    return Record(
        uid=uid,
        policy=("team-a", policy),
        finished_at=NOW - ended,
        gone_since=None if gone is None else NOW - gone,
        known=known,
    )


@pytest.mark.parametrize(
    ("record", "goes"),
    [
        (_record(ended=30 * DAY, gone=GONE_FOR), True),
        (_record(ended=30 * DAY - timedelta(seconds=1), gone=20 * DAY), False),
        (_record(ended=90 * DAY, gone=GONE_FOR - timedelta(seconds=1)), False),
        (_record(ended=90 * DAY, gone=None), False),
        (_record(ended=90 * DAY, gone=None, known=False), True),
    ],
)
def test_a_record_goes_when_it_is_old_and_its_alert_long_gone(record: Record, goes: bool) -> None:
    assert (record.uid in retention.expired([record], LIMITS, NOW)) is goes


def test_where_nobody_can_be_asked_the_longest_delivery_is_waited_for() -> None:
    limits = Limits(ttl=timedelta(), per_policy=10)
    early = _record("early", ended=UNKNOWN_FOR - timedelta(seconds=1), gone=None, known=False)
    late = _record("late", ended=UNKNOWN_FOR, gone=None, known=False)
    assert retention.expired([early, late], limits, NOW) == {"late"}


def test_of_each_policy_the_youngest_stay() -> None:
    records = [_record(str(age), ended=age * DAY, gone=2 * DAY) for age in (3, 1, 2)]
    other = _record("other", ended=9 * DAY, gone=2 * DAY, policy="disk")
    assert retention.expired([*records, other], LIMITS, NOW) == {"3"}


def test_a_record_whose_alert_fires_is_not_counted() -> None:
    firing = [_record(f"f{age}", ended=age * DAY, gone=None) for age in (1, 2, 3)]
    quiet = [_record(f"q{age}", ended=age * DAY, gone=2 * DAY) for age in (4, 5)]
    assert retention.expired([*firing, *quiet], LIMITS, NOW) == frozenset()


@given(
    st.lists(
        st.builds(
            _record,
            st.uuids().map(str),
            ended=st.timedeltas(timedelta(), timedelta(days=400)),
            gone=st.none() | st.timedeltas(timedelta(), timedelta(days=400)),
            known=st.booleans(),
        ),
        max_size=12,
    )
)
def test_nothing_goes_whose_alert_may_come_back(records: list[Record]) -> None:
    expired = retention.expired(records, LIMITS, NOW)
    for record in records:
        if record.uid not in expired:
            continue
        if record.known:
            assert record.gone_since is not None
            assert NOW - record.gone_since >= GONE_FOR
        else:
            assert NOW - record.finished_at >= UNKNOWN_FOR
