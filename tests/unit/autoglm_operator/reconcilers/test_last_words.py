"""What the healer keeps of the log of a failing container."""

import asyncio
from dataclasses import dataclass, field

import pytest

import episodes
from autoglm_api.healingrun import LOGS_LIMIT
from autoglm_operator.clients import errors
from autoglm_operator.reconcilers import lookout
from episodes import (
    a_pod,
)
from fake_reader import DENIED


@dataclass
class FakeLogs:
    """What a container wrote, or why that cannot be read."""

    text: str = ""
    error: errors.ApiError | None = None
    hangs: bool = False
    asked: list[tuple[str, str, bool]] = field(default_factory=list[tuple[str, str, bool]])

    async def last_words(
        self, namespace: str, pod: str, container: str, *, previous: bool, limit_bytes: int
    ) -> str:
        assert (namespace, limit_bytes) == ("team-a", LOGS_LIMIT)
        self.asked.append((pod, container, previous))
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return self.text


@pytest.mark.parametrize(
    ("logs", "kept"),
    [
        (FakeLogs("it broke"), "it broke"),
        (FakeLogs("ä" * 5000), "ä" * LOGS_LIMIT),
        (FakeLogs(""), None),
        (FakeLogs(error=DENIED), None),
    ],
    ids=["short", "long", "silent", "refused"],
)
async def test_keeps_the_last_words_of_the_failing_container(
    logs: FakeLogs, kept: str | None
) -> None:
    pod = a_pod(ready=False, restarts=5)

    found = await lookout.with_logs(logs, episodes.seen(sighting=episodes.a_sighting(pod)))

    assert found.logs == kept
    assert logs.asked == [("web-1", "main", True)]


async def test_a_node_that_does_not_answer_keeps_nobody_from_repairing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lookout, "LOGS_SECONDS", 0.01)
    logs, pod = FakeLogs("too late", hangs=True), a_pod(ready=False, restarts=5)

    async with asyncio.timeout(10):
        found = await lookout.with_logs(logs, episodes.seen(sighting=episodes.a_sighting(pod)))

    assert found.logs is None
    assert logs.asked == [("web-1", "main", True)]


async def test_asks_for_no_last_words_where_nothing_fails() -> None:
    logs, pod = FakeLogs("it broke"), a_pod()
    pod["status"]["containerStatuses"][0]["ready"] = True
    look = episodes.seen(sighting=episodes.a_sighting(pod, pods=(pod,)))

    assert (await lookout.with_logs(logs, look)).logs is None
    assert logs.asked == []
