"""Runs in the store: accept, read, append, claim, answer.

Every method is one round trip and may be repeated after a lost reply. It never decides what a run
needs next.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, cast

from pydantic import BaseModel

from autoglm_dataplane.taskstore import journal, scripts, timing
from autoglm_dataplane.taskstore.connection import Connection, Entry
from autoglm_dataplane.taskstore.journal import Answer, Award, Event, EventKind, PlanMade, Run
from autoglm_dataplane.taskstore.keys import PLANNERS, Keys
from autoglm_dataplane.taskstore.requests import RunRequest

CONFLICT: Final = -1
GONE: Final = -2


class VersionConflictError(Exception):
    """The journal has grown since it was read; read it again and decide anew."""


class ExecutorGoneError(Exception):
    """The executor that won an award does not live any more."""


class RunMissingError(Exception):
    """No such run: it never was, or its time is over."""


class RepeatMismatchError(Exception):
    """An `Idempotency-Key` came again with another request."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A run on the queue, claimed by a planner."""

    run_id: str
    entry: str


class RunStore:
    """Runs of one cluster, written under the name of one process."""

    def __init__(
        self, connection: Connection, keys: Keys, writer: str, *, retention: timedelta
    ) -> None:
        """`retention` is how long an answered run can still be read."""
        self._connection = connection
        self._keys = keys
        self._retention = timing.milliseconds(retention)
        self.writer = writer

    async def submit(
        self, run_id: str, request: RunRequest, *, repeat_of: str = "", fingerprint: str = ""
    ) -> str:
        """Accept a run; returns its id, or that of an earlier run with the same key.

        Raises:
            RepeatMismatchError: the earlier run was asked for something else.
        """
        keys = self._keys
        repeat = keys.repeat(repeat_of) if repeat_of else ""
        reply = await self._connection.script(
            scripts.SUBMIT,
            [keys.run(run_id), keys.runs, repeat],
            [keys.feed, run_id, self.writer, _json(request), fingerprint, self._retention],
        )
        stored_id, _, stored_fingerprint = str(reply).partition(" ")
        if stored_fingerprint != fingerprint:
            raise RepeatMismatchError(stored_id)
        return stored_id

    async def read(self, run_id: str) -> Run:
        """A run as its journal has it.

        Raises:
            RunMissingError: there is none.
        """
        events = await self.events(run_id)
        if not events:
            raise RunMissingError(run_id)
        return journal.fold(run_id, events)

    async def events(self, run_id: str, after: int = 0) -> list[Event]:
        """The events after a version."""
        entries = await self._connection.entries(self._keys.run(run_id), f"{after}-0")
        return [_event(entry) for entry in entries]

    async def seconds_left(self, run: Run) -> float:
        """Time until the client of a run stops waiting; not above 0 when it has."""
        now = await self._connection.now_milliseconds()
        return (run.deadline_milliseconds - now) / 1000

    async def claim(self, run: Run) -> None:
        """Make this process the owner of a run.

        Raises:
            VersionConflictError: the run has moved on.
        """
        await self._append(run, EventKind.CLAIMED, {})

    async def plan(self, run: Run, plan: PlanMade) -> None:
        """Journal the nodes to run.

        Raises:
            VersionConflictError: the run has moved on.
        """
        await self._append(run, EventKind.PLAN, plan)

    async def award(self, run: Run, award: Award) -> int:
        """Journal an award and queue the task; returns the new version.

        Raises:
            VersionConflictError: the run has moved on.
            ExecutorGoneError: the executor has gone.
        """
        keys = self._keys
        version = await self._connection.script(
            scripts.AWARD,
            [keys.run(run.id), keys.tasks(award.executor), keys.alive(award.executor)],
            [
                *(keys.feed, run.version, self.writer, _json(award)),
                *(run.id, award.node, award.attempt, int(run.request.retry)),
            ],
        )
        if version == GONE:
            raise ExecutorGoneError(award.executor)
        return _checked(version)

    async def finish(self, run: Run, ticket: Ticket, answer: Answer) -> None:
        """Store the answer and take the run off the queue; an answer that is there stays.

        Raises:
            VersionConflictError: the run has moved on.
        """
        keys = self._keys
        version = await self._connection.script(
            scripts.FINISH_RUN,
            [keys.run(run.id), keys.runs, keys.results(run.id)],
            [
                *(keys.feed, run.version, self.writer, _json(answer)),
                *(PLANNERS, ticket.entry, self._retention),
            ],
        )
        _checked(version)

    async def discard(self, ticket: Ticket) -> None:
        """Take a run off the queue whose journal is gone."""
        await self._connection.acknowledge(self._keys.runs, PLANNERS, ticket.entry)

    async def make_group(self) -> None:
        """Make the planners' group."""
        await self._connection.make_group(self._keys.runs, PLANNERS)

    async def next(self, *, count: int, block: timedelta) -> list[Ticket]:
        """Runs that nobody has claimed yet."""
        entries = await self._connection.read_group(
            self._keys.runs,
            PLANNERS,
            self.writer,
            count=count,
            block_milliseconds=timing.milliseconds(block),
        )
        return [_ticket(entry) for entry in entries]

    async def orphans(self, *, count: int) -> list[Ticket]:
        """Take over runs whose planner was lost."""
        entries = await self._connection.claim_idle(
            self._keys.runs,
            PLANNERS,
            self.writer,
            idle_milliseconds=timing.milliseconds(timing.LOST),
            count=count,
        )
        return [_ticket(entry) for entry in entries]

    async def refresh(self, entries: Sequence[str]) -> set[str]:
        """Say that runs are still worked on; returns the entries that are still ours."""
        if not entries:
            return set()
        arguments = [PLANNERS, self.writer, *entries]
        return set(await self._connection.script(scripts.REFRESH, [self._keys.runs], arguments))

    async def _append(
        self, run: Run, kind: EventKind, data: BaseModel | Mapping[str, object]
    ) -> None:
        keys = self._keys
        version = await self._connection.script(
            scripts.APPEND,
            [keys.run(run.id)],
            [keys.feed, run.version, kind, self.writer, _json(data)],
        )
        _checked(version)


def _checked(version: object) -> int:
    if version == CONFLICT:
        raise VersionConflictError
    return int(cast("int", version))


def _json(data: BaseModel | Mapping[str, object]) -> str:
    return data.model_dump_json() if isinstance(data, BaseModel) else json.dumps(data)


def _ticket(entry: Entry) -> Ticket:
    return Ticket(run_id=entry.fields["run"], entry=entry.id)


def _event(entry: Entry) -> Event:
    return Event(
        version=int(entry.id.partition("-")[0]),
        kind=EventKind(entry.fields["kind"]),
        at_milliseconds=int(entry.fields["at"]),
        writer=entry.fields["writer"],
        data=cast("Mapping[str, Any]", json.loads(entry.fields["data"])),
    )
