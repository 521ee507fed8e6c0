"""Closes a client's connection in the middle of an answer, as a crashed server does.

ASGI has no word for that, so the protocol class hands every request a way to do it. It never
decides when.
"""

import asyncio
from typing import TYPE_CHECKING, Final, cast

from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_STATE_KEY: Final = "hang_up"


class HangUpProtocol(H11Protocol):
    """HTTP/1.1 whose requests can close their connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the connection in the state that uvicorn copies into every request."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, _STATE_KEY: transport.close}


def hang_up(scope: Scope) -> None:
    """Close the connection of a request; what was sent before still arrives."""
    cast("Callable[[], None]", scope["state"][_STATE_KEY])()
