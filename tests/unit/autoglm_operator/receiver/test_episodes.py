"""How receivers agree on episodes of flat events."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from autoglm_operator.clients import errors
from autoglm_operator.decisions.eventepisodes import TooManyEpisodesError
from autoglm_operator.receiver.episodes import TRIES, Episodes
from fake_runs import FakeRuns, refused
from manual_clock import START, ManualClock, settle

if TYPE_CHECKING:
    from autoglm_operator.clients.kube import KubeClient

CONFLICT = refused(409, "Conflict")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def api() -> FakeRuns:
    return FakeRuns(config_map={"metadata": {"resourceVersion": "1"}})


def a_receiver(api: FakeRuns, clock: ManualClock) -> Episodes:
    return Episodes(cast("KubeClient", api), clock, "release", "episodes")


async def test_two_receivers_agree_and_a_restarted_one_remembers(
    api: FakeRuns, clock: ManualClock
) -> None:
    one, two = a_receiver(api, clock), a_receiver(api, clock)

    first = await one.started_at("a")
    await clock.advance(600)
    second = await two.started_at("a")
    await clock.advance(600)
    third = await a_receiver(api, clock).started_at("a")

    assert (first, second, third) == (START, START, START)


async def test_an_episode_ends_for_all(api: FakeRuns, clock: ManualClock) -> None:
    one = a_receiver(api, clock)
    await one.started_at("a")

    await clock.advance(17 * 60)

    assert await a_receiver(api, clock).started_at("a") == START + timedelta(minutes=17)
    assert await one.started_at("a") == START + timedelta(minutes=17)


async def test_a_repetition_within_a_minute_asks_nobody(api: FakeRuns, clock: ManualClock) -> None:
    receiver = a_receiver(api, clock)
    await receiver.started_at("a")
    api.config_map = None

    await clock.advance(59)

    assert await receiver.started_at("a") == START


async def test_events_that_wait_share_a_write(api: FakeRuns, clock: ManualClock) -> None:
    receiver = a_receiver(api, clock)

    await asyncio.gather(*(receiver.started_at(str(number % 10)) for number in range(100)))

    assert len((api.config_map or {})["data"]) == 10
    assert api.calls <= 2


async def test_looks_again_when_another_receiver_wrote(api: FakeRuns, clock: ManualClock) -> None:
    api.faults = [CONFLICT] * (TRIES - 1)

    assert await a_receiver(api, clock).started_at("a") == START


FAILURES: dict[str, tuple[list[Exception | None], bool]] = {
    "others write all the time": ([CONFLICT] * TRIES, False),
    "no answer": ([refused(503, "ServiceUnavailable")], False),
    "no memory": ([], True),
}


@pytest.mark.parametrize(("faults", "missing"), FAILURES.values(), ids=FAILURES)
async def test_an_event_that_cannot_be_noted_is_asked_for_again(
    api: FakeRuns, clock: ManualClock, faults: list[Exception | None], missing: bool
) -> None:
    receiver, live = a_receiver(api, clock), api.config_map
    # The first asks at once, the others together after it.
    api.faults = faults * 2
    api.config_map = None if missing else live

    results = await asyncio.gather(
        *(receiver.started_at("a") for _ in range(3)), return_exceptions=True
    )

    assert {type(each) for each in results} == {errors.Unavailable}
    api.config_map = live
    assert await receiver.started_at("a") == START


async def test_a_full_memory_is_said(
    api: FakeRuns, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoglm_operator.decisions.eventepisodes.EPISODES_LIMIT", 1)
    receiver = a_receiver(api, clock)
    await receiver.started_at("a")

    with pytest.raises(TooManyEpisodesError):
        await receiver.started_at("b")


async def test_whoever_waits_for_a_write_that_was_given_up_asks_for_it_again(
    api: FakeRuns, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = a_receiver(api, clock)
    held = asyncio.Event()

    async def slow(*_: object) -> None:
        await held.wait()

    monkeypatch.setattr(api, "get", slow)
    tasks = [asyncio.ensure_future(receiver.started_at("a")) for _ in range(3)]
    await settle()
    # The first holds the lock alone; the second holds it for the third, too.
    for task in tasks[:2]:
        task.cancel()
        await settle()

    with pytest.raises(errors.Unavailable, match="given up"):
        await tasks[2]
