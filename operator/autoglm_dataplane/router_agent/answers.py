"""What the router itself says to clients, in the form of the OpenAI API's errors. Pure.

Messages are constants: nothing of a request or of a document is ever put into one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

RETRY_AFTER_SECONDS: Final = 5
"""Arbitrary, because nobody knows when an endpoint comes back; half of the breaker's default."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One refusal."""

    status: int
    type: str
    code: str
    message: str
    retry_after: bool = False

    def body(self) -> str:
        """The JSON object that OpenAI's clients read."""
        error = {
            "message": self.message,
            "type": self.type,
            "param": None,
            "code": self.code,
        }
        return json.dumps({"error": error})

    def arguments(self) -> str:
        """Status, headers and body as `http-request return` and `http-error` take them."""
        header = f" hdr retry-after {RETRY_AFTER_SECONDS}" if self.retry_after else ""
        return (
            f"status {self.status} content-type application/json string {quoted(self.body())}"
            f"{header}"
        )

    def message_bytes(self) -> bytes:
        """The whole HTTP message, after which the connection is closed."""
        body = self.body().encode()
        retry = f"retry-after: {RETRY_AFTER_SECONDS}\r\n" if self.retry_after else ""
        head = (
            f"HTTP/1.1 {self.status} {self.code}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n{retry}\r\n"
        )
        return head.encode() + body


def quoted(text: str) -> str:
    """A constant of ours in HAProxy's strong quotes, which nothing inside can end.

    Raises:
        ValueError: The text has a quote or a line break.
    """
    if "'" in text or "\n" in text:
        raise ValueError("a quoted text has neither quotes nor line breaks")
    return f"'{text}'"


INVALID: Final = "invalid_request_error"
UNAVAILABLE: Final = "server_error"

BAD_KEY: Final = Answer(
    401,
    INVALID,
    "invalid_api_key",
    "The API key is missing or wrong: send it as Authorization: Bearer <key>.",
)
BAD_TOKEN: Final = Answer(
    401,
    INVALID,
    "invalid_api_key",
    "Send the internal token of this cluster as Authorization: Bearer <token>.",
)
BAD_SIGNATURE: Final = Answer(
    401,
    INVALID,
    "invalid_token",
    "Send a token that the issuer signed as Authorization: Bearer <token>.",
)
NOT_FOR_US: Final = Answer(
    401,
    INVALID,
    "invalid_token",
    "The token is from another issuer or for another audience: ask for one for this router.",
)
NOT_NOW: Final = Answer(
    401, INVALID, "token_expired", "The token is expired or not valid yet: ask for a new one."
)
MODEL_NOT_ALLOWED: Final = Answer(
    403, INVALID, "model_not_allowed", "Your token does not let you use this model."
)
NO_SUCH_PATH: Final = Answer(
    404,
    INVALID,
    "unknown_url",
    "There is nothing here: use /v1/chat/completions, /v1/models, /v1/realtime, /v1/tasks or "
    "/v1/runs.",
)
NOT_A_WEBSOCKET: Final = Answer(400, INVALID, "websocket_required", "Open this as a WebSocket.")
NO_QUERY_MODEL: Final = Answer(
    400, INVALID, "missing_model", "Name one model in the query: /v1/realtime?model=<name>."
)
BAD_METHOD: Final = Answer(405, INVALID, "method_not_allowed", "Send this request with POST.")
UNKNOWN_MODEL: Final = Answer(
    404, INVALID, "model_not_found", "No model has this name: see /v1/models for those there are."
)
UNKNOWN_UPSTREAM: Final = Answer(
    404, INVALID, "upstream_not_found", "No eligible upstream has this name."
)
NO_MODEL: Final = Answer(
    400, INVALID, "missing_model", "Send a JSON object with the name of a model in model."
)
TOO_LARGE: Final = Answer(
    413,
    INVALID,
    "request_too_large",
    "The request body is larger than this router allows: send a smaller one.",
)
MODEL_TWICE: Final = Answer(
    400,
    INVALID,
    "duplicate_model",
    "The body names its model more than once: send one key model.",
)
MODEL_MISMATCH: Final = Answer(
    400,
    INVALID,
    "model_mismatch",
    "The header x-model and the body name different models: send the same name in both.",
)
NOT_AN_OBJECT: Final = Answer(
    400, INVALID, "invalid_json", "The body is not one whole JSON object: send one."
)
TOO_SLOW: Final = Answer(
    408, INVALID, "request_timeout", "The request body did not arrive in time."
)
NONE_USABLE: Final = Answer(
    503,
    UNAVAILABLE,
    "no_usable_endpoint",
    "No endpoint of this model can be used at the moment: try again later.",
    retry_after=True,
)
OVERLOADED: Final = Answer(
    503,
    UNAVAILABLE,
    "overloaded",
    "Every endpoint of this model has as many requests as it may have: try again later.",
    retry_after=True,
)
TOO_MANY: Final = Answer(
    429,
    "rate_limit_error",
    "rate_limit_exceeded",
    "This endpoint had as many requests in the last minute as it may have: try again later.",
    retry_after=True,
)
NOT_CONFIGURED: Final = Answer(
    503,
    UNAVAILABLE,
    "router_not_ready",
    "This router has no routing table yet: try again later.",
    retry_after=True,
)

HAPROXY_ERRORS: Final[Mapping[int, Answer]] = {
    400: Answer(400, INVALID, "bad_request", "The request is not valid HTTP."),
    408: Answer(408, INVALID, "request_timeout", "The request did not arrive in time."),
    413: TOO_LARGE,
    500: Answer(500, UNAVAILABLE, "router_error", "The router failed: try again."),
    502: Answer(502, UNAVAILABLE, "bad_gateway", "The endpoint broke off or did not speak HTTP."),
    503: NONE_USABLE,
    504: Answer(504, UNAVAILABLE, "gateway_timeout", "The endpoint did not answer in time."),
}
"""In place of HAProxy's own pages."""
