"""The OpenAI routes of the simulator: chat completions and the list of models.

Counts every request, checks the key, applies the fault that stands or that came along. It never
decides what an answer says.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from autoglm_dataplane.simulator import answers, faults, replies
from autoglm_dataplane.simulator.faults import Fault, FaultError
from autoglm_dataplane.simulator.ledger import REQUEST_ID
from autoglm_dataplane.simulator.questions import Question
from autoglm_dataplane.simulator.replies import Reply
from autoglm_dataplane.simulator.state import Simulation

BAD_REQUEST = "invalid_request_error"
BAD = 400
"""The first HTTP status that is an error."""


class Refusal(Exception):  # noqa: N818  # what happens is a refusal; the error is in its body
    """A request that gets an error in OpenAI's form."""

    def __init__(self, status: int, message: str, kind: str, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = replies.error(message, kind, code)


@dataclass(frozen=True, slots=True)
class Content:
    """The good answer to a request."""

    model: str
    pieces: tuple[bytes, ...]
    streamed: bool = False


class SimulatedResponse(Response):
    """Lets a `Reply` travel through a route, and counts how it ended."""

    def __init__(self, reply: Reply, model: str, simulation: Simulation) -> None:
        super().__init__(status_code=reply.status)
        self._reply = reply
        self._model = model
        self._simulation = simulation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the reply."""
        try:
            await self._reply(scope, receive, send)
        finally:
            self._simulation.ledger.ended(self._reply.outcome)
            self._simulation.answered.labels(self._model, str(self._reply.status)).inc()


def routes(simulation: Simulation) -> list[Route]:
    """The routes under the base path."""
    base = simulation.settings.base_path

    async def chat(request: Request) -> Response:
        return await _respond(simulation, request, models=False)

    async def models(request: Request) -> Response:
        return await _respond(simulation, request, models=True)

    return [
        Route(f"{base}/chat/completions", chat, methods=["POST"]),
        Route(f"{base}/models", models, methods=["GET"]),
    ]


async def _respond(simulation: Simulation, request: Request, *, models: bool) -> Response:
    simulation.ledger.arrived(request.headers.get(REQUEST_ID, ""))
    try:
        reply, model = await _reply(simulation, request, models=models)
    except BaseException:  # the client went away, or the server is told to stop
        simulation.ledger.ended("aborted")
        raise
    return SimulatedResponse(reply, model, simulation)


async def _reply(simulation: Simulation, request: Request, *, models: bool) -> tuple[Reply, str]:
    body = await request.body()
    fault, status = faults.NONE, 200
    try:
        fault = _fault(simulation, request, models=models)
        await asyncio.sleep(faults.seconds(fault.latency, simulation.settings.latency))
        _check_key(simulation, request.headers)
        _raise_asked(fault)
        content = _models(simulation) if models else _chat(simulation, body)
    except Refusal as refusal:
        status, content = refusal.status, Content("", replies.json_pieces(refusal.body))
    pause = faults.seconds(fault.chunk_delay, simulation.settings.chunk_delay)
    reply = Reply(
        pieces=content.pieces,
        status=status,
        headers=_headers(simulation, request, content, None if status < BAD else fault),
        pause_seconds=pause if content.streamed else 0.0,
        cut_after=fault.cut_after,
        hang_after=fault.hang,
    )
    return reply, content.model


def _headers(
    simulation: Simulation, request: Request, content: Content, failed_by: Fault | None
) -> dict[str, str]:
    headers = {"content-type": "application/json", "x-simulator": simulation.name}
    if request_id := request.headers.get(REQUEST_ID):
        headers[REQUEST_ID] = request_id
    if content.streamed:
        return headers | {"content-type": "text/event-stream", "cache-control": "no-cache"}
    if failed_by is not None and failed_by.retry_after is not None:
        headers["retry-after"] = str(failed_by.retry_after)
    return headers | {"content-length": str(sum(map(len, content.pieces)))}


def _fault(simulation: Simulation, request: Request, *, models: bool) -> Fault:
    """The fault for this request: what its headers ask for, over what stands."""
    try:
        asked = faults.from_headers(request.headers)
    except FaultError as error:
        raise Refusal(400, str(error), BAD_REQUEST, "bad_fault") from error
    if not asked.concerns(simulation.name):
        asked = faults.NONE
    stands = simulation.take_fault(models=models)
    return asked if stands is None else asked.over(stands.alone())


def _check_key(simulation: Simulation, headers: Mapping[str, str]) -> None:
    key = simulation.api_key
    if key is not None and headers.get("authorization") != f"Bearer {key}":
        raise Refusal(
            401, "Show the API key as a bearer token.", "authentication_error", "invalid_api_key"
        )


def _raise_asked(fault: Fault) -> None:
    if fault.status is not None:
        message = f"This simulator was asked to answer {fault.status}."
        raise Refusal(fault.status, message, "simulated_error", "simulated")


def _models(simulation: Simulation) -> Content:
    listed = [
        {"id": name, "object": "model", "created": 0, "owned_by": "simulator"}
        for name in simulation.settings.models
    ]
    return Content("", replies.json_pieces({"object": "list", "data": listed}))


def _chat(simulation: Simulation, body: bytes) -> Content:
    question = _question(simulation, body)
    script = simulation.take_script("\n".join(each.text for each in question.messages))
    answer = answers.answer(question, seed=simulation.settings.seed, scripted=script)
    name, number = simulation.name, simulation.ledger.total
    if question.stream:
        events = tuple(replies.events(question, answer, name=name, number=number))
        return Content(question.model, events, streamed=True)
    whole = replies.completion(question, answer, name=name, number=number)
    return Content(question.model, replies.json_pieces(whole))


def _question(simulation: Simulation, body: bytes) -> Question:
    try:
        question = Question.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        message = f"{where}: {first['msg']}."
        raise Refusal(400, message, BAD_REQUEST, "invalid_request") from error
    known = simulation.settings.models
    if question.model not in known:
        message = f"The model {question.model!r} is not served here; use {', '.join(known)}."
        raise Refusal(404, message, BAD_REQUEST, "model_not_found")
    return question
