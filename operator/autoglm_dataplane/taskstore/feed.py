"""Wakes those who follow a run when its journal grows.

One subscription per process serves all followers; a message is only a hint, so a follower that
missed one still looks every second. It never reads a journal itself.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from autoglm_dataplane.taskstore.connection import Connection, StoreUnavailableError
from autoglm_dataplane.taskstore.journal import Event, EventKind
from autoglm_dataplane.taskstore.keys import Keys
from autoglm_dataplane.taskstore.runs import RunStore

LOOK_SECONDS: Final = 1.0
"""Longest time after which a lost hint is made good."""
AGAIN_SECONDS: Final = 0.5
"""Pause before the store is tried again."""


class Feed:
    """The hints of one process."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        """Nothing is subscribed before `listen` runs."""
        self._connection = connection
        self._keys = keys
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    async def listen(self) -> None:
        """Pass hints on, for ever; an unreachable store is tried again."""
        while True:
            try:
                async with self._connection.subscription(self._keys.feed) as messages:
                    self._wake_all()
                    async for journal in messages:
                        self._wake(self._keys.run_id(journal))
            except StoreUnavailableError:
                await asyncio.sleep(AGAIN_SECONDS)

    @asynccontextmanager
    async def watch(self, run_id: str) -> AsyncGenerator[asyncio.Event]:
        """An event that is set whenever the run may have grown."""
        grown = asyncio.Event()
        self._waiting[run_id].add(grown)
        try:
            yield grown
        finally:
            self._waiting[run_id].discard(grown)
            if not self._waiting[run_id]:
                del self._waiting[run_id]

    def _wake(self, run_id: str) -> None:
        for grown in self._waiting.get(run_id, ()):
            grown.set()

    def _wake_all(self) -> None:
        for run_id in list(self._waiting):
            self._wake(run_id)


async def wait(grown: asyncio.Event, *, at_most: float = LOOK_SECONDS) -> None:
    """Wait for the next hint, or until it is time to look anyway."""
    try:
        async with asyncio.timeout(at_most):
            await grown.wait()
    except TimeoutError:
        return
    finally:
        grown.clear()


async def follow(
    runs: RunStore, feed: Feed, run_id: str, after: int = 0
) -> AsyncIterator[list[Event]]:
    """The events of a run as they come, in lots; ends after the answer.

    A lot is empty when nothing came for a while, so that the caller can keep a connection alive. An
    unreachable store is waited for: what was accepted will be answered.
    """
    async with feed.watch(run_id) as grown:
        while True:
            grown.clear()
            try:
                events = await runs.events(run_id, after)
            except StoreUnavailableError:
                events = []
            if events:
                after = events[-1].version
            yield events
            if any(event.kind is EventKind.ANSWER for event in events):
                return
            await wait(grown)
