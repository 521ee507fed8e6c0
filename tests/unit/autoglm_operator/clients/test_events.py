"""Events: each said once, with a share for every object, and readable in a storm."""

from typing import TYPE_CHECKING, cast

import pytest

from autoglm_operator.clients.events import (
    BURST_PER_OBJECT,
    MINOR_BURST,
    REPEAT_SECONDS,
    EventRecorder,
    EventSource,
)
from fake_runs import FakeRuns
from manual_clock import ManualClock

if TYPE_CHECKING:
    from autoglm_operator.clients.kube import KubeClient


class Recording:
    """A recorder, and the API server that it writes to."""

    def __init__(self) -> None:
        self.api, self.clock = FakeRuns(), ManualClock()
        source = EventSource("autoglm.io/test", "test-0")
        self.recorder = EventRecorder(cast("KubeClient", self.api), self.clock, source)

    async def say(self, uid: str, message: str = "Gone.", *, minor: bool = False) -> bool:
        """Report something about the run with this UID."""
        meta = {"namespace": "team-a", "name": f"crash-{uid}", "uid": uid}
        run = {"apiVersion": "autoglm.io/v1alpha1", "kind": "HealingRun", "metadata": meta}
        return await self.recorder.emit(run, "TargetGone", message, minor=minor)


@pytest.fixture
def recording() -> Recording:
    return Recording()


async def test_says_a_sentence_once_until_the_interval_has_passed(recording: Recording) -> None:
    assert await recording.say("a")
    assert not await recording.say("a")
    assert await recording.say("b")
    await recording.clock.advance(REPEAT_SECONDS)

    assert await recording.say("a")
    assert recording.recorder.held_back == 1


async def test_an_object_has_a_share_of_its_own(recording: Recording) -> None:
    said = [await recording.say("a", f"Sentence {number}.") for number in range(20)]

    assert said.count(True) == BURST_PER_OBJECT
    assert await recording.say("b")


async def test_a_share_comes_back_as_it_is_used_up(recording: Recording) -> None:
    for number in range(BURST_PER_OBJECT):
        assert await recording.say("a", f"Sentence {number}.")
        await recording.clock.advance(1)
    await recording.clock.advance(REPEAT_SECONDS - BURST_PER_OBJECT)

    assert await recording.say("a", "One was forgotten.")
    assert not await recording.say("a", "The second was not.")


async def test_a_storm_of_minor_events_leaves_room_for_the_others(recording: Recording) -> None:
    said = [await recording.say(f"minor-{number}", minor=True) for number in range(1000)]

    assert said == [True] * MINOR_BURST + [False] * (1000 - MINOR_BURST)
    assert await recording.say("other")
    assert recording.recorder.held_back == 1000 - MINOR_BURST
    await recording.clock.advance(REPEAT_SECONDS)
    assert await recording.say("minor-again", minor=True)


async def test_remembers_nothing_longer_than_it_needs(recording: Recording) -> None:
    for number in range(300):
        await recording.say(f"run-{number}")
    await recording.clock.advance(REPEAT_SECONDS)
    await recording.say("last")

    assert recording.recorder.remembered == len(["the sentence", "the object"])
