import asyncio
import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest

from autoglm_api.kinds import Kind
from autoglm_operator.clients import errors
from autoglm_operator.clients.lease import Elector, LeaseLostError, LeaseName
from manual_clock import ManualClock, settle

if TYPE_CHECKING:
    from autoglm_operator.clients.kube import KubeClient


class LeaseServer:
    """Keeps one Lease with versions, as the API server does; answers can be withheld."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.writes = 0
        self.down = False
        self.frozen = False
        self.loses_replies = 0

    async def _reach(self) -> None:
        await asyncio.sleep(0)
        if self.frozen:
            await asyncio.Event().wait()
        if self.down:
            raise errors.Unavailable(0, "ClientConnectorError", "refused")

    async def get(self, _: Kind, __: str, ___: str) -> dict[str, Any] | None:
        await self._reach()
        return copy.deepcopy(self.lease)

    async def create(self, obj: dict[str, Any]) -> dict[str, Any]:
        await self._reach()
        if self.lease is not None:
            raise errors.Conflict(409, "AlreadyExists", "it exists")
        return self._keep(obj)

    async def patch(self, _: Kind, __: str, ___: str, body: dict[str, Any]) -> dict[str, Any]:
        await self._reach()
        assert self.lease is not None
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise errors.Conflict(409, "Conflict", "it changed")
        kept = self._keep({**self.lease, "spec": {**self.lease["spec"], **body["spec"]}})
        if self.loses_replies:
            self.loses_replies -= 1
            raise errors.Unavailable(0, "ServerDisconnectedError", "gone")
        return kept

    def _keep(self, obj: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.writes += 1
        kept = copy.deepcopy(obj)
        kept["metadata"]["resourceVersion"] = str(self.version)
        self.lease = kept
        return copy.deepcopy(kept)

    @property
    def holder(self) -> str:
        assert self.lease is not None
        return str(self.lease["spec"]["holderIdentity"])


def an_elector(server: LeaseServer, clock: ManualClock, who: str) -> Elector:
    return Elector(cast("KubeClient", server), clock, LeaseName("ns", "lease", who))


def forever() -> Callable[[], Any]:
    async def work() -> None:
        await asyncio.Event().wait()

    return work


async def test_makes_the_lease_and_renews_it() -> None:
    server, clock = LeaseServer(), ManualClock()
    elector = an_elector(server, clock, "a")
    task = asyncio.create_task(elector.run(forever()))
    await settle()
    assert (server.holder, elector.leading) == ("a", True)
    await clock.advance(60)
    assert elector.leading
    assert server.writes > 20
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_another_waits_while_the_holder_renews() -> None:
    server, clock = LeaseServer(), ManualClock()
    one, two = an_elector(server, clock, "a"), an_elector(server, clock, "b")
    first = asyncio.create_task(one.run(forever()))
    await settle()
    second = asyncio.create_task(two.run(forever()))
    await clock.advance(120)
    assert (one.leading, two.leading) == (True, False)
    for task in (first, second):
        task.cancel()
    await asyncio.gather(first, second, return_exceptions=True)


async def test_another_takes_over_after_the_lease_ran_out() -> None:
    server, clock = LeaseServer(), ManualClock()
    await an_elector(server, clock, "dead").acquire()
    two = an_elector(server, clock, "b")
    task = asyncio.create_task(two.acquire())
    await clock.advance(14)
    assert not two.leading
    await clock.advance(4)
    assert two.leading
    assert server.lease is not None
    assert server.lease["spec"]["leaseTransitions"] == 1
    await task


async def test_a_restarted_container_resumes_its_own_lease_at_once() -> None:
    server, clock = LeaseServer(), ManualClock()
    await an_elector(server, clock, "a").acquire()
    again = an_elector(server, clock, "a")
    await again.acquire()
    assert again.leading


async def test_never_two_leaders_while_the_api_server_hangs() -> None:
    server, clock = LeaseServer(), ManualClock()
    one = an_elector(server, clock, "a")
    task = asyncio.create_task(one.run(forever()))
    await settle()
    server.frozen = True
    await clock.advance(9)
    assert one.leading
    await clock.advance(3)
    assert not one.leading, "it gave up before 15 s, when another may take the Lease"
    with pytest.raises(LeaseLostError):
        await task


@pytest.mark.parametrize("seconds", [4, 8])
async def test_survives_an_outage_shorter_than_the_renew_deadline(seconds: float) -> None:
    server, clock = LeaseServer(), ManualClock()
    one = an_elector(server, clock, "a")
    task = asyncio.create_task(one.run(forever()))
    await settle()
    server.down = True
    await clock.advance(seconds)
    server.down = False
    await clock.advance(30)
    assert one.leading
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_losing_the_lease_cancels_the_work() -> None:
    server, clock = LeaseServer(), ManualClock()
    one = an_elector(server, clock, "a")
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    task = asyncio.create_task(one.run(work))
    await settle()
    server.down = True
    await clock.advance(20)
    with pytest.raises(LeaseLostError):
        await task
    assert cancelled.is_set()
    assert server.holder == "a", "a lost Lease is not released: it is not ours to write"


async def test_a_stolen_lease_is_lost_at_once() -> None:
    server, clock = LeaseServer(), ManualClock()
    one = an_elector(server, clock, "a")
    task = asyncio.create_task(one.run(forever()))
    await settle()
    assert server.lease is not None
    server.lease["spec"]["holderIdentity"] = "thief"
    server.lease["metadata"]["resourceVersion"] = "stolen"
    await clock.advance(5)
    assert not one.leading
    with pytest.raises(LeaseLostError):
        await task


async def test_work_that_ends_releases_the_lease() -> None:
    server, clock = LeaseServer(), ManualClock()
    one = an_elector(server, clock, "a")

    async def work() -> None:
        await asyncio.sleep(0)

    await one.run(work)
    assert server.holder == ""
    two = an_elector(server, clock, "b")
    await two.acquire()
    assert two.leading


async def test_work_that_fails_is_not_hidden() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise KeyError("bug")

    with pytest.raises(KeyError):
        await an_elector(LeaseServer(), ManualClock(), "a").run(work)


async def test_a_lost_reply_to_a_renewal_does_not_lose_the_lease() -> None:
    server, clock = LeaseServer(), ManualClock()
    one = an_elector(server, clock, "a")
    task = asyncio.create_task(one.run(forever()))
    await settle()
    server.loses_replies = 1
    await clock.advance(30)
    assert one.leading
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
