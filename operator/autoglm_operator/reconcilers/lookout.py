"""Everything that the healer reads before it decides: target, controllers, pods, policy, pauses.

All of it is read live, for whoever destroys must not trust a cache. It never writes, and never
judges what it finds.
"""

import asyncio
from dataclasses import replace
from typing import Final, Protocol

from autoglm_api import kinds, labels
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_api.healingrun import LOGS_LIMIT, HealingRun, ObjectRef
from autoglm_api.kinds import Kind
from autoglm_operator.clients import errors
from autoglm_operator.decisions import restart, target
from autoglm_operator.decisions.healing import Pauses, Seen, Sighting
from autoglm_operator.decisions.reading import Manifest, labels_of, part, parts, uid_of
from autoglm_operator.reconcilers import nodes, scaling

OWNERS_LIMIT: Final = 8
"""Controllers that are followed upwards. Arbitrary, because nobody nests workloads deeper."""

LOGS_SECONDS: Final = 2.0
"""How long a repair waits for a log. Arbitrary: a healthy kubelet answers within milliseconds, and
one that is cut off never does."""

_REPLICATED: Final = (*target.WORKLOADS, kinds.REPLICA_SET)


class Reader(Protocol):
    """The reads of the API client."""

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """Read one object live; None if it does not exist."""
        ...

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None
    ) -> list[Manifest]:
        """Read all objects of a kind that carry these labels."""
        ...


class LogReader(Protocol):
    """The one call that reads what containers wrote."""

    async def last_words(
        self, namespace: str, pod: str, container: str, *, previous: bool, limit_bytes: int
    ) -> str:
        """The end of what a container wrote, or its predecessor in the same pod."""
        ...


async def read_policy(kube: Reader, run: HealingRun) -> HealingPolicy | None:
    """The live policy of a run's name."""
    name = run.spec.policy.name
    found = await kube.get(kinds.HEALING_POLICY, run.metadata.namespace, name)
    return None if found is None else HealingPolicy.read(found)


async def read_pauses(kube: Reader, namespace: str, release_namespace: str) -> Pauses:
    """What stops healing in a namespace; what cannot be read stops it."""
    (everywhere, reverting), of_namespace = await asyncio.gather(
        read_switch(kube, release_namespace),
        kube.get(kinds.NAMESPACE, None, namespace),
    )
    marked = labels_of(of_namespace).get(labels.HEALING) if of_namespace is not None else None
    return Pauses(everywhere=everywhere, namespace=marked == labels.PAUSED, reverting=reverting)


async def look(kube: Reader, run: HealingRun) -> Sighting:
    """Look at a run's target, its controllers and their pods."""
    namespace = run.metadata.namespace
    bottom = await _bottom(kube, run, namespace)
    if bottom is None:
        return Sighting()
    if isinstance(bottom, str):
        return Sighting(ambiguous=bottom)
    if kinds.kind_of(bottom) == kinds.MODEL_ENDPOINT:
        seen = target.sighted_endpoint(bottom, await _active(kube, namespace, bottom))
    else:
        seen = target.sighted(await _climb(kube, namespace, bottom))
    if seen.claim is not None:
        return replace(seen, storage_class=await _class_of(kube, seen.claim))
    if seen.node is not None:
        return replace(seen, fleet=await nodes.fleet(kube, run, seen.node))
    workload = seen.workload
    if workload is None or kinds.find(workload["apiVersion"], workload["kind"]) not in _REPLICATED:
        return seen
    selector = selector_text(part(workload, "spec", "selector"))
    pods, revisions = await asyncio.gather(
        kube.list(kinds.POD, namespace, selector), _revisions(kube, namespace, workload, selector)
    )
    owners = {uid_of(workload), *(uid_of(each) for each in revisions)}
    seen = replace(
        seen,
        pods=tuple(pod for pod in pods if _controller_uid(pod) in owners),
        revisions=revisions,
    )
    return await _with_scaling(kube, run, seen, workload)


async def with_logs(kube: LogReader, seen: Seen) -> Sighting:
    """The sighting with the last words of the failing container; without them if there are none.

    Nothing waits long for them: a container that has left no log, or a node that does not answer,
    is no reason not to replace it.
    """
    found = restart.failing_container(seen.run, seen.sighting)
    if found is None:
        return seen.sighting
    pod, container, previous = found
    try:
        async with asyncio.timeout(LOGS_SECONDS):
            text = await kube.last_words(
                seen.run.metadata.namespace,
                pod,
                container,
                previous=previous,
                limit_bytes=LOGS_LIMIT,
            )
    except (errors.ApiError, TimeoutError):
        return seen.sighting
    return replace(seen.sighting, logs=text[-LOGS_LIMIT:] or None)


async def _class_of(kube: Reader, claim: Manifest) -> Manifest | None:
    name = part(claim, "spec").get("storageClassName")
    return await kube.get(kinds.STORAGE_CLASS, None, str(name)) if name else None


async def _with_scaling(
    kube: Reader, run: HealingRun, seen: Sighting, workload: Manifest
) -> Sighting:
    if not scaling.scales_out(run):
        return seen
    namespace = run.metadata.namespace
    room = None
    if scaling.scales_out_next(run):
        room = await scaling.room(kube, namespace, workload)
    found = await scaling.autoscalers(kube, namespace, (workload, *seen.chain))
    return replace(seen, autoscalers=found, room=room)


async def _active(kube: Reader, namespace: str, endpoint: Manifest) -> Manifest | None:
    """The Deployment of the revision of a managed endpoint that serves."""
    revision = part(endpoint, "status").get("activeRevision")
    if not revision:
        return None
    name = labels.endpoint_deployment(str(endpoint["metadata"]["name"]), str(revision))
    found = await kube.get(kinds.DEPLOYMENT, namespace, name)
    if found is None or _controller_uid(found) != uid_of(endpoint):
        return None
    return found


def selector_text(selector: Manifest) -> str:
    """A label selector in the form that lists take."""
    operators = {"Exists": "{key}", "DoesNotExist": "!{key}", "In": "{key} in ({values})"}
    terms = [f"{key}={value}" for key, value in part(selector, "matchLabels").items()]
    for each in parts(selector, "matchExpressions"):
        form = operators.get(str(each["operator"]), "{key} notin ({values})")
        terms.append(form.format(key=each["key"], values=",".join(each.get("values") or ())))
    return ",".join(terms)


async def read_switch(kube: Reader, release_namespace: str) -> tuple[str | None, bool]:
    """Why all healing is paused, and whether everything is to be undone."""
    where = f"ConfigMap {labels.PAUSE_CONFIG_MAP} in namespace {release_namespace}"
    try:
        found = await kube.get(kinds.CONFIG_MAP, release_namespace, labels.PAUSE_CONFIG_MAP)
    except errors.ApiError as error:
        return f"Healing is paused because {where} cannot be read: {error.reason}.", False
    data = part(found, "data")
    reverting = str(data.get(labels.REVERT, "false")).strip().lower() == labels.TRUE
    value = str(data.get(labels.PAUSED, "false")).strip().lower()
    # Whoever writes anything but false means to stop.
    if value == "false" and not reverting:
        return None, False
    return f"All healing is paused by {where}.", reverting


async def _bottom(kube: Reader, run: HealingRun, namespace: str) -> Manifest | str | None:
    """The pod that the alert named, while there is one; else the workload.

    It is a sentence if the alert names no single object.
    """
    known = run.status.target
    if known is None:
        kind, name = target.named(run)
        if not name:
            return None
        if kind == kinds.NODE:
            return await nodes.find_node(kube, name)
        if target.is_addressed(run):
            return await nodes.find_pod(kube, namespace, name)
        return await kube.get(kind, namespace, name)
    for ref in (known.pod, known.workload, known):
        found = await _get(kube, namespace, ref) if ref is not None else None
        if found is not None:
            return found
    return None


async def _get(kube: Reader, namespace: str, ref: ObjectRef) -> Manifest | None:
    kind = kinds.find(ref.api_version, ref.kind)
    if kind is None:
        return None
    return await kube.get(kind, namespace if kind.namespaced else None, ref.name)


async def _climb(kube: Reader, namespace: str, bottom: Manifest) -> list[Manifest]:
    chain = [bottom]
    if kinds.kind_of(bottom) in (kinds.NODE, kinds.PERSISTENT_VOLUME_CLAIM):
        # Whatever owns them, they are what the alert is about.
        return chain
    while len(chain) <= OWNERS_LIMIT and (ref := target.controller_ref(chain[-1])) is not None:
        kind = kinds.find(ref["apiVersion"], ref["kind"])
        # A pod of a node names it as controller; nodes are none of our business here.
        if kind is None or not kind.namespaced:
            break
        try:
            owner = await kube.get(kind, namespace, ref["name"])
        except errors.Forbidden:
            # Its UID in the reference is enough to tell targets apart.
            break
        if owner is None or uid_of(owner) != ref["uid"]:
            break
        chain.append(owner)
    return chain


async def _revisions(
    kube: Reader, namespace: str, workload: Manifest, selector: str
) -> tuple[Manifest, ...]:
    if workload["kind"] == kinds.REPLICA_SET.kind:
        return ()
    is_deployment = workload["kind"] == kinds.DEPLOYMENT.kind
    kind = kinds.REPLICA_SET if is_deployment else kinds.CONTROLLER_REVISION
    found = await kube.list(kind, namespace, selector)
    return tuple(each for each in found if _controller_uid(each) == uid_of(workload))


def _controller_uid(obj: Manifest) -> str:
    ref = target.controller_ref(obj)
    return str(ref["uid"]) if ref is not None else ""
