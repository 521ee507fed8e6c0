"""The loops of an executor: say that it lives, take tasks, refresh them, store results.

A task is dropped from the queue only together with its result, so that a killed executor loses
none. It never decides which tasks it gets.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from autoglm_api import metrics
from autoglm_dataplane.executor.models import Models
from autoglm_dataplane.executor.work import CAPABILITIES, carry_out, missing
from autoglm_dataplane.taskstore import timing
from autoglm_dataplane.taskstore.connection import GroupMissingError, StoreUnavailableError
from autoglm_dataplane.taskstore.journal import Result
from autoglm_dataplane.taskstore.outages import Outages
from autoglm_dataplane.taskstore.runs import RunMissingError, RunStore
from autoglm_dataplane.taskstore.tasks import Ability, Task, TaskStore

logger = logging.getLogger(__name__)

BLOCK: Final = timedelta(seconds=1)
"""Longest wait for a task; also how late an executor notices that it is to stop."""
GONE: Final = "gone"
"""Outcome of a task whose run is over or was given to another."""


@dataclass(frozen=True, slots=True)
class Store:
    """The task store as an executor needs it."""

    tasks: TaskStore
    runs: RunStore
    outages: Outages


class Executor:
    """One executor."""

    def __init__(
        self, name: str, slots: int, store: Store, models: Models, registry: CollectorRegistry
    ) -> None:
        """Does nothing before its loops run."""
        self._name = name
        self._ability = Ability(slots=slots, capabilities=CAPABILITIES)
        self._tasks = store.tasks
        self._runs = store.runs
        self._outages = store.outages
        self._models = models
        self._working: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._draining = False
        self._ended = Counter(
            metrics.TASKS.name, metrics.TASKS.help, metrics.TASKS.labels, registry=registry
        )
        self._seconds = Histogram(
            metrics.TASK_DURATION.name, metrics.TASK_DURATION.help, registry=registry
        )
        waiting, capacity = metrics.TASKS_WAITING, metrics.TASK_SLOTS
        self._waiting = Gauge(waiting.name, waiting.help, registry=registry)
        Gauge(capacity.name, capacity.help, registry=registry).set(slots)

    async def why_not_ready(self) -> str | None:
        """Readiness of this executor."""
        if self._draining:
            return "This executor is stopping."
        return None if self._outages.up else "The task store does not answer."

    async def beat(self) -> None:
        """Say for ever that this executor lives."""
        await self._outages.forever(self._beat_once, pause=timing.REFRESH.total_seconds())

    async def refresh(self) -> None:
        """Say for ever that its tasks are worked on, and let go of those that others took."""
        await self._outages.forever(self._refresh_once, pause=timing.REFRESH.total_seconds())

    async def take(self) -> None:
        """Take tasks until told to stop."""
        await self._outages.insist(lambda: self._tasks.join(self._name))
        while not self._draining:
            await self._outages.insist(self._take_some)

    async def drain(self, grace: timedelta) -> None:
        """Take nothing more, and finish what was begun."""
        self._draining = True
        self._changed.set()
        logger.info("draining", extra={"tasks": len(self._working)})
        try:
            async with asyncio.timeout(grace.total_seconds()):
                # A courtesy: without it the others notice 3 s later that nobody lives here.
                with contextlib.suppress(StoreUnavailableError):
                    await self._tasks.leave(self._name)
                await asyncio.sleep(BLOCK.total_seconds())  # a task may be on its way to us
                await self._outages.finished(self._working.values)
        except TimeoutError:
            pass
        if self._working:
            logger.warning("tasks left to others", extra={"tasks": len(self._working)})

    async def _beat_once(self) -> bool:
        if not self._draining:
            await self._tasks.beat(self._name, self._ability)
            queued = await self._tasks.queued(self._name)
            self._waiting.set(max(queued - len(self._working), 0))
        return not self._draining

    async def _refresh_once(self) -> bool:
        working = dict(self._working)
        mine = await self._tasks.refresh(self._name, list(working))
        for entry in working.keys() - mine:
            if not working[entry].done():
                logger.warning("task was taken over", extra={"entry": entry})
                working[entry].cancel()
        return bool(working)

    async def _take_some(self) -> None:
        free = self._ability.slots - len(self._working)
        if free <= 0:
            self._changed.clear()
            await self._changed.wait()
            return
        try:
            taken = await self._tasks.next(self._name, count=free, block=BLOCK)
        except GroupMissingError:
            await self._tasks.join(self._name)  # the store lost its data, or we were forgotten
            return
        for task in taken:
            self._begin(task.entry, self._work(task))

    def _begin(self, entry: str, work: Coroutine[Any, Any, None]) -> None:
        doing = asyncio.create_task(work)
        self._working[entry] = doing
        doing.add_done_callback(lambda done: self._finished(entry, done))

    def _finished(self, entry: str, done: asyncio.Task[None]) -> None:
        self._working.pop(entry, None)
        self._changed.set()
        if not done.cancelled() and (error := done.exception()) is not None:
            # The task stays on the queue without being refreshed, so another executor gets it.
            logger.error("task broke", extra={"entry": entry}, exc_info=error)

    async def _work(self, task: Task) -> None:
        began = time.monotonic()
        where = {"run": task.run_id, "node": task.node, "attempt": task.attempt}
        logger.info("task begun", extra=where)
        result = await self._result(task)
        first = await self._outages.insist(lambda: self._tasks.finish(self._name, task, result))
        outcome = result.outcome.value if first else GONE
        self._ended.labels(outcome).inc()
        self._seconds.observe(time.monotonic() - began)
        logger.info("task ended", extra={**where, "outcome": outcome})

    async def _result(self, task: Task) -> Result:
        try:
            run = await self._outages.insist(lambda: self._runs.read(task.run_id))
        except RunMissingError:
            return missing(task)
        left = await self._outages.insist(lambda: self._runs.seconds_left(run))
        result = await carry_out(task, run, self._models, seconds_left=left)
        return result.model_copy(update={"executor": self._name})
