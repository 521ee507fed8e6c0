"""Open-AutoGLM's phone agent at the router: what it sends and gets is the same to the byte.

Its requests are made by the same SDK: a greeting at start, then one streamed step per screenshot,
the image as a base64 PNG before the text. Its answers are read from `delta.content` alone.
"""

import base64
import json
from collections.abc import AsyncIterator

import httpx2
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from fake_upstreams import Reply, Request, sends, serving
from router_pods import Pod
from routingtables import CLIENT_KEY, a_managed, an_external

PHONE = "autoglm-phone-9b"
THOUGHTS = "<think>要打开“微信”→ tap\t\u00e9\U0001f4f1\\n</think>"
ACTION = 'do(action="Tap", element=[512, 77])'


class Recorded(httpx2.AsyncBaseTransport):
    """A transport that keeps the bodies as they went over the wire."""

    def __init__(self) -> None:
        self._inner = httpx2.AsyncHTTPTransport()
        self.sent: list[bytes] = []
        self.received: list[bytearray] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(await request.aread())
        response = await self._inner.handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        kept = bytearray()
        self.received.append(kept)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=Kept(response.stream, kept),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


class Kept(httpx2.AsyncByteStream):
    """A body that is copied while it is read."""

    def __init__(self, inner: httpx2.AsyncByteStream, kept: bytearray) -> None:
        self._inner = inner
        self._kept = kept

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            self._kept += part
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


def a_step(pixels: int) -> list[ChatCompletionMessageParam]:
    """The messages of one step, with a screenshot of so many bytes."""
    image = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * (pixels // 256)
    url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    return [
        {"role": "system", "content": '你是一个智能体 "quoted" \\ model: x'},
        {"role": "assistant", "content": f"{THOUGHTS}<answer>{ACTION}</answer>"},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": url}},
                {"type": "text", "text": '** Screen Info **\n\n{"current_app": "微信"}'},
            ],
        },
    ]


def chunk(content: str, **more: object) -> dict[str, object]:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None, **more}
    return {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": PHONE,
        "choices": [choice],
    }


# Spelt as an engine may: raw UTF-8 and escapes, a comment, a line ending of its own, odd spaces.
EVENTS = (
    *(
        f"data: {json.dumps(chunk(part), ensure_ascii=at % 2 == 0)}\n\n".encode()
        for at, part in enumerate((*THOUGHTS, ACTION[:9], ACTION[9:]))
    ),
    b": keep-alive\n\n",
    f"data:  {json.dumps(chunk('', finish_reason='stop'))}\r\n\r\n".encode(),
    b"data: [DONE]\n\n",
)
GREETING = (
    b'{"id":"1","object":"chat.completion","created":1,"model":"autoglm-phone-9b", "unknown":[1.0,'
    b'1e2],"choices":[{"index":0,"message":{"role":"assistant","content":"\xe4\xbd\xa0\\u597d"},'
    b'"finish_reason":"length"}]}\n'
)


def streamed() -> Reply:
    """The events, each cut into two chunks at its middle, which may be inside a character."""
    parts = [
        part
        for event in EVENTS
        for part in (event[: len(event) // 2], event[len(event) // 2 :])
        if part
    ]
    chunks = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
    return sends(head + b"\r\n" + chunks + b"0\r\n\r\n")


@pytest.mark.parametrize("path", ["/api/paas/v4", "/openai", None])
@pytest.mark.parametrize("pixels", [20_000, 100_000, 3_000_000])
async def test_requests_and_answers_are_the_same_to_the_byte(
    pod: Pod, path: str | None, pixels: int
) -> None:
    async with serving("phone") as (phone,):
        upstream = (
            a_managed("phone", phone.port, model=PHONE)
            if path is None
            else an_external("phone", phone.port, model=PHONE, path=path, api_key="vendor-key")
        )
        await pod.route(upstream)
        wire = Recorded()
        async with AsyncOpenAI(
            base_url=f"http://127.0.0.1:{pod.where.ports.clients}/v1",
            api_key=CLIENT_KEY,
            max_retries=0,
            http_client=httpx2.AsyncClient(transport=wire),
        ) as client:
            length = len(GREETING)
            phone.reply = sends(
                f"HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n".encode() + GREETING
            )
            greeting = await client.chat.completions.create(
                model=PHONE,
                messages=[{"role": "user", "content": "Hi"}],
                max_tokens=5,
                temperature=0.0,
                stream=False,
                timeout=30.0,
            )
            phone.reply = streamed()
            step = await client.chat.completions.create(
                model=PHONE,
                messages=a_step(pixels),
                max_tokens=3000,
                temperature=0.0,
                top_p=0.85,
                frequency_penalty=0.2,
                extra_body={"skip_special_tokens": False, "vendor": {"model": "x"}},
                stream=True,
            )
            text = "".join([each.choices[0].delta.content or "" async for each in step])
    assert greeting.choices[0].message.content == "你好"
    assert text == THOUGHTS + ACTION
    assert [request.body for request in phone.seen] == wire.sent
    assert [bytes(body) for body in wire.received] == [GREETING, b"".join(EVENTS)]
    expected = f"{'/v1' if path is None else path}/chat/completions"
    assert [(request.method, request.path) for request in phone.seen] == [("POST", expected)] * 2
    assert {_of_client(request) for request in phone.seen} == {("application/json", True)}


def _of_client(request: Request) -> tuple[str, bool]:
    """What an endpoint may read of a client besides its body."""
    return request.headers["content-type"], request.headers["user-agent"].startswith("AsyncOpenAI")
