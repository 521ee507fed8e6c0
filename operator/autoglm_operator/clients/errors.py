"""Every way a call to the Kubernetes API can fail, in our own words.

The library's exceptions end in `clients.kube`; callers only know this tree, and each class
says what its catcher should do. Never holds a request body: bodies may carry secrets.

ApiError
├── Conflict          look again, then decide again
├── NotFound          the object is absent
├── Invalid           the object is wrong; repeating it is useless
├── Forbidden         a right is missing; a person must act
├── TooManyRequests   repeat after `retry_after` seconds
└── Unavailable       repeat with backoff; the call may have been carried out
NotLeader             this process may not write any more
"""

# ruff: noqa: N818  # the names say what the catcher meets, and are read as `errors.Conflict`
from __future__ import annotations


class ApiError(Exception):
    """The API server refused a call, or could not be asked.

    Attributes:
        status: HTTP status, 0 when there was no answer.
        reason: The CamelCase reason of the Status object.
        message: The sentence of the API server, made for people.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}" if status else f"{reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class Conflict(ApiError):
    """The object exists already, changed meanwhile, or a field belongs to another manager."""


class NotFound(ApiError):
    """The object, its kind or its namespace does not exist."""


class Invalid(ApiError):
    """The API server calls the object invalid; the message says why."""


class Forbidden(ApiError):
    """This account may not do that (RBAC, admission, quota)."""


class TooManyRequests(ApiError):
    """The API server asks for patience, or a budget refuses an eviction.

    Attributes:
        retry_after: Seconds to wait, as the server asked; 1 if it did not say.
    """

    def __init__(self, status: int, reason: str, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(status, reason, message)
        self.retry_after = retry_after


class Unavailable(ApiError):
    """No usable answer: 5xx, time-out or broken connection. The call may have taken effect."""


class NotLeader(Exception):
    """A write was attempted after the Lease was lost. Nothing was sent."""


def refusal(
    status: int, reason: str, message: str, *, retry_after: float | None = None
) -> ApiError:
    """Choose the class for an HTTP status that is not a success."""
    if status == 429:  # noqa: PLR2004 - the HTTP status reads better than a name for it
        return TooManyRequests(status, reason, message, retry_after=retry_after or 1.0)
    if status >= 500:  # noqa: PLR2004
        return Unavailable(status, reason, message)
    known: dict[int, type[ApiError]] = {
        400: Invalid,
        401: Forbidden,
        403: Forbidden,
        404: NotFound,
        409: Conflict,
        410: NotFound,
        413: Invalid,
        415: Invalid,
        422: Invalid,
    }
    return known.get(status, ApiError)(status, reason, message)
