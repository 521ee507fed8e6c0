"""Decides which document is in force and keeps HAProxy at it.

Documents come from the kept file, the mounted Secret and pushes; the highest version wins. Between
changes it looks at HAProxy again and again, because a HAProxy that restarted or was changed by
somebody else has to come back to the document. It never serves a request.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from autoglm_api.routing import RoutingDocument
from autoglm_api.routingpolicies import Strategy
from autoglm_dataplane.router_agent import files
from autoglm_dataplane.router_agent.applier import Applier, How
from autoglm_dataplane.router_agent.haproxy import (
    HAProxy,
    HAProxyRefusedError,
    HAProxyUnreachableError,
)
from autoglm_dataplane.router_agent.layout import Layout
from autoglm_dataplane.router_agent.loadreader import LoadReader
from autoglm_dataplane.router_agent.measures import Measures
from autoglm_dataplane.router_agent.observed import ObservedServer
from autoglm_dataplane.router_agent.pins import Pins, safe, unusable
from autoglm_dataplane.router_agent.render import bootstrap, render
from autoglm_dataplane.router_agent.rendered import Rendered
from autoglm_dataplane.router_agent.store import Store
from autoglm_dataplane.router_agent.timekeeper import Timekeeper
from autoglm_dataplane.router_agent.versions import Offer, judge

logger = logging.getLogger(__name__)


class StaleDocumentError(Exception):
    """A newer document is in force, or another one of the same version."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A document that HAProxy did not take."""

    version: int
    hash: str
    reason: str


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often the agent looks, in seconds."""

    poll_seconds: float
    resolve_seconds: float
    load_seconds: float = 1.0
    """Source: the design, weights are in force within a second."""
    limit_seconds: float = 1.0
    """Between two looks for requests over their limit. Arbitrary: HAProxy tells whole seconds."""


class Agent:
    """One agent beside one HAProxy."""

    def __init__(
        self,
        haproxy: HAProxy,
        applier: Applier,
        store: Store,
        pins: Pins,
        where: Layout,
        measures: Measures,
    ) -> None:
        self._loads = LoadReader(haproxy)
        self._timekeeper = Timekeeper(haproxy)
        self._haproxy = haproxy
        self._applier = applier
        self._store = store
        self._pins = pins
        self._where = where
        self._measures = measures
        self._changing = asyncio.Lock()
        self._newest: RoutingDocument | None = None
        self.current: RoutingDocument | None = None
        """The document in force; None until HAProxy took one."""
        self.rejection: Rejection | None = None
        """The last document that was refused, until a newer one is in force."""

    def prepare(self) -> None:
        """Give HAProxy a file to start with, unless an earlier agent of this pod left one."""
        if not self._where.config.exists():
            files.write_all(bootstrap(self._where), self._where)

    async def offer(self, document: RoutingDocument) -> None:
        """Bring a document into force, if it is newer than what is.

        Raises:
            StaleDocumentError: it is not newer.
            HAProxyRefusedError: HAProxy did not take it; the old one serves on.
            HAProxyUnreachableError: no HAProxy answers.
        """
        self._newest = _newer(document, self._newest)
        async with self._changing:
            await self._superseded(document)
            await self._accept(document)

    async def watch(self, intervals: Intervals) -> None:
        """Keep HAProxy at the document, weights at the load, requests in time, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_again(intervals))
            tasks.create_task(again(intervals.load_seconds, "weighing", self.weigh))
            tasks.create_task(again(intervals.limit_seconds, "bounding", self._timekeeper.look))

    async def _look_again(self, intervals: Intervals) -> None:
        resolve_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            resolve = loop.time() >= resolve_at
            if resolve:
                resolve_at = loop.time() + intervals.resolve_seconds
            try:
                await self.look(resolve=resolve)
            except HAProxyUnreachableError as error:
                logger.debug("no HAProxy yet", extra={"reason": str(error)})
            except HAProxyRefusedError as error:
                logger.error("table not restored", extra={"reason": str(error)})  # noqa: TRY400
            except Exception:
                logger.exception("look failed")
            # Until the first document is in force every moment counts: clients are turned away.
            await asyncio.sleep(min(intervals.poll_seconds, 0.1 if self.current is None else 3600))

    async def look(self, *, resolve: bool) -> None:
        """Take a newer document that lies ready, and repair what drifted.

        Raises:
            HAProxyRefusedError: the table in force could not be restored.
            HAProxyUnreachableError: no HAProxy answers.
        """
        await self._take_lying()
        async with self._changing:
            if self.current is None:
                return
            if resolve and await self._pins.refresh(self.current):
                self._store.keep_pins(dict(self._pins.resolved()))
            how = await self._applier.apply(self._rendered(self.current))
            if how is not How.NOTHING:
                logger.info("table restored", extra={"how": how})

    async def weigh(self) -> None:
        """Read how busy the servers are and change their weights, if the strategy asks for it.

        Raises:
            HAProxyRefusedError: HAProxy did not take the weights.
            HAProxyUnreachableError: no HAProxy answers.
        """
        document = self.current
        if document is None or document.sharing.strategy is not Strategy.LOAD_AWARE:
            return
        if await self._loads.read(document):
            async with self._changing:
                if self.current is document:
                    await self._applier.apply(self._rendered(document))

    async def servers(self) -> Mapping[str, Mapping[str, ObservedServer]]:
        """Every server as HAProxy sees it.

        Raises:
            HAProxyUnreachableError: no HAProxy answers.
        """
        return await self._haproxy.servers()

    async def open_circuits(self) -> tuple[str, ...] | None:
        """Upstreams with a circuit that is open, or was a moment ago; None if HAProxy is silent."""
        try:
            return await self._haproxy.open_circuits()
        except HAProxyUnreachableError:
            return None

    def unresolved(self) -> Mapping[str, str]:
        """External upstreams without an address, each with the reason."""
        if self.current is None:
            return {}
        return unusable(self.current, self._pins.resolved())

    async def _take_lying(self) -> None:
        """Offer the mounted and the kept document, the newer one first; one is enough."""
        lying = [self._store.mounted()]
        if self.current is None:
            lying.append(self._store.kept())
        found = [document for document in lying if document is not None]
        for document in sorted(found, key=lambda one: one.version, reverse=True):
            if judge(document, self.current) is not Offer.NEWER or self._known_bad(document):
                continue
            with contextlib.suppress(StaleDocumentError, HAProxyRefusedError):
                await self.offer(document)

    async def _superseded(self, document: RoutingDocument) -> None:
        """Apply a newer one that was offered while this one waited: one reload instead of two."""
        newest = self._newest
        if newest is None or self._known_bad(newest):
            return
        if newest.version > document.version:
            with contextlib.suppress(StaleDocumentError, HAProxyRefusedError):
                await self._accept(newest)

    async def _accept(self, document: RoutingDocument) -> None:
        match judge(document, self.current):
            case Offer.SAME:
                return
            case Offer.STALE | Offer.CONTRADICTION:
                self._measures.applied("Stale")
                raise StaleDocumentError
            case Offer.NEWER:
                await self._apply(document)

    async def _apply(self, document: RoutingDocument) -> None:
        if await self._pins.refresh(document, only_new=True):
            self._store.keep_pins(dict(self._pins.resolved()))
        wanted = self._rendered(document)
        try:
            how = await self._applier.apply(wanted)
        except HAProxyRefusedError as error:
            self._measures.applied("Refused")
            self.rejection = Rejection(document.version, document.hash, str(error))
            logger.warning(
                "document refused", extra={"version": document.version, "reason": str(error)}
            )
            raise
        self._store.keep(document)
        self._timekeeper.learn(document)
        self.current = document
        self.rejection = None
        self._measures.applied(how, document.version)
        logger.info("document in force", extra={"version": document.version, "how": how})

    def _rendered(self, document: RoutingDocument) -> Rendered:
        loads = self._loads.current if document.sharing.strategy is Strategy.LOAD_AWARE else {}
        return render(document, safe(document, self._pins.resolved()), self._where, loads)

    def _known_bad(self, document: RoutingDocument) -> bool:
        bad = self.rejection
        return bad is not None and (bad.version, bad.hash) == (document.version, document.hash)


def _newer(one: RoutingDocument, other: RoutingDocument | None) -> RoutingDocument:
    return one if other is None or one.version >= other.version else other


async def again(seconds: float, what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do it for ever; HAProxy may be away for a while, and a mistake must not end the agent."""
    while True:
        try:
            await work()
        except (HAProxyUnreachableError, HAProxyRefusedError) as error:
            logger.debug("put off", extra={"work": what, "reason": str(error)})
        except Exception:
            logger.exception("failed", extra={"work": what})
        await asyncio.sleep(seconds)
