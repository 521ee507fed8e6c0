"""Deliveries that come at once: some are taken, some wait, the rest are sent back."""

import asyncio
import json
from typing import TYPE_CHECKING, cast

import httpx
import pytest
from prometheus_client import CollectorRegistry

from autoglm_api.alerts import AlertGroup
from autoglm_operator.receiver import app as module
from autoglm_operator.receiver.app import ALERTMANAGER_PATH, Limits, Webhook
from autoglm_operator.receiver.outcomes import Delivery

if TYPE_CHECKING:
    from autoglm_operator.receiver.events import EventIntake
    from autoglm_operator.receiver.gate import Gate
    from autoglm_operator.receiver.intake import Intake

GROUP = json.dumps({"version": "4", "groupKey": "{}", "alerts": []})


class Scene:
    """A webhook whose intake takes a delivery as long as the test says."""

    def __init__(self) -> None:
        self.taken = 0
        self.free = asyncio.Event()
        everybody = cast("Gate", self)
        self.webhook = Webhook(
            everybody,
            cast("Intake", self),
            cast("EventIntake", None),
            unready=lambda: None,
            limits=Limits(1 << 20, 1 << 20),
            registry=CollectorRegistry(),
        )
        transport = httpx.ASGITransport(self.webhook.app())
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")

    async def refusal(self, _: object) -> None:
        """Everybody may post."""

    async def deliver(self, _: AlertGroup) -> Delivery:
        """Take a delivery."""
        self.taken += 1
        await self.free.wait()
        return Delivery()

    def post(self) -> asyncio.Task[httpx.Response]:
        """Begin a delivery."""
        return asyncio.create_task(self.client.post(ALERTMANAGER_PATH, content=GROUP))

    async def settle(self) -> None:
        """Let everybody get as far as they can."""
        for _ in range(200):
            await asyncio.sleep(0)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(module, "DELIVERIES_AT_ONCE", 2)
    monkeypatch.setattr(module, "DELIVERIES_WAITING", 3)
    return Scene()


async def test_what_exceeds_the_slots_waits_and_is_taken(scene: Scene) -> None:
    posts = [scene.post() for _ in range(5)]
    await scene.settle()
    assert scene.taken == 2

    scene.free.set()

    assert [answer.status_code for answer in await asyncio.gather(*posts)] == [200] * 5
    assert scene.taken == 5


async def test_what_exceeds_those_who_wait_is_sent_back_at_once(scene: Scene) -> None:
    posts = [scene.post() for _ in range(5)]
    await scene.settle()

    answer = await scene.post()

    assert answer.status_code == 503
    assert "repeat" in answer.json()["error"]
    scene.free.set()
    assert {each.status_code for each in await asyncio.gather(*posts)} == {200}


async def test_nobody_waits_for_ever(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_SECONDS", 0.01)
    under_way = [scene.post() for _ in range(2)]
    await scene.settle()

    late = [scene.post() for _ in range(3)]

    assert {each.status_code for each in await asyncio.gather(*late)} == {503}
    scene.free.set()
    assert {each.status_code for each in await asyncio.gather(*under_way)} == {200}
    assert (await scene.post()).status_code == 200
