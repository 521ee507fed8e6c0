"""What is asked of Alertmanagers, and what is made of their answers."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from autoglm_operator.clients.alertmanager import AlertmanagerAccess, AlertmanagerClient
from autoglm_operator.runtime import certificates

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE, TWO = "http://one:9093", "https://two/alertmanager/"
Answer = Callable[[httpx.Request], httpx.Response]


def asking(answer: Answer, urls: tuple[str, ...] = (ONE, TWO), **files: Path) -> AlertmanagerClient:
    return AlertmanagerClient(
        AlertmanagerAccess(urls, **files), transport=httpx.MockTransport(answer)
    )


def an_alert(name: str = "Crash", **changes: object) -> dict[str, Any]:
    return {
        "annotations": {},
        "endsAt": "2026-03-01T12:05:00.000Z",
        "fingerprint": f"f-{name}",
        "receivers": [{"name": "autoglm"}],
        "startsAt": "2026-03-01T11:55:00.000Z",
        "status": {"inhibitedBy": [], "mutedBy": [], "silencedBy": [], "state": "active"},
        "updatedAt": "2026-03-01T11:59:00.000Z",
        "generatorURL": "http://prometheus/graph",
        "labels": {"alertname": name},
        **changes,
    }


def a_silence(**changes: object) -> dict[str, Any]:
    return {
        "id": "s-1",
        "status": {"state": "active"},
        "updatedAt": "2026-03-01T11:00:00.000Z",
        "comment": "",
        "createdBy": "somebody",
        "startsAt": "2026-03-01T11:00:00.000Z",
        "endsAt": "2026-03-01T13:00:00.000Z",
        "matchers": [{"isEqual": True, "isRegex": False, "name": "pod", "value": "web-1"}],
        **changes,
    }


async def test_asks_every_alertmanager_for_what_it_would_notify_of() -> None:
    seen: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        return httpx.Response(200, json=[])

    answers = await asking(answer).alerts(['alertname="Watchdog"'])

    assert [(url.host, url.path) for url in seen] == [
        ("one", "/api/v2/alerts"),
        ("two", "/alertmanager/api/v2/alerts"),
    ]
    assert dict(seen[0].params) == {
        "active": "true",
        "silenced": "false",
        "inhibited": "false",
        "unprocessed": "false",
        "filter": 'alertname="Watchdog"',
    }
    assert (answers.items, answers.reachable, answers.known) == ((), (ONE, TWO), True)


async def test_joins_what_they_say() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "one":
            return httpx.Response(200, json=[an_alert(), an_alert("Stuck")])
        late = an_alert(startsAt="2026-03-01T11:50:00Z", updatedAt="2026-03-01T11:58:00Z")
        return httpx.Response(200, json=[late])

    answers = await asking(answer).alerts()

    assert [
        (each.name, each.starts_at.minute, each.updated_at.minute) for each in answers.items
    ] == [
        ("Crash", 50, 59),
        ("Stuck", 55, 59),
    ]
    assert answers.items[0].as_delivered().fingerprint == "f-Crash"


async def test_keeps_only_alerts_for_exactly_this_receiver() -> None:
    others = [{"name": "autoglm-2"}, {"name": "x"}]
    body = [an_alert(), an_alert("Stuck", receivers=others), an_alert("Lost", receivers=[])]

    answers = await asking(lambda _: httpx.Response(200, json=body)).alerts(receiver="autoglm")

    assert [each.name for each in answers.items] == ["Crash"]


async def test_keeps_only_silences_in_force() -> None:
    body = [
        a_silence(),
        a_silence(id="s-2", endsAt="2026-03-01T12:00:00Z"),
        a_silence(id="s-3", startsAt="2026-03-01T12:00:01Z"),
    ]

    answers = await asking(lambda _: httpx.Response(200, json=body)).silences(NOW)

    assert [each.id for each in answers.items] == ["s-1"]


async def test_names_receivers() -> None:
    body = [{"name": "null"}, {"name": "autoglm"}]

    answers = await asking(lambda _: httpx.Response(200, json=body), urls=(ONE,)).receivers()

    assert [each.name for each in answers.items] == ["null", "autoglm"]


def broken(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


BROKEN: dict[str, tuple[Answer, str]] = {
    "no connection": (broken, "It cannot be asked: refused."),
    "an error": (lambda _: httpx.Response(500), "It answered 500 instead of 200."),
    "a redirect": (
        lambda _: httpx.Response(302, headers={"location": "http://elsewhere"}),
        "It answered 302 instead of 200.",
    ),
    "another page": (lambda _: httpx.Response(200, text="<html>"), "It does not answer as"),
    "an object": (lambda _: httpx.Response(200, json={"a": 1}), "It does not answer as"),
    "a number": (lambda _: httpx.Response(200, json=1), "It does not answer as"),
    "an alert without labels": (lambda _: httpx.Response(200, json=[{}]), "It does not answer as"),
}


@pytest.mark.parametrize(("answer", "problem"), BROKEN.values(), ids=BROKEN)
async def test_says_who_did_not_answer(answer: Answer, problem: str) -> None:
    def half(request: httpx.Request) -> httpx.Response:
        return answer(request) if request.url.host == "one" else httpx.Response(200, json=[])

    answers = await asking(half).alerts()

    assert answers.failures[ONE].startswith(problem)
    assert (answers.reachable, answers.known) == ((TWO,), True)


async def test_nothing_is_known_when_nobody_answers() -> None:
    answers = await asking(broken).silences(NOW)

    assert (answers.known, answers.items) == (False, ())


async def test_an_answer_that_is_too_long_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoglm_operator.clients.alertmanager.REPLY_LIMIT", 10)

    answers = await asking(lambda _: httpx.Response(200, json=[an_alert()])).alerts()

    assert answers.failures[ONE] == "Its answer is longer than 10 bytes."


async def test_shows_the_token_that_the_file_holds_now(tmp_path: Path) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(200, json=[])

    token = tmp_path / "token"
    client = asking(answer, urls=(ONE,), token_file=token)
    for value in ("old\n", "new\n"):
        token.write_text(value)
        await client.alerts()

    assert seen == ["Bearer old", "Bearer new"]


async def test_a_renewed_authority_makes_new_connections(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    client = asking(lambda _: httpx.Response(200, json=[]), ca_file=file, urls=(ONE,))

    problems = [dict((await client.alerts()).failures)]
    file.write_bytes(certificates.new_authority("one", NOW).certificate)
    problems.append(dict((await client.alerts()).failures))
    file.write_text("no certificate")
    problems.append(dict((await client.alerts()).failures))
    await client.close()
    await client.close()

    assert [ONE in each for each in problems] == [True, False, True]
    assert "No such file" in problems[0][ONE]
