"""Sweeps of the informer: lists come in pages, and only what differs is passed on."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, cast

import pytest

from autoglm_api import kinds
from autoglm_api.kinds import Kind
from autoglm_operator.clients import errors
from autoglm_operator.handlers.informer import Informer, Watched
from autoglm_operator.runtime.store import ObjectStore
from manual_clock import ManualClock

if TYPE_CHECKING:
    from autoglm_operator.clients.kube import KubeClient

Object = dict[str, Any]


def a_pod(name: str, version: str = "1") -> Object:
    return {"metadata": {"name": name, "namespace": "ns", "uid": name, "resourceVersion": version}}


Pages = list[Object] | Exception | asyncio.Event
"""A page, an error in its place, or what the rest of the list waits for."""


class Scene:
    """An informer of pods over pages that the test makes up."""

    def __init__(self) -> None:
        self.listed: list[Pages] = []
        self.changes: list[str] = []
        self.store = ObjectStore()
        self.informer = Informer(
            [Watched(kinds.POD)],
            cast("KubeClient", self),
            self.store,
            ManualClock(),
            on_change=self._changed,
        )

    async def pages(self, _: Kind, __: str | None, ___: str | None) -> AsyncGenerator[list[Object]]:
        for page in self.listed:
            if isinstance(page, Exception):
                raise page
            if isinstance(page, asyncio.Event):
                await page.wait()
            else:
                yield page

    async def sweep(self, *pages: Pages) -> list[str]:
        """Sweep over these pages; returns what was passed on."""
        self.listed, self.changes = list(pages), []
        await self.informer.sweep()
        return self.changes

    def _changed(self, _: Kind, before: Object | None, after: Object | None) -> None:
        sign = "-" if after is None else "+"
        self.changes.append(sign + (after or before or {})["metadata"]["name"])


async def test_passes_on_what_differs_over_all_pages() -> None:
    scene = Scene()

    assert await scene.sweep([a_pod("a"), a_pod("b")], [a_pod("c")]) == ["+a", "+b", "+c"]
    assert await scene.sweep([a_pod("a")], [a_pod("b", "2"), a_pod("c")]) == ["+b"]
    assert await scene.sweep([a_pod("b", "2")], [a_pod("c")]) == ["-a"]
    assert {pod["metadata"]["name"] for pod in scene.store.list(kinds.POD)} == {"b", "c"}


async def test_a_list_that_breaks_off_takes_nothing_away() -> None:
    scene = Scene()
    await scene.sweep([a_pod("a"), a_pod("b")])

    with pytest.raises(errors.Unavailable):
        await scene.sweep([a_pod("a", "2")], errors.Unavailable(0, "TimeoutError", "No answer."))

    assert scene.changes == ["+a"]
    assert len(scene.store.list(kinds.POD)) == 2


async def test_two_sweeps_at_once_do_not_lose_what_came_meanwhile() -> None:
    """As when a healer becomes the leader while its sweep of every few minutes is under way."""
    scene = Scene()
    goes_on = asyncio.Event()
    slow = asyncio.create_task(scene.sweep([], goes_on))
    await asyncio.sleep(0)
    scene.informer.handle(kinds.POD, "ADDED", a_pod("new"))
    fast = asyncio.create_task(scene.sweep([a_pod("new")]))
    for _ in range(10):
        await asyncio.sleep(0)
    goes_on.set()
    await asyncio.gather(slow, fast)

    assert [pod["metadata"]["name"] for pod in scene.store.list(kinds.POD)] == ["new"]


async def test_a_watch_is_dead_if_sweeps_keep_finding_what_it_missed() -> None:
    scene = Scene()
    scene.informer.synced.set()
    await scene.sweep([a_pod("a")])
    assert scene.informer.unhealthy() is None

    await scene.sweep([a_pod("a", "2")])
    assert scene.informer.unhealthy() == "The watch of Pod brings no events."

    scene.informer.handle(kinds.POD, "MODIFIED", a_pod("a", "3"))
    assert scene.informer.unhealthy() is None
