"""Errors in OpenAI's form, each with a sentence that says what to do.

It never decides what is refused.
"""

import logging

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from autoglm_dataplane.taskstore.connection import StoreUnavailableError
from autoglm_dataplane.taskstore.journal import Problem
from autoglm_dataplane.taskstore.runs import RepeatMismatchError, RunMissingError

logger = logging.getLogger(__name__)

BAD_REQUEST = "invalid_request_error"
SERVER_ERROR = "server_error"
FIRST_SERVER_ERROR = 500
RETRY_SECONDS = "1"
"""Arbitrary, because the store restarts within seconds."""


class RefusalError(Exception):
    """A request that cannot be taken."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


def body(status: int, code: str, message: str, param: str | None = None) -> dict[str, object]:
    """OpenAI's error form."""
    kind = SERVER_ERROR if status >= FIRST_SERVER_ERROR else BAD_REQUEST
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def of_problem(problem: Problem) -> JSONResponse:
    """The reply to a request whose run failed."""
    return JSONResponse(
        body(problem.status, problem.code, problem.message), status_code=problem.status
    )


async def on_refusal(_: Request, error: Exception) -> Response:
    """Reply to a request that cannot be taken."""
    if not isinstance(error, RefusalError):
        raise error
    content = body(error.status, error.code, str(error), error.param)
    return JSONResponse(content, status_code=error.status)


async def on_outage(_: Request, error: Exception) -> Response:
    """Reply while the store is away."""
    logger.warning("request refused, store does not answer", extra={"error": str(error)})
    message = "The task store does not answer, so nothing was accepted; try again in a moment."
    content = body(503, "store_unavailable", message)
    return JSONResponse(content, status_code=503, headers={"retry-after": RETRY_SECONDS})


async def on_missing(_: Request, error: Exception) -> Response:
    """Reply when a run is not there."""
    message = f"There is no run {error}; runs can be read for a limited time after their answer."
    return JSONResponse(body(404, "run_not_found", message), status_code=404)


async def on_mismatch(_: Request, error: Exception) -> Response:
    """Reply when an `Idempotency-Key` was used for something else."""
    message = f"This Idempotency-Key belongs to run {error} with another request; use a new key."
    return JSONResponse(body(422, "idempotency_key_reused", message), status_code=422)


HANDLERS = {
    RefusalError: on_refusal,
    StoreUnavailableError: on_outage,
    RunMissingError: on_missing,
    RepeatMismatchError: on_mismatch,
}
"""By the error that a route lets through."""
