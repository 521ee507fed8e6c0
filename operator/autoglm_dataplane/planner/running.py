"""Carries a run on, step by step, until it has its answer.

Every step is read, decide, write at the version that was read: a planner that was taken for lost
and comes back loses the race and stops. It never decides itself what a run needs.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from autoglm_dataplane.planner import bids
from autoglm_dataplane.planner.decisions import (
    AnswerWith,
    AwardNodes,
    Done,
    DoNotDivide,
    MakePlan,
    Step,
    Wait,
    decide,
)
from autoglm_dataplane.planner.planning import PlanningClient, undivided
from autoglm_dataplane.taskstore.feed import Feed, wait
from autoglm_dataplane.taskstore.journal import Answer, Award, Run
from autoglm_dataplane.taskstore.outages import Outages
from autoglm_dataplane.taskstore.plans import Node
from autoglm_dataplane.taskstore.runs import (
    ExecutorGoneError,
    RunMissingError,
    RunStore,
    Ticket,
    VersionConflictError,
)
from autoglm_dataplane.taskstore.tasks import Bidder, TaskStore

logger = logging.getLogger(__name__)


class SupersededError(Exception):
    """Another planner owns the run now."""


@dataclass(frozen=True, slots=True)
class Store:
    """The task store as a planner needs it."""

    runs: RunStore
    tasks: TaskStore
    feed: Feed
    outages: Outages


class Moved(Enum):
    """What a step did to a run."""

    TO_ITS_END = "to its end"
    ON = "on"
    NOT = "not"


class Runner:
    """Carries runs on for one planner."""

    def __init__(self, store: Store, planning: PlanningClient) -> None:
        """Does nothing before a run comes."""
        self._runs = store.runs
        self._tasks = store.tasks
        self._feed = store.feed
        self._outages = store.outages
        self._planning = planning

    async def carry_on(self, ticket: Ticket) -> Run | None:
        """Work on a run until it is answered; None if it is gone or another's."""
        try:
            await self._outages.insist(lambda: self._claim(ticket))
            async with self._feed.watch(ticket.run_id) as grown:
                while True:
                    grown.clear()
                    moved = await self._outages.insist(lambda: self._step(ticket))
                    if moved is Moved.TO_ITS_END:
                        return await self._outages.insist(lambda: self._runs.read(ticket.run_id))
                    if moved is Moved.NOT:
                        await wait(grown)
        except SupersededError:
            logger.info("run was taken over", extra={"run": ticket.run_id})
        except RunMissingError:
            await self._outages.insist(lambda: self._runs.discard(ticket))
        return None

    async def _claim(self, ticket: Ticket) -> None:
        while True:
            run = await self._runs.read(ticket.run_id)
            try:
                if run.answer is None:
                    await self._runs.claim(run)
            except VersionConflictError:
                continue
            return

    async def _step(self, ticket: Ticket) -> Moved:
        run = await self._runs.read(ticket.run_id)
        if run.answer is None and run.owner != self._runs.writer:
            raise SupersededError(run.owner)
        left = await self._runs.seconds_left(run)
        try:
            return await self._do(decide(run, seconds_left=left), run, ticket, left)
        except VersionConflictError:
            return Moved.ON

    async def _do(self, step: Step, run: Run, ticket: Ticket, left: float) -> Moved:
        match step:
            case Done():
                await self._runs.finish(run, ticket, Answer())
                return Moved.TO_ITS_END
            case AnswerWith(answer):
                await self._runs.finish(run, ticket, answer)
                return Moved.TO_ITS_END
            case MakePlan():
                await self._runs.plan(run, await self._planning.plan(run, seconds_left=left))
            case DoNotDivide():
                await self._runs.plan(run, undivided())
            case AwardNodes(nodes):
                return await self._award(run, nodes)
            case Wait():
                return Moved.NOT
        return Moved.ON

    async def _award(self, run: Run, nodes: Sequence[Node]) -> Moved:
        bidders = await self._tasks.bidders()
        for node in nodes:
            award = choose(run.id, node.id, node.capability, bidders)
            if award is None:
                return Moved.NOT
            try:
                run = replace(run, version=await self._runs.award(run, award))
            except ExecutorGoneError:
                return Moved.ON
            bidders = bids.loaded(bidders, award.executor)
        return Moved.ON


def choose(
    run_id: str, node: str, capability: str, bidders: Sequence[Bidder], *, attempt: int = 1
) -> Award | None:
    """Auction one node; None when nobody is able."""
    offers = bids.bids(bidders, capability)
    best = bids.winner(offers, f"{run_id}:{node}:{attempt}")
    if best is None:
        return None
    return Award(node=node, executor=best, attempt=attempt, bids=offers)
