"""A plan: subtasks and which of them need the results of which others.

Models write plans, so nothing in one is believed before `problem_of` said that it can be carried
out. This module never calls a model and never runs a subtask.
"""

from collections.abc import Iterable
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

MOST_NODES: Final = 8
"""Arbitrary, because every node is one paid call and the plans of the literature have 2 to 6."""
LONGEST_INSTRUCTION: Final = 4000
"""Characters. Arbitrary, because it leaves a model's context to results."""
ANSWER: Final = "answer"
"""Id of the node that turns results into the reply; the planner adds it, plans must not use it."""


class Capability(StrEnum):
    """What an executor can be asked to do."""

    CHAT = "chat"
    """Ask a model."""


class Node(BaseModel):
    """One subtask."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
    """Short name, lower case, unique in the plan."""
    capability: Annotated[str, Field(min_length=1, max_length=32)] = Capability.CHAT
    """What carries the subtask out; "chat" asks a language model."""
    instruction: Annotated[str, Field(min_length=1, max_length=LONGEST_INSTRUCTION)]
    """What to do, complete in itself: who does it sees the request and the results it depends on,
    nothing else."""
    depends_on: tuple[Annotated[str, Field(max_length=32)], ...] = ()
    """Ids of the subtasks whose results it needs; those with none left to wait for run at once."""


class Plan(BaseModel):
    """Subtasks that together answer a request: as few and as independent as possible."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    nodes: Annotated[tuple[Node, ...], Field(min_length=1, max_length=MOST_NODES)]
    """The subtasks, in any order."""


def problem_of(plan: Plan, capabilities: Iterable[str]) -> str | None:
    """Say in one sentence why a plan cannot be carried out; None if it can."""
    ids = [node.id for node in plan.nodes]
    known = set(ids)
    doubled = sorted({each for each in ids if ids.count(each) > 1})
    if doubled:
        return f"Give every node an id of its own; {_listed(doubled)} stands more than once."
    if ANSWER in known:
        return f'Choose another id than "{ANSWER}": it is the name of the final answer.'
    able = sorted(capabilities)
    unable = sorted({node.capability for node in plan.nodes} - set(able))
    if unable:
        return f"Use only the capabilities {_listed(able)}; {_listed(unable)} is not known."
    missing = sorted({need for node in plan.nodes for need in node.depends_on} - known)
    if missing:
        return f"Depend only on nodes of the plan; {_listed(missing)} is none."
    return _cycle(plan.nodes)


def with_answer(plan: Plan) -> tuple[Node, ...]:
    """The nodes to run: the plan's own, and the answer made of those that no other one needs."""
    needed = {need for node in plan.nodes for need in node.depends_on}
    ends = tuple(node.id for node in plan.nodes if node.id not in needed)
    return (*plan.nodes, Node(id=ANSWER, instruction="Answer the request.", depends_on=ends))


def single() -> tuple[Node, ...]:
    """The nodes of a request that is not divided."""
    return (Node(id=ANSWER, instruction="Answer the request."),)


def _cycle(nodes: Iterable[Node]) -> str | None:
    try:
        TopologicalSorter({node.id: node.depends_on for node in nodes}).prepare()
    except CycleError as error:
        around: list[str] = error.args[1]
        return f"Break the circle of dependencies {' -> '.join(around)}."
    return None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
