"""Durations as Gateway API writes them (GEP-2257): ``30s``, ``1h30m``, ``250ms``.

They are strings in objects and `timedelta` in code. The API server checks form and bounds; this
module checks the same for objects that it never saw. It never reads a clock.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

from pydantic import (
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from autoglm_api.rules import VALIDATIONS, Rule

PATTERN: Final = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
"""Source: https://gateway-api.sigs.k8s.io/geps/gep-2257/."""
LENGTH_LIMIT: Final = 32
"""Characters. Four parts of five digits and two letters are 28."""

_FORM: Final = re.compile(PATTERN, re.ASCII)
_PART: Final = re.compile(r"([0-9]+)(ms|h|m|s)", re.ASCII)
_UNITS: Final = {
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
LONGEST: Final = timedelta(hours=99999, minutes=59, seconds=59, milliseconds=999)
"""The longest duration that `format_duration` can write."""


def parse_duration(text: str) -> timedelta:
    """Read a duration.

    Raises:
        ValueError: the text is no duration; the message says what one looks like.
    """
    if not _FORM.fullmatch(text):
        message = f"{text[:LENGTH_LIMIT]!r} is no duration; write one like 30s, 5m, 1h30m or 250ms"
        raise ValueError(message)
    parts = _PART.findall(text)
    return sum((int(number) * _UNITS[unit] for number, unit in parts), timedelta())


def format_duration(duration: timedelta) -> str:
    """Write a duration in its shortest form, largest unit first.

    Raises:
        ValueError: it is negative, longer than `LONGEST`, or finer than a millisecond.
    """
    if not timedelta() <= duration <= LONGEST or duration % _UNITS["ms"]:
        message = f"{duration!r} cannot be written in whole milliseconds up to 99999 hours"
        raise ValueError(message)
    parts: list[str] = []
    for unit, length in _UNITS.items():
        count, duration = divmod(duration, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _validate(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return parse_duration(value)
    message = "a duration is a string like 30s, 5m, 1h30m or 250ms"
    raise ValueError(message)


Duration = Annotated[
    timedelta,
    PlainValidator(_validate),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "maxLength": LENGTH_LIMIT}),
]
"""A `timedelta` in code, a GEP-2257 string in objects. Annotate it with `Between` to bound it."""


@dataclass(frozen=True, slots=True)
class Between:
    """Inclusive bounds of a `Duration`, for the API server as well as for code."""

    minimum: str
    maximum: str

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check the bounds after the duration was read."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Let the API server check the same bounds."""
        inner = handler(schema)
        # Without the form check, a text that is no duration ends in a CEL error and no sentence.
        rule = Rule(
            f"self.matches(r'{PATTERN}') && duration(self) >= duration('{self.minimum}')"
            f" && duration(self) <= duration('{self.maximum}')",
            self._message,
        )
        return inner | {VALIDATIONS: [*inner.get(VALIDATIONS, ()), rule.as_json()]}

    @property
    def _message(self) -> str:
        return f"write a duration from {self.minimum} to {self.maximum}, like 30s or 1h30m"

    def _check(self, duration: timedelta) -> timedelta:
        if parse_duration(self.minimum) <= duration <= parse_duration(self.maximum):
            return duration
        raise ValueError(self._message)


def not_longer(shorter: str, longer: str) -> Rule:
    """The rule of a model that one of its durations must not be longer than another."""
    malformed = " || ".join(f"!self.{field}.matches(r'{PATTERN}')" for field in (shorter, longer))
    return Rule(
        f"{malformed} || duration(self.{shorter}) <= duration(self.{longer})",
        f"{shorter} must not be longer than {longer}",
    )
