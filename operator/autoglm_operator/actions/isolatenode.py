"""IsolateNode: keep new pods from a node, and evict those that run there.

Guarantees: the same intent carried out twice isolates once: the cordon and our taint go into one
    patch of exactly the version that was read, and an eviction names the pod's UID. Disruption
    budgets are respected; nothing is ever deleted directly, and nothing is forced off a node that
    does not answer. Only our own taint and our own cordon are taken back.
Assumptions: the intent was journaled, with all that must come up elsewhere.
Errors: budgets and whatever passes are tried again until the intent's deadline; then the pods in
    the way are what the step says.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from autoglm_api import kinds, labels
from autoglm_api.conditions import Reason
from autoglm_api.healingladder import ActionName, LadderStep
from autoglm_api.healingrun import Intent, IntentVerb, Isolation, LeaseRecord, StepRecord
from autoglm_operator.clients import errors
from autoglm_operator.decisions import (
    displacement,
    evictions,
    isolation,
    nodelease,
    nodemarks,
    nodes,
)
from autoglm_operator.decisions.healing import (
    ActionIO,
    Denial,
    Health,
    Lease,
    Outcome,
    OutcomeKind,
    Seen,
    Sighting,
)
from autoglm_operator.decisions.reading import Manifest, name_of, title, uid_of

LEASE_MARGIN: Final = timedelta(seconds=60)
"""How much longer than its work a healer holds a node's lease, in case it dies before it gives it
up. Arbitrary, because another healer takes over within half of it."""


class IsolateNode:
    """The action of this module's name.

    Args:
        now: The present time.
        enabled: Whether the administrator lets the healer act on nodes.
    """

    name = ActionName.ISOLATE_NODE
    # A few evictions with the client's own limit each, of which the slowest rarely takes it.
    timeout = timedelta(seconds=60)

    def __init__(self, now: Callable[[], datetime], *, enabled: bool) -> None:
        self._now = now
        self._enabled = enabled

    def plan(self, step: LadderStep, seen: Seen, now: datetime) -> Intent | Denial:
        """Choose what is changed and what must come up elsewhere, or say why not."""
        if not self._enabled:
            return Denial(
                Reason.NODE_HEALING_OFF,
                "The healer may not act on nodes: set nodeHealing.enabled of the chart.",
            )
        return isolation.plan(step, seen, now)

    def is_done(self, intent: Intent, sighting: Sighting) -> bool:
        """Tell whether the node is marked, and for a drain empty."""
        return isolation.is_done(intent, sighting)

    def health(self, seen: Seen, step: StepRecord | None) -> Health:
        """Judge whether what the node ran is Available elsewhere."""
        return displacement.health(seen, step)

    def lease(self, step: LadderStep, intent: Intent, seen: Seen, now: datetime) -> LeaseRecord:
        """Say what is undone and when."""
        return isolation.lease(step, intent, now)

    def current(self, record: LeaseRecord, live: Manifest) -> str:
        """The value of our taint, empty if the node has none."""
        return nodemarks.own_taint(live)

    def step_back(self, record: LeaseRecord, current: str) -> str:
        """Everything at once."""
        return record.previous

    def returns_at(self, step: LadderStep, record: LeaseRecord, seen: Seen) -> datetime | None:
        """When the node has been well for long enough."""
        return isolation.returns_at(step, record, seen)

    async def undo(self, namespace: str, lease: Lease, live: Manifest, io: ActionIO) -> None:
        """Take our taint and our cordon away, and let others at the node."""
        await io.patch(kinds.NODE, None, name_of(live), nodemarks.releasing(live))
        await self._give_up(name_of(live), _identity(namespace, lease.record.value), io)

    async def settle(self, namespace: str, intent: Intent, io: ActionIO) -> None:
        """Give the node's lease up; one that cannot be given up ends by itself."""
        if intent.isolation is not None:
            by = _identity(namespace, intent.isolation.mark)
            await self._give_up(intent.object.name, by, io)

    async def execute(self, namespace: str, intent: Intent, io: ActionIO) -> Outcome:
        """Mark the node; for a drain also evict some of its pods, until none is left."""
        plan = intent.isolation
        if plan is None:
            return _failed(Reason.ACTION_FAILED, "The journal does not say how to isolate.")
        try:
            return await self._isolate(_identity(namespace, plan.mark), intent, plan, io)
        except (errors.Conflict, errors.TooManyRequests, errors.Unavailable) as error:
            return Outcome(OutcomeKind.RETRYABLE, Reason.API_UNAVAILABLE, error.message)
        except errors.ApiError as error:
            return _failed(Reason.ACTION_FAILED, error.message)

    async def _isolate(self, by: str, intent: Intent, plan: Isolation, io: ActionIO) -> Outcome:
        node = await io.get(kinds.NODE, None, intent.object.name)
        if node is None or uid_of(node) != intent.object.uid:
            return _failed(Reason.TARGET_GONE, f"Node {intent.object.name} is gone.")
        mark = nodemarks.own_taint(node)
        if mark not in ("", plan.mark):
            return _failed(Reason.LEASE_HELD, f"{title(node)} is isolated by {mark} already.")
        other = await self._take(node, by, intent, io)
        if other is not None:
            held = f"{title(node)} is maintained by {other}."
            return Outcome(OutcomeKind.RETRYABLE, Reason.NODE_LEASED, held)
        if not mark:
            node = await io.patch(
                kinds.NODE, None, name_of(node), nodemarks.isolating(node, plan.mark)
            )
        if intent.verb is IntentVerb.QUARANTINE:
            done = f"{title(node)} takes no new pods."
        else:
            progress = await _drain(node, plan, io)
            if not progress.is_over:
                return progress.outcome(node)
            done = f"{title(node)} is drained."
        return Outcome(OutcomeKind.SUCCEEDED, Reason.ACTION_SUCCEEDED, done)

    async def _take(self, node: Manifest, by: str, intent: Intent, io: ActionIO) -> str | None:
        """Take the node's lease, or tell who has it."""
        now = self._now()
        lasts = LEASE_MARGIN + max((intent.deadline or now) - now, timedelta())
        name = nodelease.name(name_of(node))
        lease = await io.get(kinds.LEASE, nodelease.NAMESPACE, name)
        if lease is None:
            try:
                await io.create(nodelease.new(node, by, now, lasts), manager=labels.HEALER)
            except errors.NotFound as error:
                missing = f"Namespace {nodelease.NAMESPACE} for leases of nodes is missing."
                raise errors.NotFound(error.status, error.reason, missing) from error
            return None
        holder = nodelease.holder(lease, now)
        if holder is None:
            body = nodelease.taken(lease, by, now, lasts)
            await io.patch(kinds.LEASE, nodelease.NAMESPACE, name, body)
        return None if holder == by else holder

    async def _give_up(self, node: str, by: str, io: ActionIO) -> None:
        name = nodelease.name(node)
        try:
            lease = await io.get(kinds.LEASE, nodelease.NAMESPACE, name)
            if lease is not None and nodelease.holder(lease, self._now()) == by:
                await io.patch(kinds.LEASE, nodelease.NAMESPACE, name, nodelease.given_up(lease))
        except errors.ApiError:
            return


@dataclass(slots=True)
class _Progress:
    """What one round of evictions came to."""

    evicted: int = 0
    left: list[str] = field(default_factory=list[str])
    """Pods that are on their way, or wait for their turn."""
    refused: list[str] = field(default_factory=list[str])
    """Pods that must stay for now, and why."""

    @property
    def is_over(self) -> bool:
        """Whether nothing is left that would have to move."""
        return not (self.left or self.refused)

    def outcome(self, node: Manifest) -> Outcome:
        """What the step says meanwhile, and at last if its time passes."""
        said = f"{title(node)} is being drained; {isolation.listed(self.left)} left."
        if not self.refused:
            return Outcome(OutcomeKind.UNDER_WAY, Reason.DRAINING, said)
        why = f"{title(node)} is not empty yet: {isolation.listed(self.refused)}."
        return Outcome(OutcomeKind.UNDER_WAY, Reason.DRAIN_BLOCKED, why)


async def _drain(node: Manifest, plan: Isolation, io: ActionIO) -> _Progress:
    """Evict as many pods as may leave at once, each exactly once."""
    reachable = nodes.is_ready(node)
    present = evictions.of_node(await io.list(kinds.POD), name_of(node))
    progress = _Progress()
    progress.refused += [
        f"pod {blocker.pod} stays, for {blocker.why}"
        for blocker in evictions.blockers(present, plan)
    ]
    if reachable:
        progress.left += [f"pod {evictions.full_name(pod)}" for pod in evictions.leaving(present)]
    room = evictions.room(present, reachable=reachable)
    for pod in evictions.candidates(present, plan):
        name = f"pod {evictions.full_name(pod)}"
        why = await _evict(pod, io) if progress.evicted < room else ""
        if why is None:
            progress.evicted += 1
            # It still has to leave a node that answers; of one that does not, it never will.
            progress.left += [name] if reachable else []
        elif why:
            progress.refused.append(f"{name} stays, for {why}")
        else:
            progress.left.append(name)
    return progress


async def _evict(pod: Manifest, io: ActionIO) -> str | None:
    """Evict one pod; the answer is why it could not be, None if it is gone or leaving."""
    try:
        grace = evictions.grace(pod)
        where = str(pod["metadata"]["namespace"])
        await io.evict(where, name_of(pod), uid=uid_of(pod), grace_seconds=grace)
    except errors.NotFound:
        return None
    except errors.Unavailable as error:
        if evictions.SEVERAL_BUDGETS in error.message:
            return error.message.rstrip(".")
        # The reply may be lost and the pod leaving: that is seen by looking again.
        raise
    except errors.ApiError as error:
        return error.message.rstrip(".")
    return None


def _identity(namespace: str, mark: str) -> str:
    """The name by which a run holds the lease of the node that carries its mark."""
    return f"{labels.HEALER}/{namespace}/{mark.removesuffix(nodemarks.KEPT)}"


def _failed(reason: Reason, message: str) -> Outcome:
    return Outcome(OutcomeKind.FAILED, reason, message)
