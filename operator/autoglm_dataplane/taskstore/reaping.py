"""Finds tasks whose executor was lost, and hands them on.

Any number of planners may do this at once: each move is checked again where it happens. It never
decides who gets a task; that is asked of the caller.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from autoglm_dataplane.taskstore import scripts, timing
from autoglm_dataplane.taskstore.connection import Connection, GroupMissingError
from autoglm_dataplane.taskstore.journal import Award, Outcome, Problem, Result
from autoglm_dataplane.taskstore.keys import EXECUTORS, Keys
from autoglm_dataplane.taskstore.tasks import Bidder, Task

LOST_STATUS = 502
Choice = Callable[[Task, Sequence[Bidder]], Award | None]
"""Names the executor that gets a task next; None if there is none."""


class Reaped(StrEnum):
    """What became of a task."""

    MOVED = "moved"
    UNKNOWN = "unknown"
    STALE = "stale"
    GONE = "gone"
    BUSY = "busy"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Move:
    """One task that was looked at."""

    task: Task
    executor: str
    reaped: Reaped


class Reaper:
    """Hands on the tasks of lost executors."""

    def __init__(
        self, connection: Connection, keys: Keys, writer: str, *, retention: timedelta
    ) -> None:
        """`writer` signs the journal."""
        self._connection = connection
        self._keys = keys
        self._writer = writer
        self._retention = timing.milliseconds(retention)

    async def sweep(self, bidders: Sequence[Bidder], choose: Choice) -> list[Move]:
        """Look at every executor's queue once; returns the tasks that were touched."""
        living = {bidder.name for bidder in bidders}
        moves: list[Move] = []
        for executor in await self._connection.members(self._keys.executors):
            for task in await self._suspects(executor, alive=executor in living):
                others = [bidder for bidder in bidders if bidder.name != executor] or bidders
                reaped = await self._hand_on(executor, task, choose(task, others))
                if reaped is not Reaped.BUSY:
                    moves.append(Move(task, executor, reaped))
            if executor not in living:
                await self._forget(executor)
        return moves

    async def _suspects(self, executor: str, *, alive: bool) -> list[Task]:
        stream = self._keys.tasks(executor)
        try:
            idle = timing.milliseconds(timing.LOST)
            held = await self._connection.held(stream, EXECUTORS, idle_milliseconds=idle)
        except GroupMissingError:
            held = []
        late = {each.id for each in held}
        if alive and not late:
            return []
        entries = await self._connection.entries(stream)
        fields = {entry.id: entry.fields for entry in entries}
        # A held entry without content was finished while its acknowledgement was lost.
        return [
            Task(
                entry,
                fields.get(entry, {}).get("run", ""),
                fields.get(entry, {}).get("node", ""),
                int(fields.get(entry, {}).get("attempt", "1")),
            )
            for entry in sorted(late if alive else late | set(fields))
        ]

    async def _hand_on(self, executor: str, task: Task, award: Award | None) -> Reaped:
        keys = self._keys
        to = award.executor if award else ""
        problem = Problem(
            status=LOST_STATUS,
            code="executor_lost",
            message=f"The executor of subtask {task.node} was lost, and it must not run again.",
        )
        unknown = Result(
            node=task.node, outcome=Outcome.UNKNOWN, executor=executor, problem=problem
        )
        reply = await self._connection.script(
            scripts.REAP,
            [
                *(keys.run(task.run_id), keys.tasks(executor), keys.tasks(to) if to else ""),
                *(keys.alive(executor), keys.alive(to), keys.results(task.run_id)),
            ],
            [
                *(keys.feed, EXECUTORS, task.entry, timing.milliseconds(timing.LOST)),
                *(self._writer, award.model_dump_json() if award else "{}"),
                *(unknown.model_dump_json(), self._retention, timing.MOST_ATTEMPTS),
            ],
        )
        return Reaped(str(reply))

    async def _forget(self, executor: str) -> None:
        keys = self._keys
        await self._connection.script(
            scripts.FORGET,
            [keys.alive(executor), keys.tasks(executor), keys.executors],
            [executor],
        )
