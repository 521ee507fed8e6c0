"""The upstream half of the recording proxy: one request to the real API server and its reply.

Exists apart from the proxy's server so that each stays readable. Never repeats a request unless
a fault says so: httpx, unlike aiohttp's client, does not repeat one on a broken connection.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field

import httpx
from aiohttp import web

from kubeconfig import Access, Object
from proxy_faults import (
    Delay,
    Drop,
    FailAfterCommit,
    Fault,
    LoseReply,
    Refuse,
    RepeatEvents,
    RepeatReply,
    SendTwice,
)
from proxy_records import Call, Record, answered, body_hash

HOP_BY_HOP = frozenset(
    {
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Source: RFC 9110 section 7.6.1, and the two that the next hop sets anew."""

REASONS = {
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
"""Source: StatusReason of k8s.io/apimachinery."""


@dataclass(frozen=True)
class Reply:
    """What the server said, or a fault in its place."""

    status: int | None
    """Of the server; None when it was not asked."""
    told: int
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class StreamedReply(Reply):
    """A reply without an end."""

    pieces: AsyncIterator[bytes] = field(kw_only=True)


@dataclass(frozen=True)
class Exchange:
    """One request with its number and its fault."""

    call: Call
    number: int
    fault: Fault | None
    received: float

    @property
    def loses_reply(self) -> bool:
        """Whether the client is to hear nothing."""
        return isinstance(self.fault, LoseReply | Drop)

    def streams(self, query: Mapping[str, str]) -> bool:
        """Tell whether the reply has no end: a watch, or a log that is followed."""
        follows = self.call.subresource == "log" and query.get("follow") in {"true", "1"}
        return (self.call.verb == "watch" or follows) and not isinstance(self.fault, Refuse)

    def record(
        self, request: web.Request, body: bytes, reply: Reply | None = None, *, lost: bool = False
    ) -> Record:
        """Return what the proxy remembers."""
        kind, name, uid = answered(reply.body) if reply else ("", "", "")
        silent = reply is None or self.loses_reply or lost
        return Record(
            self.call,
            self.number,
            body_hash(body),
            request.headers.get("User-Agent", ""),
            status=reply.status if reply else None,
            told=None if reply is None or silent else reply.told,
            kind=kind,
            name=name or self.call.name,
            uid=uid,
            seconds=self.received,
        )


class Upstream:
    """The real API server."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._named: httpx.AsyncClient | None = None
        self._nameless: httpx.AsyncClient | None = None
        self._first_replies: dict[str, Reply] = {}

    def open(self) -> None:
        """Make the clients; to be called in the event loop that uses them."""
        self._named, self._nameless = (
            httpx.AsyncClient(
                base_url=self._access.server,
                verify=self._access.tls(identified=identified) or False,
                trust_env=False,
                timeout=httpx.Timeout(None, connect=10.0),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            )
            for identified in (True, False)
        )

    async def close(self) -> None:
        """Close every connection."""
        for client in (self._named, self._nameless):
            if client is not None:
                await client.aclose()

    async def answer(self, request: web.Request, body: bytes, exchange: Exchange) -> Reply | None:
        """Ask the server, as the exchange's fault would have it; None: it was not asked.

        Raises:
            httpx.HTTPError: the server did not answer.
        """
        match exchange.fault:
            case Drop():
                return None
            case Refuse() as refusal:
                return _refused(refusal)
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case SendTwice():
                await self._send(request, body)
            case RepeatReply() if request.path_qs in self._first_replies:
                return self._first_replies[request.path_qs]
            case _:
                pass
        reply = await self._send(request, body)
        if exchange.call.verb in {"get", "list"}:
            self._first_replies.setdefault(request.path_qs, reply)
        if isinstance(exchange.fault, FailAfterCommit):
            refusal = Refuse(exchange.fault.status, message="failed after it was carried out")
            return Reply(reply.status, refusal.status, _HEADERS, _status_body(refusal))
        return reply

    @contextlib.asynccontextmanager
    async def stream(
        self, request: web.Request, exchange: Exchange
    ) -> AsyncGenerator[StreamedReply, None]:
        """Open a reply without an end, as the exchange's fault would have it."""
        if isinstance(exchange.fault, Delay):
            await asyncio.sleep(exchange.fault.seconds)
        if exchange.loses_reply:
            raise httpx.ReadError("dropped by the test")
        response = await self._client(request).send(self._prepare(request, b""), stream=True)
        try:
            pieces = response.aiter_raw()
            if isinstance(exchange.fault, RepeatEvents):
                pieces = _twice(pieces)
            headers = _passed_on(response.headers)
            yield StreamedReply(response.status_code, response.status_code, headers, pieces=pieces)
        finally:
            await response.aclose()

    async def _send(self, request: web.Request, body: bytes) -> Reply:
        response = await self._client(request).send(self._prepare(request, body))
        headers = _passed_on(response.headers)
        return Reply(response.status_code, response.status_code, headers, response.content)

    def _client(self, request: web.Request) -> httpx.AsyncClient:
        # The server believes a certificate before a token: a caller's token must travel alone.
        client = self._nameless if "Authorization" in request.headers else self._named
        assert client is not None, "open() comes first"
        return client

    def _prepare(self, request: web.Request, body: bytes) -> httpx.Request:
        headers = _passed_on(request.headers) | {"Accept-Encoding": "identity"}
        if self._access.token and "Authorization" not in request.headers:
            headers["Authorization"] = f"Bearer {self._access.token}"
        # Byte for byte: a path that is taken apart and put together again may differ.
        url = httpx.URL(self._access.server).copy_with(raw_path=request.raw_path.encode())
        return self._client(request).build_request(
            request.method, url, headers=headers, content=body or None
        )


_HEADERS = {"Content-Type": "application/json"}


def _refused(refusal: Refuse) -> Reply:
    headers = dict(_HEADERS)
    if refusal.retry_after_seconds is not None:
        headers["Retry-After"] = str(refusal.retry_after_seconds)
    return Reply(None, refusal.status, headers, _status_body(refusal))


def _status_body(refusal: Refuse) -> bytes:
    status: Object = {
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Failure",
        "reason": refusal.reason or REASONS.get(refusal.status, ""),
        "message": refusal.message,
        "code": refusal.status,
    }
    return json.dumps(status).encode()


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}


async def _twice(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Deliver every event twice; an event is a line."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield (line + b"\n") * 2
