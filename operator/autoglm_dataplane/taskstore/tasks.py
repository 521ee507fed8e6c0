"""Tasks in the store, as executors see them: beat, read, refresh, finish.

Every method may be repeated after a lost reply. It never decides who gets a task.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autoglm_dataplane.taskstore import scripts, timing
from autoglm_dataplane.taskstore.connection import Connection, Entry
from autoglm_dataplane.taskstore.journal import Result
from autoglm_dataplane.taskstore.keys import EXECUTORS, Keys


class Ability(BaseModel):
    """What an executor says about itself with every heartbeat."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    slots: int = Field(ge=1)
    """Tasks that it works on at once."""
    capabilities: tuple[str, ...]
    """What it can be asked to do."""


@dataclass(frozen=True, slots=True)
class Task:
    """One awarded node."""

    entry: str
    run_id: str
    node: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Bidder:
    """An executor that lives."""

    name: str
    ability: Ability
    tasks: int
    """Tasks that it has, waiting or under way."""


class TaskStore:
    """Tasks of one cluster."""

    def __init__(self, connection: Connection, keys: Keys, *, retention: timedelta) -> None:
        """`retention` is how long a run may last and be read."""
        self._connection = connection
        self._keys = keys
        self._retention = timing.milliseconds(retention)

    async def bidders(self) -> list[Bidder]:
        """The executors that live, by name."""
        names = await self._connection.members(self._keys.executors)
        said = await self._connection.get_many([self._keys.alive(name) for name in names])
        living: list[Bidder] = []
        for name, text in zip(names, said, strict=True):
            ability = _ability(text)
            if ability is not None:
                tasks = await self.queued(name)
                living.append(Bidder(name, ability, tasks))
        return living

    async def queued(self, executor: str) -> int:
        """Tasks that an executor has, waiting or under way."""
        return await self._connection.length(self._keys.tasks(executor))

    async def join(self, executor: str) -> None:
        """Make an executor's queue."""
        await self._connection.make_group(self._keys.tasks(executor), EXECUTORS)

    async def beat(self, executor: str, ability: Ability) -> None:
        """Say that an executor lives."""
        await self._connection.script(
            scripts.HEARTBEAT,
            [self._keys.alive(executor), self._keys.executors],
            [executor, ability.model_dump_json(), timing.milliseconds(timing.LOST)],
        )

    async def leave(self, executor: str) -> None:
        """Say that an executor takes no more tasks; what waits in its queue goes to others."""
        await self._connection.drop(self._keys.alive(executor))

    async def next(self, executor: str, *, count: int, block: timedelta) -> list[Task]:
        """Tasks that were not begun."""
        entries = await self._connection.read_group(
            self._keys.tasks(executor),
            EXECUTORS,
            executor,
            count=count,
            block_milliseconds=timing.milliseconds(block),
        )
        return [_task(entry) for entry in entries]

    async def refresh(self, executor: str, entries: Sequence[str]) -> set[str]:
        """Say that tasks are still worked on; returns the entries that are still ours."""
        if not entries:
            return set()
        arguments = [EXECUTORS, executor, *entries]
        stream = self._keys.tasks(executor)
        return set(await self._connection.script(scripts.REFRESH, [stream], arguments))

    async def finish(self, executor: str, task: Task, result: Result) -> bool:
        """Store a result and drop the task; False if the node had its result already."""
        keys = self._keys
        first = await self._connection.script(
            scripts.FINISH_TASK,
            [keys.run(task.run_id), keys.tasks(executor), keys.results(task.run_id)],
            [
                *(keys.feed, task.node, executor, result.model_dump_json()),
                *(EXECUTORS, task.entry, self._retention),
            ],
        )
        return bool(first == 1)


def _ability(text: str | None) -> Ability | None:
    if text is None:
        return None
    try:
        return Ability.model_validate_json(text)
    except ValidationError:
        return None  # an executor of another version; it gets no tasks from us


def _task(entry: Entry) -> Task:
    fields = entry.fields
    return Task(entry.id, fields["run"], fields["node"], int(fields["attempt"]))
