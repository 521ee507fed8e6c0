"""When a node may be isolated, what that moves, and whether it came up elsewhere.

The pure half of the action IsolateNode. A node is only given up while enough others stay healthy
and have room for what it runs; who else maintains it goes first. Never makes a call.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from autoglm_api.conditions import Reason
from autoglm_api.healingladder import IsolateNodeOptions, IsolationLevel, LadderStep
from autoglm_api.healingrun import (
    DisplacedWorkload,
    Intent,
    IntentVerb,
    Isolation,
    LeaseRecord,
)
from autoglm_operator.decisions import evictions, leases, nodemarks, nodes, placement
from autoglm_operator.decisions import target as targets
from autoglm_operator.decisions.healing import Denial, Fleet, Seen, Sighting
from autoglm_operator.decisions.reading import Manifest, condition, labels_of, name_of, title

ZONE: Final = "topology.kubernetes.io/zone"
"""Label of a node's zone. Source: well-known labels of Kubernetes."""
NAMED: Final = 5
"""Objects that a sentence names before it counts the rest. Arbitrary, because it must be short."""
DISPLACED_LIMIT: Final = 256
"""Workloads that an intent names. Source: the bound of `Isolation.displaced`."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A node that may be isolated, and everything around it."""

    seen: Seen
    options: IsolateNodeOptions
    node: Manifest
    fleet: Fleet

    @property
    def on_node(self) -> list[Manifest]:
        """The node's pods."""
        return evictions.of_node(self.fleet.pods, name_of(self.node))

    @property
    def moves(self) -> bool:
        """Whether pods move, because we evict them or because their node is down."""
        return self.options.level is IsolationLevel.DRAIN or not nodes.is_ready(self.node)


def plan(step: LadderStep, seen: Seen, now: datetime) -> Intent | Denial:
    """Choose the change and what must come up elsewhere, or say why the node is left alone."""
    options, node, fleet = step.isolate_node, seen.sighting.node, seen.sighting.fleet
    if options is None:
        return Denial(Reason.ACTION_REFUSED, "The step has no level: write isolateNode: {...}.")
    if node is None or fleet is None:
        return Denial(Reason.TARGET_GONE, "The target is no node that exists.")
    case = _Case(seen, options, node, fleet)
    refusal = next((denial for gate in GATES if (denial := gate(case)) is not None), None)
    if refusal is not None:
        return refusal
    drains = options.level is IsolationLevel.DRAIN
    return Intent(
        verb=IntentVerb.DRAIN if drains else IntentVerb.QUARANTINE,
        object=targets.reference(node),
        isolation=_isolation(case),
        deadline=now + options.drain_timeout if drains else None,
    )


def lease(step: LadderStep, intent: Intent, now: datetime) -> LeaseRecord:
    """What an intent changes on the node, and until when."""
    options, isolation = step.isolate_node, intent.isolation
    if options is None or isolation is None:
        raise LookupError("an isolation was planned without its options")
    return LeaseRecord(
        object=intent.object,
        field=nodemarks.FIELD,
        previous="",
        value=isolation.mark,
        expires=now + options.expires_after,
    )


def returns_at(step: LadderStep, record: LeaseRecord, seen: Seen) -> datetime | None:
    """When the node has been well for long enough; every relapse starts that time anew.

    An alert that still fires says that it is not, whatever the node reports of itself.
    """
    options, node = step.isolate_node, seen.sighting.node
    since = nodes.well_since(node) if node is not None else None
    if options is None or since is None or seen.news.firing:
        return None
    return max(since, record.expires - options.expires_after) + options.healthy_delay


def is_done(intent: Intent, sighting: Sighting) -> bool:
    """Tell whether the node carries our mark, and for a drain whether nothing is left to move."""
    node, isolation = sighting.node, intent.isolation
    if node is None or isolation is None or nodemarks.own_taint(node) != isolation.mark:
        return False
    if intent.verb is IntentVerb.QUARANTINE:
        return True
    return sighting.fleet is not None and _is_drained(node, sighting.fleet)


def _is_drained(node: Manifest, fleet: Fleet) -> bool:
    """Whether nothing is left to evict; where the kubelet answers, also nothing that is leaving."""
    present = evictions.of_node(fleet.pods, name_of(node))
    gone = not (nodes.is_ready(node) and evictions.leaving(present))
    return gone and not evictions.movable(present)


def _isolation(case: _Case) -> Isolation:
    return Isolation(
        mark=nodemarks.taint_value(case.node, case.seen.run.metadata.name),
        evict_bare_pods=case.options.evict_bare_pods,
        evict_local_data=case.options.evict_local_data,
        displaced=tuple(
            DisplacedWorkload(
                kind=each["kind"],
                namespace=each["metadata"]["namespace"],
                name=name_of(each),
            )
            for each in case.fleet.workloads[: DISPLACED_LIMIT if case.moves else 0]
        ),
    )


def _control_plane(case: _Case) -> Denial | None:
    """The node runs the control plane."""
    if not nodes.is_control_plane(case.node):
        return None
    return Denial(
        Reason.TARGET_NOT_ALLOWED,
        f"{title(case.node)} runs the control plane, which is never isolated.",
    )


def _cleared(case: _Case) -> Denial | None:
    """What the alert names of the node is not so any more.

    Alerts about a condition or a taint carry it in their labels. Source: kube_node_status_condition
    and kube_node_spec_taint of kube-state-metrics.
    """
    told = case.seen.run.spec.alert.labels
    about, key = told.get("condition"), told.get("key")
    found = condition(case.node, about).get("status") if about else None
    if found == ("True" if about == "Ready" else "False"):
        return Denial(
            Reason.CONDITION_CLEARED, f"{title(case.node)} has {about}={found} again by now."
        )
    if key and told.get("effect") and key not in {t.get("key") for t in nodes.taints(case.node)}:
        return Denial(Reason.CONDITION_CLEARED, f"{title(case.node)} has no taint {key} any more.")
    return None


def _marked(case: _Case) -> Denial | None:
    """Another run isolates the node, or changed something on it."""
    run = case.seen.run
    other = leases.foreign_mark(case.node, run)
    taint = nodemarks.own_taint(case.node).removesuffix(nodemarks.KEPT)
    holder = other.run if other is not None else taint
    if not holder or (other is None and holder == run.metadata.name):
        return None
    return Denial(Reason.LEASE_HELD, f"HealingRun {holder} holds {title(case.node)}.", holds=True)


def _maintained(case: _Case) -> Denial | None:
    """Somebody else changes the node, or keeps us away."""
    why = nodemarks.others_at_work(case.node)
    return None if why is None else Denial(Reason.NODE_IN_MAINTENANCE, why, holds=True)


def _too_few_healthy(case: _Case) -> Denial | None:
    """Too few nodes of its pool or zone would stay healthy without it."""
    workers = [node for node in case.fleet.nodes if not nodes.is_control_plane(node)]
    target = case.seen.run.spec.policy.target
    zone = labels_of(case.node).get(ZONE)
    groups = {
        "the nodes that the policy selects": [w for w in workers if targets.is_selected(target, w)],
    }
    if zone:
        groups[f"the nodes of zone {zone}"] = [w for w in workers if labels_of(w).get(ZONE) == zone]
    for name, group in groups.items():
        healthy = sum(
            nodes.is_well(each) and nodes.is_schedulable(each)
            for each in group
            if name_of(each) != name_of(case.node)
        )
        # Isolations that are journaled elsewhere may not be visible on their nodes yet.
        pending = max(case.seen.load.isolations - sum(map(_is_isolated, workers)), 0)
        wanted = required(case.options.min_healthy, len(group))
        if healthy - pending < wanted:
            return Denial(
                Reason.TOO_FEW_HEALTHY,
                f"Without {title(case.node)}, {healthy} of {len(group)} of {name} would be healthy"
                f" and take pods; isolateNode.minHealthy asks for {wanted}.",
                holds=True,
            )
    return None


def required(min_healthy: str, total: int) -> int:
    """How many nodes a count or a share stands for, rounded up."""
    if min_healthy.endswith("%"):
        return math.ceil(int(min_healthy[:-1]) * total / 100)
    return int(min_healthy)


def _would_be_lost(case: _Case) -> Denial | None:
    """A drain would lose pods or data that the policy does not give up."""
    if case.options.level is not IsolationLevel.DRAIN:
        return None
    found = evictions.blockers(case.on_node, _isolation(case))
    if not found:
        return None
    return Denial(
        Reason.DRAIN_BLOCKED,
        f"{title(case.node)} cannot be drained: "
        + listed([f"pod {each.pod}: {each.why}" for each in found])
        + ". Allow it in isolateNode, or move these pods first.",
    )


def _no_room(case: _Case) -> Denial | None:
    """What the node runs would find no room elsewhere."""
    if not case.moves:
        return None
    rest = [node for node in case.fleet.nodes if name_of(node) != name_of(case.node)]
    moving = [pod for pod in evictions.movable(case.on_node) if targets.controller_ref(pod)]
    without = placement.homeless(moving, rest, case.fleet.pods)
    if not without:
        return None
    return Denial(
        Reason.NO_CAPACITY,
        f"No other node has room for {listed([f'pod {evictions.full_name(p)}' for p in without])}"
        f" of {title(case.node)}: add a node, or lower their requests.",
        holds=True,
    )


GATES: Final[tuple[Callable[[_Case], Denial | None], ...]] = (
    _control_plane,
    _cleared,
    _marked,
    _maintained,
    _too_few_healthy,
    _would_be_lost,
    _no_room,
)
"""What keeps a node from being isolated; the first denial wins."""


def listed(names: list[str]) -> str:
    """Some names and how many more there are, always the same for the same names."""
    shown, more = sorted(names)[:NAMED], len(names) - NAMED
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _is_isolated(node: Manifest) -> bool:
    return bool(nodemarks.own_taint(node))
