"""The way back goes step by step, and no step comes sooner for being looked at more often."""

import contextlib
from datetime import timedelta

import pytest

from autoglm_api import labels
from autoglm_api.healingrun import LeaseState
from autoglm_operator.clients import errors
from autoglm_operator.decisions import leases
from episodes import NOW
from fake_objects import LOST
from lease_stages import LEAVING, Stage


async def test_goes_back_step_by_step_when_its_time_has_passed() -> None:
    stage = Stage()
    await stage.raise_it()
    stage.end()
    assert await stage.tend() == leases.LOOK
    stage.now = NOW + timedelta(minutes=29, seconds=55)
    assert await stage.tend() == timedelta(seconds=5)

    stage.now = NOW + timedelta(minutes=30)
    seen_numbers: list[int] = []
    while labels.UNDO in stage.run.metadata.finalizers:
        wait = await stage.tend()
        seen_numbers.append(stage.replicas)
        assert stage.is_marked() is (wait is not None)
        stage.now += leases.PACE

    assert seen_numbers == [4, 3, 2]
    assert stage.state is LeaseState.REVERTED


async def test_no_two_steps_back_come_closer_than_the_pace_however_often_it_is_looked_at() -> None:
    stage = Stage()
    await stage.raise_it()
    stage.end()
    stage.now = NOW + timedelta(minutes=30)
    assert await stage.tend() == leases.PACE
    stage.now += timedelta(seconds=20)

    # An edited policy, another version of the run, a new leader: each has it looked at again.
    waits = [await stage.tend() for _ in range(3)]

    assert (waits, stage.replicas) == ([timedelta(seconds=10)] * 3, 4)
    await stage.tend(pauses=LEAVING)
    assert (stage.replicas, stage.state) == (2, LeaseState.REVERTED)


CONFLICT = errors.Conflict(409, "Conflict", "The object was modified.")


@pytest.mark.parametrize(
    ("write", "fault", "scaled"),
    [(2, (CONFLICT, False), 2), (3, (CONFLICT, False), 1), (3, (LOST, False), 1)],
    ids=["the number meets a conflict", "the mark meets a conflict", "the mark is lost"],
)
async def test_a_step_back_that_broke_is_completed_without_the_next_one(
    write: int, fault: tuple[Exception, bool], scaled: int
) -> None:
    stage = Stage()
    await stage.raise_it()
    stage.end()
    stage.now = NOW + timedelta(minutes=30)
    done = len(stage.server.writes)
    stage.server.broken[done + write] = fault
    with pytest.raises(type(fault[0])):
        await stage.tend()

    stage.now += timedelta(seconds=1)
    for _ in range(3):
        await stage.tend()

    assert (stage.replicas, stage.server.writes[done:].count("scale Deployment")) == (4, scaled)
    record = stage.run.status.steps[0].lease
    assert record is not None
    assert leases.marked_value(leases.lease_of(stage.run, record), stage.workload) == "4"


@pytest.mark.parametrize("seconds", [1, 45], ids=["at once", "after a while"])
async def test_a_healer_that_dies_after_every_write_comes_to_an_end(seconds: int) -> None:
    """Whoever comes next goes on behind the write before, and makes none of them anew."""
    stage = Stage()
    await stage.raise_it()
    stage.end()
    done = len(stage.server.writes)
    stage.server.broken = {done + number: (LOST, True) for number in range(1, 20)}

    for _ in range(8):
        with contextlib.suppress(errors.Unavailable):
            await stage.tend(pauses=LEAVING)
        stage.now += timedelta(seconds=seconds)

    assert (stage.replicas, stage.is_marked(), stage.state) == (2, False, LeaseState.REVERTED)
    assert stage.server.writes[done:].count("scale Deployment") == 1
