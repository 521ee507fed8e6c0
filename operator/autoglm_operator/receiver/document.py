"""Reads the bytes of a delivery, with limits on everything that a sender chooses.

A person reads the refusals, mostly in Alertmanager's log: each says what to send instead. Never
believes a length or a depth that it has not measured.
"""

from typing import Any, Final, cast

from pydantic import ValidationError
from pydantic_core import from_json

from autoglm_api.alerts import AlertGroup
from autoglm_api.flatevents import EventAction, FlatEvent

DEPTH_LIMIT: Final = 12
"""Levels of nesting. Arbitrary, because version 4 needs 4 and a template may add some."""
EVENT_FORM: Final = (
    'send {"alert": "...", "instance": "<address of a pod or node>", "severity": "...", "action":'
    f' "..."}}, where action may be absent or is one of {", ".join(EventAction)}'
)
"""What a flat event looks like, for those who sent something else."""


class MalformedError(ValueError):
    """The delivery cannot be read; the text says why and what to send instead."""


def read_group(body: bytes) -> AlertGroup:
    """Read one delivery of Alertmanager.

    Raises:
        MalformedError: it is no document of version 4.
    """
    document = _object(body, "send Alertmanager's webhook document")
    version = document.get("version")
    if version != "4":
        raise MalformedError(
            f"The document has version {str(version)[:20]!r}, but only version '4' is known: use a"
            " webhook_config without a custom payload."
        )
    try:
        return AlertGroup.model_validate(document)
    except ValidationError as error:
        raise MalformedError(f"The document does not fit version 4: {first_problem(error)}.") from (
            error
        )


def read_event(body: bytes) -> FlatEvent:
    """Read one flat event.

    Raises:
        MalformedError: it is none.
    """
    try:
        return FlatEvent.model_validate(_object(body, EVENT_FORM))
    except ValidationError as error:
        raise MalformedError(
            f"The event cannot be read: {first_problem(error)}; {EVENT_FORM}."
        ) from error


def first_problem(error: ValidationError) -> str:
    """The first problem of a document, as path and sentence; never a value of the sender's."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where or 'document'}: {first['msg'].lower()}"


def _object(body: bytes, advice: str) -> dict[str, Any]:
    try:
        document = from_json(body)
    except ValueError as error:
        raise MalformedError(f"The body is no JSON: {error}.") from error
    if _is_too_deep(document):
        raise MalformedError(f"The body is nested deeper than {DEPTH_LIMIT} levels.")
    if not isinstance(document, dict):
        raise MalformedError(f"The body is no JSON object: {advice}.")
    return cast("dict[str, Any]", document)


def _is_too_deep(document: object) -> bool:
    level: list[object] = [document]
    for _ in range(DEPTH_LIMIT):
        below: list[object] = []
        for each in level:
            if isinstance(each, dict):
                below.extend(cast("dict[str, object]", each).values())
            elif isinstance(each, list):
                below.extend(cast("list[object]", each))
        if not below:
            return False
        level = below
    return True
