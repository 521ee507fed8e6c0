"""Protocol buffers on the wire, as far as the container runtime's few messages need them. Pure.

Source: the encoding guide of Protocol Buffers; field numbers stand with the messages in `cri`.
"""

from collections.abc import Iterator
from typing import Final

Value = int | bytes
_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_LONGEST_VARINT: Final = 10


class MalformedError(Exception):
    """The bytes are no message."""


def text(field: int, value: str) -> bytes:
    """A field that holds text."""
    return message(field, value.encode())


def message(field: int, value: bytes) -> bytes:
    """A field that holds another message."""
    return _varint(field << 3 | _BYTES) + _varint(len(value)) + value


def number(field: int, value: int) -> bytes:
    """A field that holds a number that is not negative."""
    return _varint(field << 3 | _VARINT) + _varint(value)


def fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Number and value of each field, in order; unknown ones too.

    Raises:
        MalformedError: the bytes end early, or are of a kind that is not in use any more.
    """
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        kind = key & 7
        value: Value
        if kind == _VARINT:
            value, at = _read_varint(data, at)
        elif kind == _BYTES:
            length, at = _read_varint(data, at)
            value, at = _read(data, at, length)
        elif kind in (_FIXED64, _FIXED32):
            value, at = _read(data, at, 8 if kind == _FIXED64 else 4)
        else:
            raise MalformedError(f"field {key >> 3} is of kind {kind}")
        yield key >> 3, value


def _read(data: bytes, at: int, length: int) -> tuple[bytes, int]:
    if at + length > len(data):
        raise MalformedError("the message ends inside a field")
    return data[at : at + length], at + length


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(_LONGEST_VARINT):
        if at + index >= len(data):
            raise MalformedError("the message ends inside a number")
        byte = data[at + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:  # noqa: PLR2004 - the last byte has no flag
            return value, at + index + 1
    raise MalformedError("a number is longer than 64 bits")
