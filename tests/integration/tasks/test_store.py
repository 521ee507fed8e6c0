"""The protocol of the task store on a real Valkey: every step at once or not at all, or again."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from autoglm_dataplane.planner.running import choose
from autoglm_dataplane.taskstore import timing
from autoglm_dataplane.taskstore.connection import Connection
from autoglm_dataplane.taskstore.feed import Feed, follow
from autoglm_dataplane.taskstore.journal import Award, EventKind, Outcome, Run
from autoglm_dataplane.taskstore.keys import Keys
from autoglm_dataplane.taskstore.reaping import Move, Reaped, Reaper
from autoglm_dataplane.taskstore.runs import (
    ExecutorGoneError,
    RepeatMismatchError,
    RunMissingError,
    RunStore,
    Ticket,
    VersionConflictError,
)
from autoglm_dataplane.taskstore.tasks import Ability, Bidder, Task, TaskStore
from taskobjects import (
    RUN_ID,
    a_node,
    a_plan,
    a_request,
    a_result,
    an_answer,
    an_award,
)
from taskstack import Stack

RETENTION = timedelta(minutes=1)
SOON = timedelta(milliseconds=50)
ABILITY = Ability(slots=4, capabilities=("chat",))
PLAN = a_plan(a_node("a"))
LOST_SECONDS = timing.LOST.total_seconds() + 0.2


@dataclass
class Desk:
    """One cluster's part of the store, as several processes see it."""

    connection: Connection
    keys: Keys

    @property
    def tasks(self) -> TaskStore:
        return TaskStore(self.connection, self.keys, retention=RETENTION)

    @property
    def reaper(self) -> Reaper:
        return Reaper(self.connection, self.keys, "planner-0", retention=RETENTION)

    def runs(self, writer: str = "planner-0") -> RunStore:
        return RunStore(self.connection, self.keys, writer, retention=RETENTION)

    async def run_with_plan(self, *, retry: bool = True) -> tuple[Run, Ticket]:
        runs = self.runs()
        await runs.make_group()
        await runs.submit(RUN_ID, a_request(retry=retry))
        (ticket,) = await runs.next(count=1, block=SOON)
        await runs.claim(await runs.read(RUN_ID))
        await runs.plan(await runs.read(RUN_ID), PLAN)
        return await runs.read(RUN_ID), ticket

    async def executor(self, name: str) -> None:
        await self.tasks.join(name)
        await self.tasks.beat(name, ABILITY)

    async def begun(self, name: str, *, retry: bool = True) -> Task:
        """A task that an executor has begun."""
        run, _ = await self.run_with_plan(retry=retry)
        await self.executor(name)
        await self.runs().award(run, an_award("a", name))
        (task,) = await self.tasks.next(name, count=1, block=SOON)
        return task

    async def sweep(self) -> list[Move]:
        return await self.reaper.sweep(await self.tasks.bidders(), again)

    async def kinds(self) -> list[str]:
        return [event.kind.value for event in await self.runs().events(RUN_ID)]


def again(task: Task, bidders: object) -> Award | None:
    living: list[Bidder] = list(bidders)  # type: ignore[call-overload]
    return choose(task.run_id, task.node, "chat", living, attempt=task.attempt + 1)


@pytest.fixture
async def desk(shared_stack: Stack, request: pytest.FixtureRequest) -> AsyncGenerator[Desk]:
    async with shared_stack.store() as connection:
        yield Desk(connection, Keys(f"{request.node.name}:"))


async def test_only_the_expected_version_is_written(desk: Desk) -> None:
    run, _ = await desk.run_with_plan()
    await desk.runs("planner-1").claim(run)
    with pytest.raises(VersionConflictError):
        await desk.runs("planner-0").plan(run, PLAN)
    assert (await desk.runs().read(RUN_ID)).owner == "planner-1"


async def test_of_many_writers_at_one_version_one_wins(desk: Desk) -> None:
    run, _ = await desk.run_with_plan()
    writers = [desk.runs(f"planner-{number}").claim(run) for number in range(10)]
    ends = await asyncio.gather(*writers, return_exceptions=True)
    assert sum(end is None for end in ends) == 1


async def test_a_submitted_run_is_there_once_however_often_it_is_sent(desk: Desk) -> None:
    for _ in range(2):
        await desk.runs().submit(RUN_ID, a_request())
    assert await desk.kinds() == ["accepted"]
    assert await desk.connection.length(desk.keys.runs) == 1


async def test_a_key_for_repeats_leads_to_the_first_run(desk: Desk) -> None:
    runs = desk.runs()
    first = await runs.submit("one", a_request(), repeat_of="key", fingerprint="f")
    second = await runs.submit("two", a_request(), repeat_of="key", fingerprint="f")
    assert first == second == "one"
    with pytest.raises(RepeatMismatchError):
        await runs.submit("three", a_request(), repeat_of="key", fingerprint="g")
    with pytest.raises(RunMissingError):
        await runs.read("two")


async def test_the_answer_is_stored_once_and_ends_the_journal(desk: Desk) -> None:
    run, ticket = await desk.run_with_plan()
    await desk.runs().finish(run, ticket, an_answer("first"))
    await desk.runs().finish(run, ticket, an_answer("second"))
    with pytest.raises(VersionConflictError):
        await desk.runs().claim(await desk.runs().read(RUN_ID))
    answered = await desk.runs().read(RUN_ID)
    assert answered.answer is not None
    assert answered.answer.content == "first"
    assert await desk.connection.length(desk.keys.runs) == 0


async def test_an_award_needs_an_executor_that_lives(desk: Desk) -> None:
    run, _ = await desk.run_with_plan()
    with pytest.raises(ExecutorGoneError):
        await desk.runs().award(run, an_award("a", "nobody"))
    assert "award" not in await desk.kinds()


async def test_the_first_result_counts_and_the_task_is_dropped(desk: Desk) -> None:
    task = await desk.begun("executor-0")
    assert await desk.tasks.finish("executor-0", task, a_result("a", "first"))
    assert not await desk.tasks.finish("executor-0", task, a_result("a", "second"))
    run = await desk.runs().read(RUN_ID)
    assert run.results["a"].content == "first"
    assert await desk.connection.length(desk.keys.tasks("executor-0")) == 0


async def test_a_result_after_the_answer_is_not_journaled(desk: Desk) -> None:
    run, ticket = await desk.run_with_plan()
    await desk.executor("executor-0")
    await desk.runs().award(run, an_award("a", "executor-0"))
    (task,) = await desk.tasks.next("executor-0", count=1, block=SOON)
    await desk.runs().finish(await desk.runs().read(RUN_ID), ticket, an_answer())
    assert not await desk.tasks.finish("executor-0", task, a_result("a"))
    assert (await desk.kinds())[-1] == "answer"


async def test_refreshing_never_takes_back_what_another_claimed(desk: Desk) -> None:
    _, ticket = await desk.run_with_plan()
    assert await desk.runs("planner-0").refresh([ticket.entry]) == {ticket.entry}
    await asyncio.sleep(LOST_SECONDS)
    (orphan,) = await desk.runs("planner-1").orphans(count=5)
    assert orphan == ticket
    assert await desk.runs("planner-0").refresh([ticket.entry]) == set()
    assert await desk.runs("planner-1").refresh([ticket.entry]) == {ticket.entry}


async def test_a_refreshed_run_is_no_orphan(desk: Desk) -> None:
    _, ticket = await desk.run_with_plan()
    for _ in range(4):
        await asyncio.sleep(LOST_SECONDS / 4)
        await desk.runs("planner-0").refresh([ticket.entry])
    assert await desk.runs("planner-1").orphans(count=5) == []


async def test_a_task_of_a_lost_executor_moves_to_one_that_lives(desk: Desk) -> None:
    await desk.begun("executor-0")
    await asyncio.sleep(LOST_SECONDS)
    await desk.executor("executor-1")
    moves = await desk.sweep()
    assert [move.reaped for move in moves] == [Reaped.MOVED]
    (task,) = await desk.tasks.next("executor-1", count=1, block=SOON)
    assert (task.node, task.attempt) == ("a", 2)
    run = await desk.runs().read(RUN_ID)
    assert run.awards["a"].executor == "executor-1"
    assert await desk.connection.members(desk.keys.executors) == ["executor-1"]


async def test_a_task_under_way_is_left_alone(desk: Desk) -> None:
    task = await desk.begun("executor-0")
    await asyncio.sleep(LOST_SECONDS / 2)
    await desk.tasks.refresh("executor-0", [task.entry])
    await asyncio.sleep(LOST_SECONDS / 2)
    assert await desk.sweep() == []


async def test_waiting_tasks_of_an_executor_that_left_move_at_once(desk: Desk) -> None:
    run, _ = await desk.run_with_plan(retry=False)
    await desk.executor("executor-0")
    await desk.executor("executor-1")
    await desk.runs().award(run, an_award("a", "executor-0"))
    assert await desk.sweep() == []
    await desk.tasks.leave("executor-0")
    assert [move.reaped for move in await desk.sweep()] == [Reaped.MOVED]


async def test_a_begun_task_that_must_not_run_twice_ends_unknown(desk: Desk) -> None:
    await desk.begun("executor-0", retry=False)
    await asyncio.sleep(LOST_SECONDS)
    await desk.executor("executor-1")
    assert [move.reaped for move in await desk.sweep()] == [Reaped.UNKNOWN]
    run = await desk.runs().read(RUN_ID)
    assert run.results["a"].outcome is Outcome.UNKNOWN
    assert await desk.connection.length(desk.keys.tasks("executor-1")) == 0


async def test_a_task_that_loses_three_executors_is_given_up(desk: Desk) -> None:
    run, _ = await desk.run_with_plan()
    await desk.executor("executor-0")
    await desk.runs().award(run, an_award("a", "executor-0", attempt=timing.MOST_ATTEMPTS))
    await desk.tasks.next("executor-0", count=1, block=SOON)
    await asyncio.sleep(LOST_SECONDS)
    await desk.executor("executor-1")
    assert [move.reaped for move in await desk.sweep()] == [Reaped.UNKNOWN]


async def test_a_task_waits_while_no_executor_lives(desk: Desk) -> None:
    await desk.begun("executor-0")
    await asyncio.sleep(LOST_SECONDS)
    assert [move.reaped for move in await desk.sweep()] == [Reaped.NOBODY]
    assert await desk.connection.length(desk.keys.tasks("executor-0")) == 1


async def test_a_task_of_an_answered_run_is_dropped(desk: Desk) -> None:
    run, ticket = await desk.run_with_plan()
    await desk.executor("executor-0")
    await desk.runs().award(run, an_award("a", "executor-0"))
    await desk.runs().finish(await desk.runs().read(RUN_ID), ticket, an_answer())
    await desk.tasks.leave("executor-0")
    assert [move.reaped for move in await desk.sweep()] == [Reaped.STALE]
    assert await desk.connection.length(desk.keys.tasks("executor-0")) == 0


async def test_two_reapers_move_a_task_once(desk: Desk) -> None:
    await desk.begun("executor-0")
    await asyncio.sleep(LOST_SECONDS)
    await desk.executor("executor-1")
    await asyncio.gather(desk.sweep(), desk.sweep())
    assert await desk.connection.length(desk.keys.tasks("executor-1")) == 1
    assert (await desk.kinds()).count("award") == 2


async def test_followers_see_every_event_and_the_end(desk: Desk) -> None:
    run, ticket = await desk.run_with_plan()
    feed = Feed(desk.connection, desk.keys)
    listening = asyncio.create_task(feed.listen())
    seen: list[EventKind] = []

    async def watch() -> None:
        async for lot in follow(desk.runs(), feed, RUN_ID, after=1):
            seen.extend(event.kind for event in lot)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.1)
    await desk.runs().finish(run, ticket, an_answer())
    async with asyncio.timeout(10):
        await watching
    listening.cancel()
    assert seen == [EventKind.CLAIMED, EventKind.PLAN, EventKind.ANSWER]
