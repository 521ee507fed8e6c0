"""The webhook: who calls is asked first, then how much is sent, then what it says.

400 and 413 for what will never be readable, 401 and 403 for who must not send, 503 for what the
sender should repeat: of all answers Alertmanager repeats only 5xx. Never answers 2xx before the API
server has stored everything.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from autoglm_api import metrics
from autoglm_operator.clients import errors
from autoglm_operator.receiver.document import MalformedError, read_group
from autoglm_operator.receiver.events import EventIntake
from autoglm_operator.receiver.gate import Gate, refusal
from autoglm_operator.receiver.intake import Intake
from autoglm_operator.receiver.outcomes import Delivery
from autoglm_operator.runtime.metrics import counter

log = logging.getLogger(__name__)

ALERTMANAGER_PATH: Final = "/v1/alertmanager"
EVENTS_PATH: Final = "/v1/events"
DELIVERIES_AT_ONCE: Final = 64
"""Deliveries under way. Arbitrary, because an Alertmanager sends one per group at a time."""
DELIVERIES_WAITING: Final = 1024
"""Deliveries that wait for their turn, their bodies unread. Arbitrary, because each takes little
but its connection, while one that is refused comes back with a handshake and all of its body."""
WAITING_SECONDS: Final = 10.0
"""How long one waits. Arbitrary: an Alertmanager without a time limit of its own waits for minutes,
but one with a limit should hear of a repetition before."""
BODY_SECONDS: Final = 30.0
"""Time for a body to arrive. Arbitrary: the largest takes it at 3 Mbit/s."""
EVENT_BYTES: Final = 16 * 2**10
"""Size of the largest event. Arbitrary, because its texts have a tenth of that together."""

Taking = Callable[[bytes], Awaitable[Delivery]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken.

    Attributes:
        body_bytes: Of one delivery.
        bytes_at_once: Of all deliveries under way, so that they fit into the process's memory.
    """

    body_bytes: int
    bytes_at_once: int


class Webhook:
    """The routes over intake and events."""

    def __init__(
        self,
        gate: Gate,
        intake: Intake,
        events: EventIntake,
        *,
        unready: Callable[[], str | None],
        limits: Limits,
        registry: CollectorRegistry,
    ) -> None:
        self._gate = gate
        self._intake = intake
        self._events = events
        self._unready = unready
        self._limits = limits
        self._answered = counter(metrics.DELIVERIES, registry)
        self._slots = asyncio.Semaphore(DELIVERIES_AT_ONCE)
        self._waiting = 0
        self._bytes = 0

    def app(self) -> Starlette:
        """The routes."""
        return Starlette(
            routes=[
                Route(ALERTMANAGER_PATH, self.alertmanager, methods=["POST"]),
                Route(EVENTS_PATH, self.events, methods=["POST"]),
            ]
        )

    async def alertmanager(self, request: Request) -> Response:
        """Take one delivery of Alertmanager."""

        async def deliver(body: bytes) -> Delivery:
            return await self._intake.deliver(read_group(body))

        return await self._counted(request, deliver, self._limits.body_bytes)

    async def events(self, request: Request) -> Response:
        """Take one flat event."""
        return await self._counted(request, self._events.take, EVENT_BYTES)

    async def _counted(self, request: Request, take: Taking, limit: int) -> Response:
        answer = await self._answer(request, take, limit)
        self._answered.labels(str(answer.status_code)).inc()
        return answer

    async def _answer(self, request: Request, take: Taking, limit: int) -> Response:
        try:
            refused = await self._gate.refusal(request)
            if refused is not None:
                return refused
            # Before the first list is complete, an unmatched alert means nothing.
            if self._unready() is not None:
                return refusal(503, "The policies are not known yet: repeat this delivery.")
            if not await self._has_turn():
                return refusal(503, "Too many deliveries are under way: repeat this one.")
            try:
                return await self._taken(request, take, limit)
            finally:
                self._slots.release()
        except errors.ApiError as error:
            log.warning("delivery not judged", extra={"error": str(error)})
            return refusal(503, f"The API server could not be asked: {error.message}")

    async def _has_turn(self) -> bool:
        """Wait for a slot; whether it was given, and is to be released."""
        if self._waiting >= DELIVERIES_WAITING:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(WAITING_SECONDS):
                return await self._slots.acquire()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1

    async def _taken(self, request: Request, take: Taking, limit: int) -> Response:
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                refused = await self._read(request, body, limit)
            return refused or _answer(await take(bytes(body)))
        except MalformedError as error:
            return refusal(400, str(error))
        except ClientDisconnect:
            return refusal(400, "The body ended early.")
        except TimeoutError:
            return refusal(503, f"The body took longer than {BODY_SECONDS:g} s: repeat it.")
        finally:
            self._bytes -= len(body)

    async def _read(self, request: Request, body: bytearray, limit: int) -> Response | None:
        """Read the body; a declared length saves reading one that is too large."""
        too_large = refusal(
            413, f"The body is larger than {limit} bytes: set max_alerts in the webhook_config."
        )
        declared = request.headers.get("Content-Length", "")
        if declared.isdigit() and int(declared) > limit:
            return too_large
        async for chunk in request.stream():
            body += chunk
            self._bytes += len(chunk)
            if len(body) > limit:
                return too_large
            if self._bytes > self._limits.bytes_at_once:
                return refusal(503, "Too much is being delivered: repeat this delivery.")
        return None


def _answer(delivery: Delivery) -> Response:
    content = delivery.as_json()
    if delivery.repeat:
        return JSONResponse({"error": "Not all alerts could be stored.", **content}, 503)
    if delivery.useless:
        return JSONResponse({"error": "No alert of this delivery can be read.", **content}, 400)
    return JSONResponse(content)
