"""When Alertmanagers are asked, and which alerts are taken."""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest

from autoglm_operator.clients.alertmanager import AlertmanagerAccess, AlertmanagerClient
from autoglm_operator.receiver.poller import POLL_SECONDS, Poller
from fake_runs import refused
from intake_scene import IntakeScene, a_group, an_alert
from manual_clock import START, settle


@dataclass
class FakeAlertmanager:
    """Answers with what a test put into it."""

    alerts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    silences: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    receivers: tuple[str, ...] = ("autoglm",)
    reachable: bool = True
    asked: list[str] = field(default_factory=list[str])

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not self.reachable:
            raise httpx.ConnectError("refused", request=request)
        what = request.url.path.rpartition("/")[2]
        self.asked.append(what)
        if what == "receivers":
            return httpx.Response(200, json=[{"name": name} for name in self.receivers])
        if what == "silences":
            return httpx.Response(200, json=self.silences)
        return httpx.Response(200, json=self.alerts)


def polled(pod: str = "web-1", receiver: str = "autoglm", minutes: float = 3) -> dict[str, Any]:
    """An alert of the policy that began so many minutes before the clock's start."""
    began = (START - timedelta(minutes=minutes)).isoformat()
    return {
        **an_alert(pod),
        "startsAt": began,
        "updatedAt": START.isoformat(),
        "receivers": [{"name": receiver}],
        "status": {"state": "active"},
    }


class PollScene(IntakeScene):
    """A poller that asks one Alertmanager."""

    def __init__(self, *faults: Exception | None) -> None:
        super().__init__(*faults)
        self.alertmanager = FakeAlertmanager()
        self.unready: str | None = None
        client = AlertmanagerClient(
            AlertmanagerAccess(("http://one:9093",)),
            transport=httpx.MockTransport(self.alertmanager),
        )
        self.poller = Poller(
            client,
            self.intake,
            self.clock,
            receiver="autoglm",
            unready=lambda: self.unready,
            registry=self.registry,
        )
        self.intake.on_truncated = self.poller.pull
        self.running = asyncio.ensure_future(self.poller.run())

    @property
    def pods(self) -> set[str]:
        return {run["spec"]["alert"]["labels"]["pod"] for run in self.api.runs.values()}

    def gauge(self, name: str) -> float | None:
        return self.registry.get_sample_value(f"autoglm_{name}")

    async def quiesce(self) -> None:
        # httpx's own awaits are more than the clock lets pass by itself.
        for _ in range(10):
            await settle()

    async def minute(self) -> None:
        await self.clock.advance(POLL_SECONDS)
        await self.quiesce()


@pytest.fixture
async def scene() -> PollScene:
    made = PollScene()
    await settle()
    return made


async def test_takes_what_should_have_arrived_and_only_once(scene: PollScene) -> None:
    scene.alertmanager.alerts = [
        polled("lost"),
        polled("young", minutes=-0.5),
        polled("other", receiver="autoglm-2"),
    ]

    await scene.minute()

    assert scene.pods == {"lost"}
    assert scene.gauge("poll_timestamp_seconds") == (START + timedelta(minutes=1)).timestamp()
    calls = scene.api.calls
    await scene.minute()
    assert scene.api.calls == calls
    await scene.minute()
    assert scene.pods == {"lost", "young"}


async def test_a_truncated_delivery_is_completed_at_once_for_its_own_receiver(
    scene: PollScene,
) -> None:
    scene.alertmanager.alerts = [polled("left-out", receiver="ours", minutes=0), polled("old")]

    await scene.intake.deliver(a_group(truncated=1))
    await scene.quiesce()

    assert scene.pods == {"left-out"}
    await scene.minute()
    assert scene.pods == {"left-out", "old"}


async def test_a_truncated_delivery_without_a_name_is_completed_for_the_configured_receiver(
    scene: PollScene,
) -> None:
    scene.alertmanager.alerts = [polled("left-out", minutes=0)]

    await scene.intake.deliver(a_group(truncated=1).model_copy(update={"receiver": ""}))
    await scene.quiesce()

    assert scene.pods == {"left-out"}


async def test_a_silence_that_only_another_peer_knows_holds(scene: PollScene) -> None:
    scene.alertmanager.alerts = [polled("muted"), polled("lost")]
    scene.alertmanager.silences = [
        {
            "id": "s-1",
            "matchers": [{"name": "pod", "value": "mut.+", "isRegex": True, "isEqual": True}],
            "startsAt": START.isoformat(),
            "endsAt": (START + timedelta(hours=1)).isoformat(),
        }
    ]

    await scene.minute()

    assert scene.pods == {"lost"}


async def test_does_not_poll_before_policies_are_known(scene: PollScene) -> None:
    scene.unready = "not yet"
    scene.alertmanager.alerts = [polled()]

    await scene.minute()
    before = set(scene.pods)
    scene.unready = None
    await scene.minute()

    assert (before, scene.pods) == (set(), {"web-1"})


async def test_says_who_is_silent_once_and_that_it_is_over(
    scene: PollScene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.alertmanager.reachable = False
    with caplog.at_level(logging.INFO):
        await scene.minute()
        await scene.minute()
        silent, polled_at = (
            scene.gauge("alertmanagers_silent"),
            scene.gauge("poll_timestamp_seconds"),
        )
        scene.alertmanager.reachable = True
        await scene.minute()

    assert (silent, polled_at, scene.gauge("alertmanagers_silent")) == (1, 0, 0)
    said = [record.message for record in caplog.records if "poll" in record.message]
    assert said == ["poll is incomplete", "poll is complete again"]


async def test_a_name_that_no_alertmanager_knows_is_said(
    scene: PollScene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.alertmanager.receivers = ("null", "team/healing/autoglm")
    with caplog.at_level(logging.WARNING):
        await scene.minute()

    (record,) = [record for record in caplog.records if record.message == "poll is incomplete"]
    assert "no Alertmanager has a receiver named 'autoglm'" in record.__dict__["problem"]
    assert "team/healing/autoglm" in record.__dict__["problem"]


async def test_what_could_not_be_stored_is_tried_again() -> None:
    scene = PollScene(refused(503, "ServiceUnavailable"))
    await settle()
    scene.alertmanager.alerts = [polled()]

    await scene.minute()
    before = set(scene.pods)
    await scene.minute()

    assert (before, scene.pods) == (set(), {"web-1"})
    assert scene.counted("autoglm_alerts_polled", "Unavailable") == 1
