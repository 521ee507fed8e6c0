"""The loops of a planner: take runs, refresh them, take over those of lost planners, reap tasks.

Every planner does all of it; the store sees to it that nothing is done twice. It never decides what
a run needs.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from autoglm_api import metrics
from autoglm_dataplane.planner.running import Runner, Store, choose
from autoglm_dataplane.taskstore import timing
from autoglm_dataplane.taskstore.connection import GroupMissingError
from autoglm_dataplane.taskstore.journal import Award, Run
from autoglm_dataplane.taskstore.plans import Capability
from autoglm_dataplane.taskstore.reaping import Reaper
from autoglm_dataplane.taskstore.runs import Ticket
from autoglm_dataplane.taskstore.tasks import Bidder, Task

logger = logging.getLogger(__name__)

BLOCK: Final = timedelta(seconds=1)
"""Longest wait for a run; also how late a planner notices that it is to stop."""


class Planner:
    """One planner's work on the queue."""

    def __init__(
        self, store: Store, runner: Runner, reaper: Reaper, registry: CollectorRegistry, most: int
    ) -> None:
        """Does nothing before its loops run; `most` runs are worked on at once."""
        self._store = store
        self._runner = runner
        self._reaper = reaper
        self._most = most
        self._working: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._draining = False
        ended, length = metrics.RUNS, metrics.RUN_DURATION
        self._ended = Counter(ended.name, ended.help, ended.labels, registry=registry)
        self._seconds = Histogram(length.name, length.help, length.labels, registry=registry)

    async def take(self) -> None:
        """Take runs until told to stop."""
        outages = self._store.outages
        await outages.insist(self._store.runs.make_group)
        while not self._draining:
            await outages.insist(self._take_some)

    async def refresh(self) -> None:
        """Say for ever that our runs are worked on, and let go of those that others took."""
        await self._forever(self._refresh_once)

    async def adopt(self) -> None:
        """Take over the runs of lost planners, for ever."""
        await self._forever(self._adopt_once)

    async def reap(self) -> None:
        """Hand on the tasks of lost executors, for ever."""
        await self._forever(self._reap_once)

    async def drain(self, grace: timedelta) -> None:
        """Take nothing more, and finish what was begun; the rest goes to other planners."""
        self._draining = True
        self._changed.set()
        try:
            async with asyncio.timeout(grace.total_seconds()):
                await asyncio.sleep(BLOCK.total_seconds())  # a run may be on its way to us
                await self._store.outages.finished(self._working.values)
        except TimeoutError:
            pass
        if self._working:
            logger.warning("runs left to others", extra={"runs": len(self._working)})

    async def _forever(self, step: Callable[[], Awaitable[bool]]) -> None:
        await self._store.outages.forever(step, pause=timing.REFRESH.total_seconds())

    async def _take_some(self) -> None:
        free = self._most - len(self._working)
        if free <= 0:
            self._changed.clear()
            await self._changed.wait()
            return
        try:
            tickets = await self._store.runs.next(count=free, block=BLOCK)
        except GroupMissingError:
            await self._store.runs.make_group()  # the store lost its data
            return
        for ticket in tickets:
            self._begin(ticket)

    async def _refresh_once(self) -> bool:
        working = dict(self._working)
        mine = await self._store.runs.refresh(list(working))
        for entry in working.keys() - mine:
            working[entry].cancel()
        return bool(working)

    async def _adopt_once(self) -> bool:
        free = self._most - len(self._working)
        if self._draining or free <= 0 or not self._store.outages.steady():
            return False
        try:
            tickets = await self._store.runs.orphans(count=free)
        except GroupMissingError:
            return True
        for ticket in tickets:
            if ticket.entry not in self._working:
                logger.warning("run taken over", extra={"run": ticket.run_id})
                self._begin(ticket)
        return True

    async def _reap_once(self) -> bool:
        if not self._store.outages.steady():
            return False
        bidders = await self._store.tasks.bidders()
        for move in await self._reaper.sweep(bidders, _again):
            logger.warning(
                "task of a lost executor",
                extra={
                    "run": move.task.run_id,
                    "node": move.task.node,
                    "executor": move.executor,
                    "became": move.reaped,
                },
            )
        return True

    def _begin(self, ticket: Ticket) -> None:
        doing = asyncio.create_task(self._work(ticket))
        self._working[ticket.entry] = doing
        doing.add_done_callback(lambda done: self._finished(ticket, done))

    def _finished(self, ticket: Ticket, done: asyncio.Task[None]) -> None:
        self._working.pop(ticket.entry, None)
        self._changed.set()
        if not done.cancelled() and (error := done.exception()) is not None:
            # The run stays on the queue without being refreshed, so another planner gets it.
            logger.error("run broke", extra={"run": ticket.run_id}, exc_info=error)

    async def _work(self, ticket: Ticket) -> None:
        logger.info("run begun", extra={"run": ticket.run_id})
        run = await self._runner.carry_on(ticket)
        if run is not None:
            await self._count(run)

    async def _count(self, run: Run) -> None:
        problem = run.answer.problem if run.answer else None
        outcome = problem.code if problem else "succeeded"
        strategy = run.request.strategy.value
        left = await self._store.outages.insist(lambda: self._store.runs.seconds_left(run))
        self._ended.labels(strategy, "failed" if problem else "succeeded").inc()
        self._seconds.labels(strategy).observe(run.request.timeout_milliseconds / 1000 - left)
        logger.info("run ended", extra={"run": run.id, "outcome": outcome})


def _again(task: Task, bidders: Sequence[Bidder]) -> Award | None:
    capability = Capability.CHAT  # the only one there is
    return choose(task.run_id, task.node, capability, bidders, attempt=task.attempt + 1)
