"""When a late refresh means a lost process."""

import asyncio
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
