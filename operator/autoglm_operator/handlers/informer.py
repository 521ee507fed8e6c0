"""Kopf as informer: every event updates the store and is passed on; nothing else ever happens.

Only `on.event` handlers are registered, so Kopf writes nothing to any object. What a watch misses,
the sweep finds: it lists every kind at start and every few minutes, corrects the store and passes
the differences on. A kind whose objects keep changing without any event has a dead watch.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import kopf

from autoglm_operator.clients import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoglm_api.kinds import Kind
    from autoglm_operator.clients.kube import KubeClient
    from autoglm_operator.runtime.clock import Clock
    from autoglm_operator.runtime.store import ObjectStore

    Change = Callable[[Kind, dict[str, Any] | None, dict[str, Any] | None], None]

log = logging.getLogger(__name__)

# A first list that fails is repeated; absent kinds are the usual cause while a chart installs.
RETRY_SECONDS = 2.0
# So many sweeps in a row must find changes without events before a watch counts as dead.
DEAD_AFTER_SWEEPS = 2


@dataclass(frozen=True, slots=True)
class Watched:
    """A kind to watch.

    Attributes:
        kind: The kind.
        labels: Label selector that the API server applies.
    """

    kind: Kind
    labels: str = ""


class Informer:
    """Watches and sweeps a set of kinds.

    Args:
        watched: The kinds.
        kube: Lists for the sweep.
        store: What is kept up to date.
        clock: Paces the sweeps.
        on_change: Called with kind, object before and object after; None where there is none.
        namespaces: Namespaces to watch; all if empty.
        sweep_seconds: Time between two sweeps.
    """

    def __init__(  # noqa: PLR0913 - a composition point; every argument is a collaborator
        self,
        watched: Sequence[Watched],
        kube: KubeClient,
        store: ObjectStore,
        clock: Clock,
        *,
        on_change: Change,
        namespaces: Sequence[str] = (),
        sweep_seconds: float = 300.0,
    ) -> None:
        self._watched = tuple(watched)
        self._kube = kube
        self._store = store
        self._clock = clock
        self._on_change = on_change
        self._namespaces = tuple(namespaces)
        self._sweep_seconds = sweep_seconds
        self._events = {each.kind: 0 for each in watched}
        self._silent = {each.kind: 0 for each in watched}
        # One that ends forgets the marks that another one under way still needs.
        self._sweeping = asyncio.Lock()
        self.synced = asyncio.Event()
        self.on_sweep: Callable[[], None] = lambda: None

    def unready(self) -> str | None:
        """Why the store cannot be relied on yet."""
        return None if self.synced.is_set() else "The first list of all kinds is not complete yet."

    def unhealthy(self) -> str | None:
        """Which watch is dead."""
        dead = [kind.kind for kind, count in self._silent.items() if count >= DEAD_AFTER_SWEEPS]
        return f"The watch of {', '.join(dead)} brings no events." if dead else None

    async def watch(self, ready: asyncio.Event, stop: asyncio.Event) -> None:
        """Run Kopf until the stop event; returns or raises when Kopf ends."""
        await kopf.operator(
            registry=self.registry(),
            settings=self.settings(),
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            ready_flag=ready,
            stop_flag=stop,
        )

    async def sweep_forever(self) -> None:
        """List everything at start and every few minutes."""
        while not self.synced.is_set():
            try:
                await self.sweep()
            except errors.ApiError as error:
                log.warning("first list failed", extra={"error": str(error)})
                await self._clock.sleep(RETRY_SECONDS)
            else:
                self.synced.set()
        while True:
            await self._clock.sleep(self._sweep_seconds)
            with contextlib.suppress(errors.Unavailable, errors.TooManyRequests):
                await self.sweep()

    async def sweep(self) -> None:
        """Correct the store by fresh lists of all kinds, begun after the call; one at a time."""
        async with self._sweeping:
            oldest = self._store.mark()
            for each in self._watched:
                await self._sweep(each)
            self._store.forget_marks(oldest)
        self.on_sweep()

    async def _sweep(self, each: Watched) -> None:
        """Correct the store by a fresh list of one kind, of which one page is held at a time."""
        first = not self.synced.is_set()
        mark, events = self._store.mark(), self._events[each.kind]
        seen: set[str] = set()
        missed = 0
        for namespace in self._namespaces or (None,):
            async for page in self._kube.pages(each.kind, namespace, each.labels or None):
                added, changed = self._store.sweep_page(each.kind, page, mark, seen)
                missed += len(added) + len(changed)
                for obj in (*added, *changed):
                    self._on_change(each.kind, None, obj)
        gone = self._store.sweep_gone(each.kind, mark, seen)
        missed += len(gone)
        for obj in gone:
            self._on_change(each.kind, obj, None)
        quiet = missed > 0 and events == self._events[each.kind] and not first
        self._silent[each.kind] = self._silent[each.kind] + 1 if quiet else 0
        if missed and not first:
            log.warning("sweep found changes", extra={"kind": each.kind.kind, "count": missed})

    def registry(self) -> kopf.OperatorRegistry:
        """Kopf's registry with one event handler per kind."""
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(_login)
        for each in self._watched:
            kopf.on.event(
                group=each.kind.group,
                version=each.kind.version,
                plural=each.kind.plural,
                id=f"{each.kind.plural}.{each.kind.group or 'core'}",
                registry=registry,
            )(self._handler(each.kind))
        return registry

    def settings(self) -> kopf.OperatorSettings:
        """Kopf's settings.

        Source: what other operators run with, and what our own measurements of Kopf asked for.
        """
        settings = kopf.OperatorSettings()
        settings.watching.chunk_size = 500
        settings.watching.server_timeout = 300
        settings.watching.client_timeout = 310
        settings.watching.connect_timeout = 10
        settings.networking.request_timeout = 30
        settings.networking.error_backoffs = (1, 2, 5, 10)
        settings.queueing.idle_timeout = 1
        settings.execution.max_workers = 16
        settings.posting.enabled = False
        settings.process.ultimate_exiting_timeout = 20
        settings.persistence.finalizer = "autoglm.io/kopf-unused"
        for each in self._watched:
            if each.labels:
                selector = (each.kind.group, each.kind.version, each.kind.plural)
                settings.watching.label_selectors[selector] = each.labels
        return settings

    def handle(self, kind: Kind, event: str | None, obj: dict[str, Any]) -> None:
        """Take one event in."""
        self._events[kind] += 1
        self._silent[kind] = 0
        if event == "DELETED":
            before = self._store.remove(kind, str(obj["metadata"]["uid"]))
            self._on_change(kind, before or obj, None)
        else:
            before = self._store.put(
                kind, {"apiVersion": kind.api_version, "kind": kind.kind, **obj}
            )
            self._on_change(kind, before, obj)

    def _handler(self, kind: Kind) -> Any:  # noqa: ANN401 - Kopf's own protocol of handlers
        async def on_event(event: kopf.RawEvent, **_: object) -> None:
            self.handle(kind, event["type"], cast("dict[str, Any]", event["object"]))

        return on_event


async def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401 - Kopf's
    """By a kubeconfig file if there is one, else as the pod's ServiceAccount."""
    return kopf.login_with_kubeconfig(**kwargs) or kopf.login_with_service_account(**kwargs)
