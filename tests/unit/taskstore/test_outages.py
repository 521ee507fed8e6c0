"""When a late refresh means a lost process."""

import asyncio
import contextlib
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from autoglm_dataplane.taskstore.connection import StoreUnavailableError
from autoglm_dataplane.taskstore.outages import Outages


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def outages(clock: Clock, registry: CollectorRegistry) -> Outages:
    return Outages(registry, clock)


def answer_for(outages: Outages, clock: Clock, seconds: int) -> None:
    for _ in range(seconds):
        outages.answered()
        clock.now += 1
    outages.answered()


def test_a_store_that_never_answered_is_not_up(outages: Outages) -> None:
    assert not outages.up
    assert not outages.steady()


def test_it_is_steady_after_three_seconds_of_answers(outages: Outages, clock: Clock) -> None:
    answer_for(outages, clock, 2)
    assert outages.up
    assert not outages.steady()
    answer_for(outages, clock, 1)
    assert outages.steady()


def test_an_outage_begins_the_wait_anew(outages: Outages, clock: Clock) -> None:
    answer_for(outages, clock, 5)
    outages.failed(StoreUnavailableError("gone"))
    assert not outages.up
    outages.answered()
    assert not outages.steady()


def test_silence_begins_the_wait_anew(outages: Outages, clock: Clock) -> None:
    answer_for(outages, clock, 5)
    clock.now += 10
    outages.answered()
    assert not outages.steady()


def test_the_metric_follows(outages: Outages, registry: CollectorRegistry) -> None:
    outages.answered()
    assert registry.get_sample_value("autoglm_store_up") == 1
    outages.failed(StoreUnavailableError("gone"))
    assert registry.get_sample_value("autoglm_store_up") == 0


async def test_insisting_goes_on_until_the_store_answers(
    outages: Outages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoglm_dataplane.taskstore.outages.AGAIN_SECONDS", 0)
    tried: list[int] = []

    async def step() -> str:
        tried.append(1)
        await asyncio.sleep(0)
        if len(tried) < 3:
            raise StoreUnavailableError("not yet")
        return "done"

    assert await outages.insist(step) == "done"
    assert len(tried) == 3


async def repeat_once(outages: Outages, *, asked: bool) -> None:
    """Runs one round of a repeated step."""

    async def step() -> bool:
        return asked

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            await outages.forever(step, pause=60)


async def test_a_step_that_asked_nothing_does_not_say_that_the_store_is_up(
    outages: Outages,
) -> None:
    outages.failed(StoreUnavailableError("gone"))
    await repeat_once(outages, asked=False)
    assert not outages.up
    await repeat_once(outages, asked=True)
    assert outages.up


async def test_who_stops_waits_ten_seconds_for_a_store_that_is_away(
    outages: Outages, clock: Clock
) -> None:
    work = asyncio.create_task(asyncio.sleep(60))
    outages.failed(StoreUnavailableError("gone"))
    clock.now += 10
    assert not outages.gave_up
    clock.now += 1
    outages.failed(StoreUnavailableError("still gone"))
    assert outages.gave_up
    await outages.finished(lambda: [work])
    assert not work.done()
    work.cancel()


async def test_who_stops_waits_for_its_work_while_the_store_answers(outages: Outages) -> None:
    outages.answered()
    work = asyncio.create_task(asyncio.sleep(0.01))
    await outages.finished(lambda: [] if work.done() else [work])
    assert work.done()
