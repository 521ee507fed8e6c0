"""What HAProxy tells the lane about a request, and the request that the lane makes of it. Pure.

Orders come as headers that HAProxy sets itself on the way to the lane's socket, which nobody else
can reach: whatever a client wrote under these names is gone by then.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from autoglm_api.routingvalues import MODEL_NAME_PATTERN

BACK: Final = "x-autoglm-lane-back"
"""Name of the socket at which the request goes on."""
RENAME: Final = "x-autoglm-lane-model"
"""What to write in place of the model's name."""
LIMIT: Final = "x-autoglm-lane-limit"
"""Bytes that a body may have."""
MODEL: Final = "x-model"

Header = tuple[bytes, bytes]
_ORDERS: Final = frozenset(name.encode() for name in (BACK, RENAME, LIMIT))
_OF_ONE_CONNECTION: Final = frozenset(
    {b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"expect", b"te"}
)
_SOCKET: Final = re.compile(r"[a-z0-9][-a-z0-9.]{0,99}\.sock")
_MODEL: Final = re.compile(MODEL_NAME_PATTERN)


class OrdersError(ValueError):
    """Not HAProxy's orders."""


@dataclass(frozen=True, slots=True)
class Orders:
    """One request's."""

    back: str
    limit: int
    rename: str | None
    named: str | None
    """The model that the client named in its own header."""


def orders_of(headers: Iterable[Header]) -> Orders:
    """Read them.

    Raises:
        OrdersError: They are missing or not such as HAProxy writes.
    """
    found = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
    back, limit = found.get(BACK, ""), found.get(LIMIT, "")
    if _SOCKET.fullmatch(back) is None or not limit.isdigit():
        raise OrdersError("no orders")
    return Orders(back, int(limit), found.get(RENAME), found.get(MODEL))


def is_name(model: str) -> bool:
    """Whether any table can have a model of this name."""
    return _MODEL.fullmatch(model) is not None


def length_of(headers: Iterable[Header]) -> int | None:
    """The announced length of a body; None for one in chunks."""
    found = dict(headers).get(b"content-length")
    return None if found is None else int(found)


def head(method: bytes, target: bytes, headers: Sequence[Header], model: str, length: int) -> bytes:
    """The first lines of the request that goes on."""
    kept = [
        (name, value)
        for name, value in headers
        if name not in _ORDERS and name not in _OF_ONE_CONNECTION and name != MODEL.encode()
    ]
    own = [
        (MODEL.encode(), model.encode()),
        (b"content-length", str(length).encode()),
        (b"connection", b"close"),
    ]
    lines = [b"%s: %s\r\n" % header for header in (*kept, *own)]
    return b"%s %s HTTP/1.1\r\n" % (method, target) + b"".join(lines) + b"\r\n"
