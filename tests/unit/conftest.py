"""Unit tests have no network.

Exists so that a test that belongs in a higher tier fails instead of passing by luck.
"""

import socket
from typing import NoReturn

import pytest


@pytest.fixture(autouse=True)
def _no_sockets(  # pyright: ignore[reportUnusedFunction] - autouse
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(*_: object, **__: object) -> NoReturn:
        pytest.fail("A unit test must not use a socket: move it to tests/integration.")

    # An event loop holds a pair of connected sockets for itself: making one is allowed, reaching
    # or offering an address is not.
    for method in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, method, forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
