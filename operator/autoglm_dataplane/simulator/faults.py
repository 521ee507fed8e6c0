"""What can go wrong with one simulated answer, and who asked for it.

A fault comes with one request, by `x-sim-*` headers, or stands for all of them, by admin call.
Headers win field by field. This module only reads and merges; it never delays or cuts anything.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autoglm_api.durations import Between, Duration

HEADER_PREFIX: Final = "x-sim-"


class FaultError(Exception):
    """A fault cannot be read; the message says which part and why."""


class Fault(BaseModel):
    """One way to answer badly; a field that is absent changes nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    latency: Annotated[Duration, Between("0s", "1h")] | None = None
    """Time before the first byte, instead of the usual one."""
    chunk_delay: Annotated[Duration, Between("0s", "1h")] | None = None
    """Time between two chunks of a stream, instead of the usual one."""
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    """HTTP status of an error that is answered instead."""
    retry_after: Annotated[int, Field(ge=0, le=3600)] | None = None
    """Seconds in the `Retry-After` header of that error."""
    cut_after: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """Chunks of a stream after which the connection is closed; 0 closes it before the first byte.
    An answer that is not streamed counts as two chunks, its body's halves."""
    hang: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """Chunks after which nothing more is sent while the connection stays open; 0 never answers."""
    only: Annotated[str, Field(max_length=253)] | None = None
    """Beginning of the pod names that take this fault; others answer as usual."""

    def concerns(self, pod: str) -> bool:
        """Whether this pod takes the fault."""
        return self.only is None or pod.startswith(self.only)

    def over(self, other: "Fault") -> "Fault":
        """This fault, and the other one where this says nothing."""
        return Fault.model_validate(
            other.model_dump(exclude_none=True) | self.model_dump(exclude_none=True)
        )


class StandingFault(Fault):
    """A fault that stays until it is taken back or used up."""

    times: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests that take the fault; absent means all."""
    models: bool = False
    """Whether the list of models, which health checks ask for, takes it too."""

    def alone(self) -> Fault:
        """The fault without how long it stands."""
        return Fault.model_validate(self.model_dump(exclude={"times", "models"}, exclude_none=True))


NONE: Final = Fault()

T = TypeVar("T", bound=Fault)


def from_headers(headers: Mapping[str, str]) -> Fault:
    """Read the fault that a request asks for; `x-sim-cut-after: 3` is `cut_after` 3.

    Raises:
        FaultError: a header is unknown or has a bad value.
    """
    asked = {
        name.lower().removeprefix(HEADER_PREFIX).replace("-", "_"): value
        for name, value in headers.items()
        if name.lower().startswith(HEADER_PREFIX)
    }
    return _validated(Fault, asked, prefix=HEADER_PREFIX)


def standing(body: object) -> StandingFault:
    """Read the fault of an admin call.

    Raises:
        FaultError: a field is unknown or has a bad value.
    """
    return _validated(StandingFault, body, prefix="")


def seconds(duration: timedelta | None, usual: timedelta) -> float:
    """A delay in seconds, or the usual one."""
    return (usual if duration is None else duration).total_seconds()


def _validated(kind: type[T], values: object, *, prefix: str) -> T:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        shown = prefix + (name.replace("_", "-") if prefix else name)
        known = ", ".join(kind.model_fields)
        what = first["msg"].removeprefix("Value error, ")
        raise FaultError(f"{shown or 'The fault'}: {what} (known are {known}).") from error
