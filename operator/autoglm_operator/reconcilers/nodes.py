"""Reads nodes, and finds the node or pod that an address means.

All of it is read live. It never writes, and never judges what it finds.
"""

import asyncio
from datetime import datetime
from typing import Protocol

from autoglm_api import kinds, labels
from autoglm_api.healingladder import ActionName
from autoglm_api.healingrun import HealingRun, Isolation
from autoglm_api.kinds import Kind
from autoglm_operator.clients import errors
from autoglm_operator.decisions import evictions, nodelease, nodes, target
from autoglm_operator.decisions.healing import Fleet
from autoglm_operator.decisions.reading import Manifest, name_of, part, title, uid_of

_JUDGED = (kinds.DEPLOYMENT, kinds.STATEFUL_SET, kinds.REPLICA_SET)
"""Controllers whose own status says whether they are Available."""


class NodeReader(Protocol):
    """The reads of the API client."""

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """Read one object live; None if it does not exist."""
        ...

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None
    ) -> list[Manifest]:
        """Read all objects of a kind that carry these labels."""
        ...


async def find_node(kube: NodeReader, text: str) -> Manifest | str:
    """The only node with this name or address, or a sentence that there is none or several."""
    found = nodes.named_nodes(await kube.list(kinds.NODE), text)
    return found[0] if len(found) == 1 else _not_one("node", "name or address", text, found)


async def find_pod(kube: NodeReader, namespace: str, text: str) -> Manifest | str:
    """The only pod of a namespace with this address, or a sentence that there is not just one."""
    found = nodes.addressed_pods(await kube.list(kinds.POD, namespace), text)
    if len(found) == 1:
        return found[0]
    where = f"pod in namespace {namespace}"
    return _not_one(where, "address of its own", text, found)


async def fleet(kube: NodeReader, run: HealingRun, node: Manifest) -> Fleet | None:
    """What else there is besides a node that is to be isolated, or just was; None if it is not."""
    if not _isolates(run):
        return None
    found, pods = await asyncio.gather(kube.list(kinds.NODE), kube.list(kinds.POD))
    isolation = _isolation(run)
    if isolation is None:
        workloads = await _controllers(kube, evictions.of_node(pods, name_of(node)))
    else:
        workloads = await _displaced(kube, isolation)
    return Fleet(nodes=tuple(found), pods=tuple(pods), workloads=workloads)


async def maintainer(
    kube: NodeReader, run: HealingRun, node: Manifest | None, now: datetime
) -> str | None:
    """Who else holds the lease of a run's node, as a sentence; None if nobody does."""
    if node is None or run.status.finished_at is not None:
        return None
    name = nodelease.name(name_of(node))
    try:
        lease = await kube.get(kinds.LEASE, nodelease.NAMESPACE, name)
    except errors.Forbidden:
        # Without rights on nodes nothing is done to them either.
        return None
    holder = nodelease.holder(lease, now)
    if holder is None or holder == f"{labels.HEALER}/{run.metadata.namespace}/{run.metadata.name}":
        return None
    return f"{title(node)} is maintained by {holder}, who holds its lease."


def _isolates(run: HealingRun) -> bool:
    """Whether the step that is under way or the next one is an isolation."""
    steps, ladder = run.status.steps, run.spec.policy.ladder
    following = {each.action for each in ladder[len(steps) : len(steps) + 1]}
    last = {each.action for each in steps[-1:]}
    is_open = run.status.finished_at is None
    return is_open and ActionName.ISOLATE_NODE in following | last


def _isolation(run: HealingRun) -> Isolation | None:
    """The isolation that is under way or being verified."""
    if not run.status.steps or run.status.steps[-1].helped is not None:
        return None
    intent = run.status.steps[-1].intent
    return intent.isolation if intent is not None else None


async def _controllers(kube: NodeReader, pods: list[Manifest]) -> tuple[Manifest, ...]:
    """The workloads of pods that an isolation would displace, by namespace, kind and name."""
    refs = {
        (pod["metadata"]["namespace"], ref["apiVersion"], ref["kind"], ref["name"])
        for pod in pods
        if not evictions.stays(pod) and (ref := target.controller_ref(pod)) is not None
    }
    direct = await asyncio.gather(*(_workload(kube, *ref) for ref in refs))
    owners = {
        (each["metadata"]["namespace"], ref["apiVersion"], ref["kind"], ref["name"])
        for each in direct
        if each is not None and (ref := target.controller_ref(each)) is not None
    }
    above = await asyncio.gather(*(_workload(kube, *ref) for ref in owners))
    known = {uid_of(each): each for each in (*direct, *above) if each is not None}
    owned = {
        uid
        for uid, each in known.items()
        if (ref := target.controller_ref(each)) is not None and ref["uid"] in known
    }
    kept = [each for uid, each in known.items() if uid not in owned]
    return tuple(sorted(kept, key=_order))


async def _displaced(kube: NodeReader, isolation: Isolation) -> tuple[Manifest, ...]:
    api = kinds.DEPLOYMENT.api_version
    found = await asyncio.gather(
        *(
            _workload(kube, each.namespace, api, each.kind, each.name)
            for each in isolation.displaced
        )
    )
    return tuple(each for each in found if each is not None)


async def _workload(
    kube: NodeReader, namespace: str, api_version: str, kind: str, name: str
) -> Manifest | None:
    """A workload whose status can be judged, None if it is gone or none of these."""
    known = kinds.find(api_version, kind)
    if known not in _JUDGED:
        return None
    return await kube.get(known, namespace, name)


def _order(obj: Manifest) -> tuple[str, str, str]:
    return str(part(obj, "metadata").get("namespace", "")), str(obj["kind"]), name_of(obj)


def _not_one(what: str, by: str, text: str, found: list[Manifest]) -> str:
    if not found:
        return f"The alert names {text}, but no {what} has that {by}."
    several = ", ".join(sorted(name_of(each) for each in found))
    return f"The alert names {text}, but more than one {what} has that {by}: {several}."
