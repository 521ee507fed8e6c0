"""A de-duplicating queue of keys, and the workers that drain it.

A key is a wake-up, never an order: however often it is added, it waits at most once and is never
handled by two workers at a time. A failed key comes back with exponential backoff, a waiting one
when it asked to. News go first: a key that was added does not wait behind thousands that merely
come back, but for one of them in every few. Never looks at what a key means.

Source: the semantics of client-go's workqueue (dirty and processing sets), written anew.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from autoglm_api.logs import bound

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Hashable

    from autoglm_operator.runtime.clock import Clock

NEWS_IN_A_ROW = 3
"""Keys with news that are taken before one that comes back. Arbitrary, because neither must wait
for ever."""

K = TypeVar("K", bound="Hashable")
log = logging.getLogger(__name__)


class QueueMetrics(Protocol):
    """What the queue and its workers report."""

    def observe_reconcile(self, queue: str, outcome: str, seconds: float) -> None:
        """Count one handled key."""
        ...

    def observe_queue(self, queue: str, depth: int) -> None:
        """Record how many keys wait."""
        ...

    def observe_wait(self, queue: str, seconds: float) -> None:
        """Record how long a due key waited."""
        ...


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delay before the n-th repetition of a failed key.

    Attributes:
        base_seconds: First delay.
        limit_seconds: Longest delay.
        jitter: Share of the delay by which it is shortened at random, so that keys that failed
            together do not return together.
    """

    base_seconds: float = 1.0
    limit_seconds: float = 300.0
    jitter: float = 0.25

    def delay(self, failures: int, rng: random.Random) -> float:
        """Seconds to wait after this many failures in a row (1 = the first)."""
        # 2**30 s exceeds any limit; without the cap a key that fails for days overflows.
        full: float = min(self.base_seconds * 2 ** min(failures - 1, 30), self.limit_seconds)
        return full * (1 - self.jitter * rng.random())


@dataclass(frozen=True, slots=True)
class Result:
    """What a reconcile asks of the queue.

    Attributes:
        requeue_after: Seconds until the key is due again even if nothing happens; None = never.
        failed: The key failed without an exception and comes back with backoff.
    """

    requeue_after: float | None = None
    failed: bool = False


class WorkQueue(Generic[K]):
    """Keys that are due, in work, dirty while in work, and due later."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        rng: random.Random,
        backoff: Backoff | None = None,
        metrics: QueueMetrics | None = None,
    ) -> None:
        self.name = name
        self._clock = clock
        self._rng = rng
        self._backoff = backoff or Backoff()
        self._metrics = metrics
        # Keys that are due, with the time since when, in the order in which they became so.
        self._news: OrderedDict[K, float] = OrderedDict()
        self._back: OrderedDict[K, float] = OrderedDict()
        self._in_a_row = 0
        self._processing: set[K] = set()
        self._dirty: set[K] = set()
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._sequence = 0
        self._failures: dict[K, int] = {}
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._news) + len(self._back)

    def add(self, key: K) -> None:
        """Make a key due now; while it is in work, it becomes due when that ends."""
        if key in self._processing:
            self._dirty.add(key)
            return
        if key in self._news:
            return
        self._news[key] = self._back.pop(key, self._clock.monotonic())
        self._announce()

    def add_after(self, key: K, seconds: float) -> None:
        """Make a key due later; of several such times the earliest counts."""
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            self._sequence += 1
            heapq.heappush(self._heap, (due, self._sequence, key))
            self._changed.set()

    def retry(self, key: K) -> float:
        """Make a failed key due after its backoff and return the delay in seconds."""
        self._failures[key] = self._failures.get(key, 0) + 1
        delay = self._backoff.delay(self._failures[key], self._rng)
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """End the backoff of a key that succeeded."""
        self._failures.pop(key, None)

    def discard(self, key: K) -> None:
        """Drop the delayed time and the backoff of a key whose object is gone."""
        self._failures.pop(key, None)
        self._due.pop(key, None)

    async def get(self) -> K:
        """Wait for a due key and take it into work."""
        while True:
            self._promote()
            if len(self):
                return self._take()
            self._changed.clear()
            await self._wait()

    def done(self, key: K) -> None:
        """End the work on a key; if it was added meanwhile it is due again."""
        self._processing.discard(key)
        if key in self._dirty:
            self._dirty.discard(key)
            self.add(key)

    def _take(self) -> K:
        news = bool(self._news) and (not self._back or self._in_a_row < NEWS_IN_A_ROW)
        self._in_a_row = self._in_a_row + 1 if news else 0
        key, since = (self._news if news else self._back).popitem(last=False)
        self._processing.add(key)
        if self._metrics is not None:
            self._metrics.observe_wait(self.name, self._clock.monotonic() - since)
            self._metrics.observe_queue(self.name, len(self))
        return key

    def _promote(self) -> None:
        now = self._clock.monotonic()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            # An entry that was superseded or discarded stays in the heap until its time.
            if self._due.get(key) == due:
                del self._due[key]
                self._come_back(key)

    def _come_back(self, key: K) -> None:
        if key in self._processing:
            self._dirty.add(key)
        elif key not in self._news and key not in self._back:
            self._back[key] = self._clock.monotonic()
            self._announce()

    async def _wait(self) -> None:
        waits: set[asyncio.Future[Any]] = {asyncio.ensure_future(self._changed.wait())}
        if self._heap:
            pause = self._clock.sleep(self._heap[0][0] - self._clock.monotonic())
            waits.add(asyncio.ensure_future(pause))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    def _announce(self) -> None:
        if self._metrics is not None:
            self._metrics.observe_queue(self.name, len(self))
        self._changed.set()


class Workers(Generic[K]):
    """Drains one queue with several tasks.

    Args:
        queue: Where keys come from.
        reconcile: Handles one key; an exception means backoff.
        clock: Measures durations.
        deadline_seconds: A reconcile that takes longer is cancelled and comes back with backoff.
        metrics: Where outcomes are counted.
        fatal: Exceptions that end the workers instead of being repeated.
    """

    def __init__(
        self,
        queue: WorkQueue[K],
        reconcile: Callable[[K], Awaitable[Result]],
        clock: Clock,
        *,
        deadline_seconds: float = 60.0,
        metrics: QueueMetrics | None = None,
        fatal: tuple[type[Exception], ...] = (),
    ) -> None:
        self._queue = queue
        self._reconcile = reconcile
        self._clock = clock
        self._deadline = deadline_seconds
        self._metrics = metrics
        self._fatal = fatal
        self._runs = 0

    async def run(self, count: int) -> None:
        """Work until cancelled, or until a fatal exception leaves one of the tasks."""
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            self._runs += 1
            try:
                with bound(queue=self._queue.name, key=str(key), reconcile=self._runs):
                    await self._handle(key)
            finally:
                self._queue.done(key)

    async def _handle(self, key: K) -> None:
        started = self._clock.monotonic()
        outcome = "success"
        try:
            async with asyncio.timeout(self._deadline):
                result = await self._reconcile(key)
        except self._fatal:
            raise
        except TimeoutError:
            outcome = "timeout"
            log.warning("reconcile timed out", extra={"retry_in": self._queue.retry(key)})
        except Exception:
            outcome = "retry"
            log.exception("reconcile failed", extra={"retry_in": self._queue.retry(key)})
        else:
            outcome = self._settle(key, result)
        if self._metrics is not None:
            elapsed = self._clock.monotonic() - started
            self._metrics.observe_reconcile(self._queue.name, outcome, elapsed)

    def _settle(self, key: K, result: Result) -> str:
        if result.failed:
            self._queue.retry(key)
            return "retry"
        self._queue.forget(key)
        if result.requeue_after is None:
            return "success"
        self._queue.add_after(key, result.requeue_after)
        return "requeue"
