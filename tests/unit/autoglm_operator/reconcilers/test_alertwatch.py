"""What the healer asks of Alertmanagers, and what it believes them."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
from prometheus_client import CollectorRegistry

from autoglm_operator.clients.alertmanager import AlertmanagerAccess, AlertmanagerClient
from autoglm_operator.decisions.surroundings import AlertNews
from autoglm_operator.reconcilers.alertwatch import LIST_SECONDS, AlertWatch, DeadMan
from episodes import a_run
from manual_clock import ManualClock

ONE, TWO = "http://one:9093", "http://two:9093"


def an_alert(name: str, fingerprint: str, updated: str) -> dict[str, Any]:
    return {
        "labels": {"alertname": name},
        "startsAt": "2025-12-31T23:00:00Z",
        "updatedAt": updated,
        "fingerprint": fingerprint,
        "receivers": [],
        "status": {"state": "active"},
    }


class Played:
    """Two Alertmanagers whose answers the test chooses."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.firing: dict[str, list[str]] = {ONE: ["a1b2"], TWO: ["a1b2"]}
        self.silenced: dict[str, bool] = {ONE: False, TWO: False}
        self.age: dict[str, timedelta] = dict.fromkeys((ONE, TWO), timedelta(hours=1))
        self.down: set[str] = set()
        self.told_at = clock.now()
        self.asked: list[str] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        url = f"{request.url.scheme}://{request.url.host}:{request.url.port}"
        self.asked.append(request.url.path.rpartition("/")[2])
        if url in self.down:
            raise httpx.ConnectError("refused")
        if request.url.path.endswith("status"):
            return httpx.Response(
                200, json={"uptime": (self.clock.now() - self.age[url]).isoformat()}
            )
        if request.url.path.endswith("silences"):
            return httpx.Response(200, json=[SILENCE] if self.silenced[url] else [])
        if "Watchdog" in request.url.params.get("filter", ""):
            return httpx.Response(200, json=[an_alert("Watchdog", "w", self.told_at.isoformat())])
        found = [an_alert("Crash", each, "2026-01-01T00:00:00Z") for each in self.firing[url]]
        return httpx.Response(200, json=found)


SILENCE = {
    "id": "s",
    "matchers": [{"name": "pod", "value": "web-1", "isRegex": False, "isEqual": True}],
    "startsAt": "2025-12-31T00:00:00Z",
    "endsAt": "2026-12-31T00:00:00Z",
    "createdBy": "jane",
    "comment": "",
}


def watching(played: Played, *, required: bool = True) -> AlertWatch:
    client = AlertmanagerClient(
        AlertmanagerAccess((ONE, TWO)), transport=httpx.MockTransport(played.answer)
    )
    return AlertWatch(
        client,
        played.clock,
        CollectorRegistry(),
        dead_man=DeadMan(required=required),
        settle=timedelta(minutes=3),
    )


async def test_what_any_of_them_says_holds() -> None:
    played = Played(ManualClock())
    played.firing[ONE] = []
    played.silenced[TWO] = True
    assert await watching(played).look(a_run()) == AlertNews(firing=True, silence="jane")


async def test_an_alert_that_nobody_has_fires_no_more() -> None:
    played = Played(ManualClock())
    played.firing = {ONE: [], TWO: ["other"]}
    assert await watching(played).look(a_run()) == AlertNews(firing=False)


async def test_one_that_was_just_started_is_not_believed() -> None:
    played = Played(ManualClock())
    played.firing = {ONE: [], TWO: []}
    played.down = {TWO}
    played.age[ONE] = timedelta(minutes=2)
    assert await watching(played).look(a_run()) == AlertNews(firing=None)
    played.age[ONE] = timedelta(minutes=3)
    assert await watching(played).look(a_run()) == AlertNews(firing=False)


async def test_when_nobody_answers_nothing_is_known_and_healing_freezes_at_once() -> None:
    played = Played(ManualClock())
    watch = watching(played)
    await watch.listen()
    assert watch.frozen() is None
    played.down = {ONE, TWO}

    assert await watch.look(a_run()) == AlertNews()

    why = watch.frozen()
    assert why is not None
    assert "No Alertmanager of alertmanager.urls answers" in why


async def test_one_that_answers_is_enough() -> None:
    played = Played(ManualClock())
    played.down = {ONE}
    watch = watching(played)
    await watch.listen()
    assert watch.frozen() is None
    assert await watch.look(a_run()) == AlertNews(firing=True)


async def test_without_a_dead_man_nothing_freezes() -> None:
    played = Played(ManualClock())
    played.down = {ONE, TWO}
    watch = watching(played, required=False)
    await watch.listen()
    assert watch.frozen() is None


async def test_runs_that_wait_share_a_list() -> None:
    played = Played(ManualClock())
    watch = watching(played)
    for _ in range(5):
        assert await watch.glance(a_run()) == AlertNews(firing=True)
    assert sorted(played.asked) == ["alerts", "alerts", "silences", "silences"]
    await played.clock.advance(LIST_SECONDS)
    await watch.glance(a_run())
    assert len(played.asked) == 8


async def test_what_ends_or_holds_a_run_is_never_an_old_list() -> None:
    played = Played(ManualClock())
    played.firing = {ONE: [], TWO: []}
    watch = watching(played)
    assert await watch.glance(a_run()) == AlertNews(firing=False)
    played.firing[TWO] = ["a1b2"]
    assert await watch.glance(a_run()) == AlertNews(firing=True)


async def test_nothing_is_known_without_an_alertmanager() -> None:
    clock = ManualClock()
    watch = AlertWatch(
        None, clock, CollectorRegistry(), dead_man=DeadMan(), settle=timedelta(minutes=3)
    )
    assert await watch.look(a_run()) == await watch.glance(a_run()) == AlertNews()
    assert watch.frozen() is None


async def test_tells_when_healing_freezes_and_thaws() -> None:
    played = Played(ManualClock())
    watch = watching(played)
    flips: list[bool] = []
    keeping = asyncio.create_task(watch.keep(lambda: flips.append(watch.frozen() is not None)))
    try:
        for _ in range(20):
            await played.clock.advance(0)
        assert flips == [False]
        for _ in range(8):
            await played.clock.advance(30)
        assert flips == [False, True]
        played.told_at = played.clock.now()
        for _ in range(2):
            await played.clock.advance(30)
        assert flips == [False, True, False]
    finally:
        keeping.cancel()
