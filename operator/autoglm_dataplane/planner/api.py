"""The planner's API: chat completions for virtual models, tasks, runs and their events.

Taking a request and working on it are apart: any planner may answer what another has taken. It
never decides what a run needs.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from autoglm_api import virtualmodels
from autoglm_dataplane.planner import asking, refusals, replies
from autoglm_dataplane.planner.asking import Asked
from autoglm_dataplane.planner.refusals import RefusalError
from autoglm_dataplane.planner.settings import PlannerSettings
from autoglm_dataplane.serving.tokens import TokenFile
from autoglm_dataplane.taskstore.feed import Feed, follow
from autoglm_dataplane.taskstore.journal import Event, EventKind
from autoglm_dataplane.taskstore.runs import RunStore

EVENT_STREAM: Final = "text/event-stream"
RUN_HEADER: Final = "x-autoglm-run"
GRACE_SECONDS: Final = 5.0
"""How much longer than a run's own limit its client waits: a planner writes the answer "too late",
and it may have to be found first by another planner."""

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Api:
    """What the routes need."""

    settings: PlannerSettings
    token: TokenFile
    runs: RunStore
    feed: Feed

    def routes(self) -> list[Route]:
        """All routes, each behind the internal token."""
        return [
            Route("/v1/chat/completions", self._guarded(self._chat), methods=["POST"]),
            Route("/v1/models", self._guarded(self._models)),
            Route("/v1/tasks", self._guarded(self._task), methods=["POST"]),
            Route("/v1/runs/{run_id}", self._guarded(self._run)),
            Route("/v1/runs/{run_id}/events", self._guarded(self._events)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            kind, _, shown = request.headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not self.token.accepts(shown.strip()):
                message = "Send requests to the cluster's router; it shows the planner its token."
                raise RefusalError(401, "not_authenticated", message)
            return await handler(request)

        return guarded

    async def _chat(self, request: Request) -> Response:
        asked = asking.chat(await self._body(request), self.settings)
        run_id = await self._submit(request, asked)
        if asked.stream:
            return _stream(self._chunks(run_id, asked), run_id)
        await self._answered(run_id)
        run = await self.runs.read(run_id)
        if run.answer is None:
            return refusals.of_problem(replies.too_late(run_id))
        if run.answer.problem is not None:
            return refusals.of_problem(run.answer.problem)
        return JSONResponse(replies.completion(run, run.answer), headers={RUN_HEADER: run_id})

    async def _models(self, _: Request) -> Response:
        listed = [
            {"id": name, "object": "model", "created": 0, "owned_by": "autoglm"}
            for name in virtualmodels.NAMES
        ]
        return JSONResponse({"object": "list", "data": listed})

    async def _task(self, request: Request) -> Response:
        asked = asking.task(await self._body(request), self.settings)
        run_id = await self._submit(request, asked)
        where = f"/v1/runs/{run_id}"
        return JSONResponse(
            {
                "id": run_id,
                "object": "autoglm.run",
                "status": "queued",
                "events": f"{where}/events",
            },
            status_code=202,
            headers={"location": where, RUN_HEADER: run_id},
        )

    async def _run(self, request: Request) -> Response:
        return JSONResponse(replies.status(await self.runs.read(request.path_params["run_id"])))

    async def _events(self, request: Request) -> Response:
        asked = request.headers.get("last-event-id") or request.query_params.get("last", "")
        after = asking.last_event(asked)
        run_id = request.path_params["run_id"]
        run = await self.runs.read(run_id)  # one that is not there is answered 404, not followed
        if run.answer is not None and after >= run.version:
            return Response(media_type=EVENT_STREAM)  # the client has seen it all
        return _stream(self._feed_of(run_id, after), run_id)

    async def _body(self, request: Request) -> bytes:
        most = self.settings.max_body_bytes
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > most:
                message = f"The request is larger than {most} bytes; send less, or smaller images."
                raise RefusalError(413, "request_too_large", message)
        return bytes(body)

    async def _submit(self, request: Request, asked: Asked) -> str:
        key = request.headers.get("idempotency-key", "")
        fingerprint = asked.fingerprint() if key else ""
        return await self.runs.submit(
            uuid.uuid4().hex, asked.request, repeat_of=key, fingerprint=fingerprint
        )

    async def _answered(self, run_id: str) -> None:
        try:
            async with asyncio.timeout(self._patience()):
                async for _ in follow(self.runs, self.feed, run_id):
                    continue
        except TimeoutError:
            return

    async def _chunks(self, run_id: str, asked: Asked) -> AsyncIterator[bytes]:
        request = asked.request
        chunks = replies.Chunks(run_id, request.virtual_model, include_usage=asked.include_usage)
        async for event in self._patiently(run_id, 0):
            if event is None:
                yield replies.KEEP_ALIVE
            else:
                for chunk in chunks.of(event):
                    yield chunk
                if event.kind is EventKind.ANSWER:
                    return
        for chunk in chunks.too_late():
            yield chunk

    async def _feed_of(self, run_id: str, after: int) -> AsyncIterator[bytes]:
        async for event in self._patiently(run_id, after):
            yield replies.KEEP_ALIVE if event is None else replies.event(event)

    async def _patiently(self, run_id: str, after: int) -> AsyncIterator[Event | None]:
        """The events of a run; None when nothing came for a while."""
        deadline = asyncio.get_running_loop().time() + self._patience()
        async for events in follow(self.runs, self.feed, run_id, after):
            if not events:
                yield None
            for event in events:
                yield event
            if asyncio.get_running_loop().time() > deadline:
                return

    def _patience(self) -> float:
        return self.settings.run_timeout.total_seconds() + GRACE_SECONDS


def _stream(content: AsyncIterator[bytes], run_id: str) -> Response:
    headers = {"cache-control": "no-cache", RUN_HEADER: run_id}
    return StreamingResponse(content, media_type=EVENT_STREAM, headers=headers)
