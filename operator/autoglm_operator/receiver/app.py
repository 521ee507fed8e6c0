"""The webhook: who calls is asked first, then how much is sent, then what it says.

400 and 413 for what will never be readable, 401 and 403 for who must not send, 503 for what the
sender should repeat: of all answers Alertmanager repeats only 5xx. Never answers 2xx before the API
server has stored everything.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from autoglm_api import kinds
from autoglm_operator.clients import errors
from autoglm_operator.receiver.callers import Callers, Verdict
from autoglm_operator.receiver.document import MalformedError, read_group
from autoglm_operator.receiver.intake import Delivery, Intake

log = logging.getLogger(__name__)

ALERTMANAGER_PATH: Final = "/v1/alertmanager"
DELIVERIES_AT_ONCE: Final = 64
"""Deliveries under way. Arbitrary, because an Alertmanager sends one per group at a time."""


class Webhook:
    """Alertmanager's webhook over the intake."""

    def __init__(
        self,
        callers: Callers,
        intake: Intake,
        *,
        unready: Callable[[], str | None],
        release_namespace: str,
        max_body_bytes: int,
    ) -> None:
        self._callers = callers
        self._intake = intake
        self._unready = unready
        self._namespace = release_namespace
        self._max_body_bytes = max_body_bytes
        self._slots = asyncio.Semaphore(DELIVERIES_AT_ONCE)

    def app(self) -> Starlette:
        """The routes."""
        return Starlette(routes=[Route(ALERTMANAGER_PATH, self.alertmanager, methods=["POST"])])

    async def alertmanager(self, request: Request) -> Response:
        """Take one delivery of Alertmanager."""
        if self._slots.locked():
            return _refusal(503, "Too many deliveries are under way: repeat this one.")
        async with self._slots:
            try:
                return await self._authenticated(request)
            except errors.ApiError as error:
                log.warning("caller not reviewed", extra={"error": str(error)})
                return _refusal(503, "The API server could not be asked: repeat this delivery.")

    async def _authenticated(self, request: Request) -> Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        caller = await self._callers.judge(token.strip() if scheme.lower() == "bearer" else "")
        if caller.verdict is Verdict.UNAUTHENTICATED:
            answer = _refusal(
                401,
                "Send a ServiceAccount token with audience autoglm-receiver as bearer token.",
            )
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        if caller.verdict is Verdict.UNAUTHORISED:
            return _refusal(
                403,
                f"{caller.name} may not post alerts: allow it to create"
                f" {kinds.HEALING_RUN.plural}/alerts in namespace {self._namespace}.",
            )
        # Before the first list is complete, an unmatched alert means nothing.
        if self._unready() is not None:
            return _refusal(503, "The policies are not known yet: repeat this delivery.")
        return await self._delivered(request)

    async def _delivered(self, request: Request) -> Response:
        try:
            body = await _limited_body(request, self._max_body_bytes)
        except ClientDisconnect:
            return _refusal(400, "The body ended early.")
        if body is None:
            return _refusal(
                413,
                f"The body is larger than {self._max_body_bytes} bytes: set max_alerts in the"
                " webhook_config.",
            )
        try:
            group = read_group(body)
        except MalformedError as error:
            return _refusal(400, str(error))
        return _answer(await self._intake.store(group))


async def _limited_body(request: Request, limit: int) -> bytes | None:
    """The body, None if it is larger than the limit; a declared length saves reading it."""
    declared = request.headers.get("Content-Length", "")
    if declared.isdigit() and int(declared) > limit:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


def _answer(delivery: Delivery) -> Response:
    content = {"outcomes": dict(delivery.outcomes), "problems": delivery.problems}
    if delivery.repeat:
        return JSONResponse(content | {"error": "Not all alerts could be stored."}, 503)
    if delivery.useless:
        return JSONResponse(content | {"error": "No alert of this delivery can be read."}, 400)
    return JSONResponse(content)


def _refusal(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)
