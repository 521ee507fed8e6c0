"""What HAProxy answers to an order decides whether it was carried out."""

from pathlib import Path

import pytest

from autoglm_dataplane.router_agent.haproxy import HAProxy, HAProxyRefusedError
from autoglm_dataplane.router_agent.observed import ObservedStream

STREAM = ObservedStream("0x1", "clients", "one", "one", 200)


def that_answers(answer: str, monkeypatch: pytest.MonkeyPatch) -> tuple[HAProxy, list[str]]:
    """A HAProxy that says one thing, and what it was asked."""
    haproxy, asked = HAProxy(Path("/nowhere")), list[str]()

    async def ask(command: str) -> str:
        asked.append(command)
        return answer

    monkeypatch.setattr(haproxy, "ask", ask)
    return haproxy, asked


@pytest.mark.parametrize("answer", ["\n", "IP changed from '10.0.0.1' to '10.0.0.2'\n"])
async def test_silence_and_success_are_taken(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    haproxy, asked = that_answers(answer, monkeypatch)
    await haproxy.run("set server one/two addr 10.0.0.2")
    assert asked == ["@1 set server one/two addr 10.0.0.2"]


async def test_anything_else_is_a_refusal_that_names_the_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    haproxy, _ = that_answers("No such server.\n", monkeypatch)
    with pytest.raises(HAProxyRefusedError, match=r"set server one/two: No such server\."):
        await haproxy.run("set server one/two weight 5")


@pytest.mark.parametrize("answer", ["\n", "No such session.\n", "Can't find the target PID\n"])
async def test_a_stream_that_has_ended_is_no_refusal(
    answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    haproxy, asked = that_answers(answer, monkeypatch)
    await haproxy.shut_down(70, STREAM)
    assert asked == ["@!70 shutdown session 0x1"]


async def test_a_stream_that_goes_on_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    haproxy, _ = that_answers("Permission denied\n", monkeypatch)
    with pytest.raises(HAProxyRefusedError, match="shutdown session 0x1: Permission denied"):
        await haproxy.shut_down(70, STREAM)
