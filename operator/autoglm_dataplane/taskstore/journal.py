"""The journal of a run: what happened, in order, and what follows from it.

One stream is recovery log, audit trail and client feed at once. A version is an event's place, from
1; it is also the token to resume a feed with. Pure: it never talks to the store.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from autoglm_dataplane.taskstore.plans import ANSWER, Node
from autoglm_dataplane.taskstore.requests import RunRequest


class EventKind(StrEnum):
    """What can happen to a run."""

    ACCEPTED = "accepted"
    CLAIMED = "claimed"
    PLAN = "plan"
    AWARD = "award"
    RESULT = "result"
    ANSWER = "answer"


class Outcome(StrEnum):
    """How a subtask ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Its executor was lost, and it must not run twice."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class Usage(_Data):
    """Tokens that were paid for."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def plus(self, other: "Usage") -> "Usage":
        """The sum."""
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
        )


class Problem(_Data):
    """Why something failed, in the words that the client reads."""

    status: int
    """HTTP status for the client."""
    code: str
    """One word for programs."""
    message: str
    """One sentence for people."""


class PlanMade(_Data):
    """The nodes to run."""

    nodes: tuple[Node, ...]
    """In any order; the node "answer" is among them."""
    reason: str = ""
    """Why the request was not divided although that was asked for."""
    usage: Usage = Usage()
    """What planning cost."""


class Award(_Data):
    """A node was given to an executor."""

    node: str
    executor: str
    attempt: Annotated[int, Field(ge=1)] = 1
    bids: Mapping[str, float] = Field(default_factory=dict[str, float])
    """Every executor's bid; the highest won."""


class Result(_Data):
    """A node ended."""

    node: str
    outcome: Outcome
    executor: str = ""
    upstream: str = ""
    """Who served the model, as the router named it."""
    content: str = ""
    finish_reason: str = "stop"
    problem: Problem | None = None
    usage: Usage = Usage()


class Answer(_Data):
    """The one end of a run."""

    content: str = ""
    problem: Problem | None = None
    usage: Usage = Usage()
    finish_reason: str = "stop"


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a journal."""

    version: int
    kind: EventKind
    at_milliseconds: int
    """By the store's clock, which all processes share."""
    writer: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """What the journal says so far."""

    id: str
    version: int
    request: RunRequest
    accepted_at_milliseconds: int
    owner: str = ""
    """The planner that works on it; empty while none does."""
    plan: PlanMade | None = None
    awards: Mapping[str, Award] = field(default_factory=dict[str, Award])
    results: Mapping[str, Result] = field(default_factory=dict[str, Result])
    answer: Answer | None = None

    @property
    def deadline_milliseconds(self) -> int:
        """When the client stops waiting, by the store's clock."""
        return self.accepted_at_milliseconds + self.request.timeout_milliseconds

    @property
    def usage(self) -> Usage:
        """Everything paid for so far."""
        total = self.plan.usage if self.plan else Usage()
        for result in self.results.values():
            total = total.plus(result.usage)
        return total

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes of the plan; none before there is one."""
        return self.plan.nodes if self.plan else ()

    def node(self, node_id: str) -> Node | None:
        """A node of the plan."""
        return next((node for node in self.nodes if node.id == node_id), None)

    def ready(self) -> tuple[Node, ...]:
        """Nodes that can run now: not awarded yet, and all that they need has succeeded."""
        done = {
            name for name, result in self.results.items() if result.outcome is Outcome.SUCCEEDED
        }
        return tuple(
            node
            for node in self.nodes
            if node.id not in self.awards
            and node.id not in self.results
            and done.issuperset(node.depends_on)
        )

    def failed(self) -> Result | None:
        """The first result that is no success."""
        bad = (each for each in self.results.values() if each.outcome is not Outcome.SUCCEEDED)
        return next(bad, None)

    def final(self) -> Result | None:
        """The result that is the answer."""
        return self.results.get(ANSWER)


class JournalError(Exception):
    """A journal cannot be read: it does not begin with an accepted request."""


def fold(run_id: str, events: Iterable[Event]) -> Run:
    """Read a whole journal.

    Raises:
        JournalError: it is empty or begins with something else.
    """
    run: Run | None = None
    for event in events:
        if run is None:
            run = _begun(run_id, event)
        else:
            run = replace(_after(run, event), version=event.version)
    if run is None:
        raise JournalError(f"run {run_id} has no journal")
    return run


def _begun(run_id: str, event: Event) -> Run:
    if event.kind is not EventKind.ACCEPTED:
        raise JournalError(f"the journal of run {run_id} begins with {event.kind}")
    return Run(
        id=run_id,
        version=event.version,
        request=RunRequest.model_validate(event.data),
        accepted_at_milliseconds=event.at_milliseconds,
    )


def _after(run: Run, event: Event) -> Run:
    match event.kind:
        case EventKind.ACCEPTED:
            return run
        case EventKind.CLAIMED:
            return replace(run, owner=event.writer)
        case EventKind.PLAN:
            return replace(run, plan=PlanMade.model_validate(event.data))
        case EventKind.AWARD:
            award = Award.model_validate(event.data)
            return replace(run, awards={**run.awards, award.node: award})
        case EventKind.RESULT:
            result = Result.model_validate(event.data)
            return replace(run, results={result.node: result, **run.results})
        case EventKind.ANSWER:
            return replace(run, answer=run.answer or Answer.model_validate(event.data))
