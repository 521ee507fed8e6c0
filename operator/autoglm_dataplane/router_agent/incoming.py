"""Reads one request from HAProxy, its body piece by piece. Never answers."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

import h11

PIECE_BYTES: Final = 256 * 1024
"""Read at once. Arbitrary: larger ones are not faster, and each connection holds a few."""
MAX_HEAD_BYTES: Final = 256 * 1024
"""More than HAProxy's buffer, so that what passed there passes here."""
SILENCE_SECONDS: Final = 30.0
"""Longest wait for the next piece. Source: `wait-for-body` in the frontends."""


class CutShortError(Exception):
    """The client went away before its request was over."""


class Incoming:
    """One connection from HAProxy, with one request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)

    async def head(self) -> h11.Request:
        """The request without its body.

        Raises:
            CutShortError: There is none, or it is not HTTP.
            TimeoutError: It did not come.
        """
        event = await self._next()
        if not isinstance(event, h11.Request):
            raise CutShortError
        if self._http.they_are_waiting_for_100_continue:
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return event

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The body.

        Raises:
            CutShortError: It ended too early.
            TimeoutError: It stopped coming.
        """
        while True:
            event = await self._next()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return
            else:
                raise CutShortError

    async def gone(self) -> None:
        """Wait until the client is gone; to be asked only when the body is over."""
        while await self._reader.read(PIECE_BYTES):
            pass

    async def _next(self) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                async with asyncio.timeout(SILENCE_SECONDS):
                    self._http.receive_data(await self._reader.read(PIECE_BYTES))
        except h11.RemoteProtocolError as error:
            raise CutShortError from error
        return event
