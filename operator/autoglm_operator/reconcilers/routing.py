"""Writes the routing document of a cluster and brings it into force on every router.

The Secret is written with a resourceVersion precondition and a version one above the live one, then
the document is pushed to every router pod; only what a router says it has in force counts. Which
upstreams are in the table is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from autoglm_api import labels, routing
from autoglm_operator.clients.agent import Agent, AgentError, AgentRefusedError, Applied
from autoglm_operator.decisions.cluster import RoutingSeen
from autoglm_operator.decisions.podstates import ready_pods
from autoglm_operator.decisions.references import data_of
from autoglm_operator.manifests import secrets
from autoglm_operator.runtime import certificates
from autoglm_operator.runtime.certificates import KeyPair

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoglm_operator.clients.agent import AgentClient
    from autoglm_operator.manifests.pods import Owner
    from autoglm_operator.reconcilers.applying import Applier
    from autoglm_operator.runtime.clock import Clock

Manifest = dict[str, Any]
log = logging.getLogger(__name__)

# Source: the design's bound for noticing a stale router is 15 s.
RECHECK_SECONDS = 10.0


class PushMetrics(Protocol):
    """What the publisher reports."""

    def observe_push(self, outcome: str) -> None:
        """Count one push: applied, newer, refused or unreachable."""
        ...


@dataclass(frozen=True, slots=True)
class Published:
    """The document as it stands in the Secret, and what is needed to push it."""

    document: routing.RoutingDocument
    text: bytes
    token: str


@dataclass(slots=True)
class _Memory:
    """What is remembered about one cluster; all of it can be found out again."""

    applied: dict[str, Applied] = field(default_factory=dict[str, Applied])
    checked: dict[str, float] = field(default_factory=dict[str, float])
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    pending_since: float | None = None
    floor: int = 0


class RoutingPublisher:
    """Publishes and pushes the documents of all clusters."""

    def __init__(
        self,
        applier: Applier,
        agents: AgentClient,
        clock: Clock,
        *,
        new_token: Callable[[], str],
        metrics: PushMetrics,
    ) -> None:
        self._applier = applier
        self._agents = agents
        self._clock = clock
        self._new_token = new_token
        self._metrics = metrics
        self._memory: dict[str, _Memory] = {}

    def forget(self, uid: str) -> None:
        """Drop what is remembered about a cluster that is gone."""
        self._memory.pop(uid, None)

    async def publish(
        self,
        owner: Owner,
        table: routing.RoutingTable,
        live: Manifest | None,
        authority: KeyPair,
        known_version: int,
    ) -> Published:
        """Make the Secret hold this table, writing it only if something in it changes.

        Args:
            owner: The cluster.
            table: What is to be in force.
            live: The Secret as just read.
            authority: Who signs the agents' certificate.
            known_version: Highest version that the status tells of.

        Raises:
            RoutingTooLargeError: The document would not fit.
            NameTakenError: The Secret belongs to somebody else.
            errors.ApiError: The Secret could not be written.
        """
        existing = data_of(live)
        before = document_in(live)
        floor = max(self._of(owner.uid).floor, known_version)
        if before is not None and before.table() == table and before.version >= floor:
            document = before
        else:
            document = routing.seal(table, max(before.version if before else 0, floor) + 1)
        text = routing.encode(document)
        data = self._data(owner, existing, text, authority)
        desired = secrets.secret(
            owner, labels.routing_secret(owner.name), secrets.cluster_labels(owner), data
        )
        if live is None or data != {key: existing.get(key) for key in data}:
            await self._applier.replace(desired, owner.uid, live=live)
            log.info("routing published", extra={"version": document.version})
        else:
            await self._applier.apply(desired, owner.uid, live=live)
        return Published(document, text, data[secrets.PUSH_TOKEN].decode())

    async def bring_into_force(
        self, owner: Owner, published: Published, pods: Sequence[Manifest], authority: KeyPair
    ) -> RoutingSeen:
        """Push to every router that may be without the document, and count who has it.

        Args:
            owner: The cluster.
            published: The document.
            pods: All router pods.
            authority: Who signed the agents' certificate.
        """
        memory = self._of(owner.uid)
        reachable = [pod for pod in pods if _reachable(pod)]
        known = {str(pod["metadata"]["uid"]) for pod in reachable}
        for gone in memory.applied.keys() - known:
            del memory.applied[gone]
        name = labels.agent_server_name(owner.name, owner.namespace)
        agents = {
            str(pod["metadata"]["uid"]): Agent(
                str(pod["status"]["podIP"]), name, authority.certificate, published.token
            )
            for pod in reachable
        }
        await asyncio.gather(
            *(self._settle(memory, uid, agent, published) for uid, agent in agents.items())
        )
        return self._seen(memory, published, [str(p["metadata"]["uid"]) for p in ready_pods(pods)])

    async def _settle(self, memory: _Memory, uid: str, agent: Agent, published: Published) -> None:
        """Find out what one router has in force, and push if that is not the document."""
        now = self._clock.monotonic()
        current = _is(memory.applied.get(uid), published)
        if current and now - memory.checked.get(uid, float("-inf")) < RECHECK_SECONDS:
            return
        version = published.document.version
        try:
            if current:
                memory.applied[uid] = await self._agents.applied(agent)
            if not _is(memory.applied.get(uid), published):
                memory.applied[uid] = await self._agents.push(agent, published.text)
                self._metrics.observe_push(
                    "applied" if _is(memory.applied[uid], published) else "newer"
                )
            memory.refusals.pop(uid, None)
        except AgentRefusedError as error:
            memory.refusals[uid] = (version, str(error))
            self._fail(memory, uid, "refused", error)
            return
        except AgentError as error:
            self._fail(memory, uid, "unreachable", error)
            return
        memory.checked[uid] = now
        found = memory.applied[uid]
        if not _is(found, published):
            memory.floor = max(memory.floor, found.version)

    def _fail(self, memory: _Memory, uid: str, outcome: str, error: AgentError) -> None:
        memory.applied.pop(uid, None)
        self._metrics.observe_push(outcome)
        log.warning("routing not pushed", extra={"router_uid": uid, "error": str(error)})

    def _seen(self, memory: _Memory, published: Published, ready: Sequence[str]) -> RoutingSeen:
        acknowledged = sum(_is(memory.applied.get(uid), published) for uid in ready)
        now = self._clock.monotonic()
        if acknowledged == len(ready):
            memory.pending_since = None
        elif memory.pending_since is None:
            memory.pending_since = now
        version = published.document.version
        refusals = [
            reason
            for uid, (refused, reason) in sorted(memory.refusals.items())
            if refused == version and uid in ready
        ]
        return RoutingSeen(
            version=version,
            hash=published.document.hash,
            routers=len(ready),
            acknowledged=acknowledged,
            pending_seconds=0.0 if memory.pending_since is None else now - memory.pending_since,
            rejection=refusals[0] if refusals else None,
            circuits=tuple(_circuits(memory.applied.get(uid)) for uid in ready),
        )

    def _data(
        self, owner: Owner, existing: dict[str, bytes], text: bytes, authority: KeyPair
    ) -> dict[str, bytes]:
        now = self._clock.now()
        name = labels.agent_server_name(owner.name, owner.namespace)
        pair = KeyPair(
            existing.get(secrets.AGENT_CERTIFICATE, b""), existing.get(secrets.AGENT_KEY, b"")
        )
        if certificates.needs_issue(pair, authority, name, now):
            pair = certificates.issue(authority, name, now)
        token = existing.get(secrets.PUSH_TOKEN) or self._new_token().encode()
        return {
            secrets.ROUTING_DOCUMENT: text,
            secrets.PUSH_TOKEN: token,
            secrets.AGENT_CERTIFICATE: pair.certificate,
            secrets.AGENT_KEY: pair.key,
        }

    def _of(self, uid: str) -> _Memory:
        return self._memory.setdefault(uid, _Memory())


def document_in(secret: Manifest | None) -> routing.RoutingDocument | None:
    """The document of a live Secret; None if there is none that can be read."""
    text = data_of(secret).get(secrets.ROUTING_DOCUMENT)
    if text is None:
        return None
    try:
        return routing.decode(text)
    except routing.RoutingDocumentError:
        return None


def _reachable(pod: Manifest) -> bool:
    status: Manifest = pod.get("status") or {}
    running = status.get("phase") == "Running" and bool(status.get("podIP"))
    return running and "deletionTimestamp" not in pod["metadata"]


def _circuits(applied: Applied | None) -> frozenset[str] | None:
    return None if applied is None else applied.open_circuits


def _is(applied: Applied | None, published: Published) -> bool:
    document = published.document
    return applied is not None and (applied.version, applied.hash) == (
        document.version,
        document.hash,
    )
