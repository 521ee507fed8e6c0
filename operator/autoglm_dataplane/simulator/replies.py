"""Sends an answer as JSON or as server-sent events, with the faults that were asked for.

One small ASGI application per reply. It never decides what to say or which fault applies.
"""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.types import Receive, Scope, Send

from autoglm_dataplane.simulator.answers import Answer
from autoglm_dataplane.simulator.hanging_up import hang_up
from autoglm_dataplane.simulator.questions import Question

CUT: Final = "cut"
HUNG: Final = "hung"
DONE: Final = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes in pieces, and where they end too early."""

    pieces: tuple[bytes, ...]
    status: int
    headers: Mapping[str, str]
    pause_seconds: float = 0.0
    """Time between two pieces."""
    cut_after: int | None = None
    """Pieces after which the connection is closed."""
    hang_after: int | None = None
    """Pieces after which nothing more comes."""

    @property
    def outcome(self) -> str:
        """What the ledger will say about it."""
        if self._stops(self.cut_after):
            return CUT
        return HUNG if self._stops(self.hang_after) else str(self.status)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces."""
        for sent, piece in enumerate(self.pieces):
            if await self._ended(sent, scope, receive):
                return
            if sent == 0:
                await self._start(send)
            elif self.pause_seconds:
                await asyncio.sleep(self.pause_seconds)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _ended(self, sent: int, scope: Scope, receive: Receive) -> bool:
        if sent == self.cut_after:
            hang_up(scope)
        elif sent != self.hang_after:
            return False
        await _disconnected(receive)
        return True

    async def _start(self, send: Send) -> None:
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})

    def _stops(self, after: int | None) -> bool:
        return after is not None and after < len(self.pieces)


def json_pieces(body: object) -> tuple[bytes, ...]:
    """A JSON body in two halves, so that it can be cut between them."""
    text = json.dumps(body).encode()
    return text[: len(text) // 2], text[len(text) // 2 :]


def completion(question: Question, answer: Answer, *, name: str, number: int) -> dict[str, object]:
    """A chat completion in one JSON object."""
    message: dict[str, object] = {"role": "assistant", "content": answer.content}
    if answer.tool:
        message = {"role": "assistant", "content": None, "tool_calls": [_call(answer, number)]}
    return {
        **_head(question, name, number, "chat.completion"),
        "choices": [{"index": 0, "message": message, "finish_reason": answer.finish_reason}],
        "usage": answer.usage(),
    }


def events(question: Question, answer: Answer, *, name: str, number: int) -> Iterator[bytes]:
    """The same as server-sent events, one chunk per word."""
    head = _head(question, name, number, "chat.completion.chunk")
    # Without this field every chunk but the last has none; with it they say null, as OpenAI's do.
    usage: dict[str, object] = {"usage": None} if question.wants_usage else {}

    def chunk(delta: Mapping[str, object], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _event({**head, "choices": [choice], **usage})

    if answer.tool:
        yield chunk({"role": "assistant", "tool_calls": [{"index": 0, **_call(answer, number)}]})
    else:
        yield chunk({"role": "assistant", "content": ""})
        for piece in answer.chunks():
            yield chunk({"content": piece})
    yield chunk({}, answer.finish_reason)
    if question.wants_usage:
        yield _event({**head, "choices": [], "usage": answer.usage()})
    yield DONE


def error(message: str, kind: str, code: str) -> dict[str, object]:
    """OpenAI's error form."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _head(question: Question, name: str, number: int, kind: str) -> dict[str, object]:
    return {
        "id": f"chatcmpl-{name}-{number}",
        "object": kind,
        "created": int(time.time()),
        "model": question.model,
        "system_fingerprint": name,
    }


def _call(answer: Answer, number: int) -> dict[str, object]:
    function = {"name": answer.tool, "arguments": answer.content}
    return {"id": f"call_{number}", "type": "function", "function": function}


def _event(body: object) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
