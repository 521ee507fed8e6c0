"""Finds the top-level `model` of a JSON object that comes piece by piece. Pure.

It keeps a few hundred bytes, however long the body is: strings are skipped by a search, not byte by
byte. It is no validator: what it does not need to understand is the endpoint's to judge.
"""

import json
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

MAX_CAPTURED: Final = 2048
"""Bytes of a key or of a model's name as they are written; a longer key is not `model`."""

_STRUCTURE: Final = re.compile(rb'["{}\[\],:]')
_STRING: Final = re.compile(rb'["\\]')
_ESCAPES: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_BLANK: Final = b" \t\r\n"
_KEY: Final = "model"


class Fault(Enum):
    """Why no model can be told."""

    NO_OBJECT = auto()
    """It is not one JSON object."""
    NO_MODEL = auto()
    """It ended without one, or one that is no string."""
    TWICE = auto()
    """It names the model twice: who reads the first and who reads the last would disagree."""


class FinderError(ValueError):
    """The body cannot be routed by its model."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Found:
    """The model and where its value stands, the quotes included."""

    model: str
    begin: int
    end: int


class _Expects(Enum):
    KEY = auto()
    COLON = auto()
    MODEL = auto()
    """The value of `model`."""
    OTHER = auto()


class ModelFinder:
    """Fed with a body from its beginning."""

    def __init__(self) -> None:
        self.found: Found | None = None
        """What was found so far."""
        self._seen = 0
        self._depth = 0
        self._expects = _Expects.OTHER
        self._in_string = False
        self._escaped = False
        self._plain = True
        self._captured: bytearray | None = None
        self._string_begin = 0
        self._closed = False

    def feed(self, piece: bytes) -> None:
        """Read on.

        Raises:
            FinderError: The body cannot be routed by its model.
        """
        at = 0
        while at < len(piece):
            at = self._through_string(piece, at) if self._in_string else self._to_next(piece, at)
        self._seen += len(piece)

    def end(self) -> Found:
        """What was found, now that the body is over.

        Raises:
            FinderError: There is no model, or the object was not closed.
        """
        if not self._closed:
            raise FinderError(Fault.NO_OBJECT)
        if self.found is None:
            raise FinderError(Fault.NO_MODEL)
        return self.found

    def _to_next(self, piece: bytes, at: int) -> int:
        found = _STRUCTURE.search(piece, at)
        stop = found.start() if found else len(piece)
        # Before the object and behind it there are only blanks.
        if (self._depth == 0 or self._closed) and piece[at:stop].strip(_BLANK):
            raise FinderError(Fault.NO_OBJECT)
        if found is None:
            return len(piece)
        if self._closed or (self._depth == 0 and found[0] != b"{"):
            raise FinderError(Fault.NO_OBJECT)
        self._meet(found[0], self._seen + stop)
        return stop + 1

    def _meet(self, sign: bytes, place: int) -> None:
        if sign == b'"':
            self._begin_string(place)
            return
        if self._expects is _Expects.MODEL:
            raise FinderError(Fault.NO_MODEL)  # Its value is something else than a string.
        match sign:
            case b"{" | b"[":
                self._depth += 1
                if self._depth == 1:
                    self._expects = _Expects.KEY
            case b"}" | b"]":
                self._depth -= 1
                self._closed = self._depth == 0
            case b"," if self._depth == 1:
                self._expects = _Expects.KEY
            case b":" if self._depth == 1 and self._expects is _Expects.COLON:
                self._expects = _Expects.MODEL
            case _:
                pass

    def _begin_string(self, place: int) -> None:
        self._in_string = True
        self._plain = True
        self._string_begin = place
        wanted = self._depth == 1 and self._expects in {_Expects.KEY, _Expects.MODEL}
        self._captured = bytearray() if wanted else None

    def _through_string(self, piece: bytes, at: int) -> int:
        if self._escaped:
            self._escaped = False
            self._capture(piece[at : at + 1])
            return at + 1
        stop = self._next_sign(piece, at)
        self._capture(piece[at:stop])
        if stop == len(piece):
            return stop
        if piece[stop : stop + 1] == b"\\":
            self._capture(b"\\")
            self._escaped = True
        else:
            self._end_string(self._seen + stop + 1)
        return stop + 1

    def _next_sign(self, piece: bytes, at: int) -> int:
        """Where the next quote or backslash stands, or the piece ends."""
        if self._plain:
            # Images are one long word without escapes: two searches for one byte are ten times as
            # fast as one for a set, but would be repeated at every escape of a text.
            quote = piece.find(b'"', at)
            stop = len(piece) if quote < 0 else quote
            if piece.find(b"\\", at, stop) < 0:
                return stop
            self._plain = False
        if self._captured is None:
            skipped = _ESCAPES.match(piece, at)
            at = skipped.end() if skipped else at
        found = _STRING.search(piece, at)
        return found.start() if found else len(piece)

    def _capture(self, part: bytes) -> None:
        if self._captured is not None:
            room = MAX_CAPTURED + 1 - len(self._captured)
            self._captured += part[:room]

    def _end_string(self, place: int) -> None:
        self._in_string = False
        captured, self._captured = self._captured, None
        if captured is None:
            return
        text = _decoded(bytes(captured))
        if self._expects is _Expects.MODEL:
            if text is None:
                raise FinderError(Fault.NO_MODEL)
            self.found = Found(text, self._string_begin, place)
            self._expects = _Expects.OTHER
            return
        is_model = text == _KEY
        if is_model and self.found is not None:
            raise FinderError(Fault.TWICE)
        self._expects = _Expects.COLON if is_model else _Expects.OTHER


def _decoded(written: bytes) -> str | None:
    """The text of a string as it stands between its quotes; None if it is none or too long."""
    if len(written) > MAX_CAPTURED:
        return None
    try:
        text: str = json.loads(b'"' + written + b'"')
    except ValueError:
        return None
    return text
