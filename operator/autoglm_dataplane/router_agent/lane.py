"""The lane: a streaming process beside HAProxy for what HAProxy cannot do to a body.

It finds the top-level `model` in a body larger than HAProxy's buffer and replaces it where an
endpoint knows the model by another name, then hands the request back to HAProxy, which alone knows
endpoints, keys and weights. A body is held only until its model is known; what does not fit into a
little memory is spooled to disk. Answers are passed on byte by byte.
"""

import asyncio
import contextlib
import json
import logging
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import IO, Final

from autoglm_dataplane.router_agent import answers, laneorders, names
from autoglm_dataplane.router_agent.answers import Answer
from autoglm_dataplane.router_agent.incoming import PIECE_BYTES, CutShortError, Incoming
from autoglm_dataplane.router_agent.laneorders import Orders
from autoglm_dataplane.router_agent.modelfinder import Fault, FinderError, Found, ModelFinder

logger = logging.getLogger(__name__)

MEMORY_BYTES: Final = 128 * 1024
"""Of one body; the rest goes to disk. Arbitrary: renamed requests are mostly smaller."""
AT_ONCE: Final = 512
"""Requests in the lane; more are told to come back. Arbitrary: about 300 MiB of pieces at worst."""
LINGER_SECONDS: Final = 5.0
"""How long the rest of a refused body is read, so that the answer is not lost with it."""

_FAULTS: Final = {
    Fault.NO_OBJECT: answers.NOT_AN_OBJECT,
    Fault.NO_MODEL: answers.NO_MODEL,
    Fault.TWICE: answers.MODEL_TWICE,
}


class RefusedError(Exception):
    """The client is answered here."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.code)
        self.answer = answer


class Lane:
    """One lane of one router."""

    def __init__(self, run_dir: Path, spool_dir: Path, spool_bytes: int) -> None:
        self._run = run_dir
        self._spool = spool_dir
        self._room = spool_bytes
        self._open = 0

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncGenerator[None]:
        """Listen at the socket that HAProxy knows."""
        path = self._run / names.LANE_SOCKET
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._talk, path, limit=PIECE_BYTES)
        path.chmod(0o600)
        try:
            yield
        finally:
            server.close()
            await server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        incoming = Incoming(reader, writer)
        try:
            self._let_in()
            await self._pass_on(incoming, writer)
        except RefusedError as refusal:
            await _answer(refusal.answer, incoming, writer)
        except (CutShortError, OSError, TimeoutError, laneorders.OrdersError) as error:
            logger.debug("request lost", extra={"reason": type(error).__name__})
        except Exception:
            logger.exception("lane failed")
        finally:
            self._open -= 1
            writer.close()

    async def _pass_on(self, incoming: Incoming, writer: asyncio.StreamWriter) -> None:
        request = await incoming.head()
        orders = laneorders.orders_of(request.headers)
        announced = laneorders.length_of(request.headers)
        body = _Body(incoming, orders.limit, self._borrow)
        try:
            with tempfile.SpooledTemporaryFile(MEMORY_BYTES, dir=str(self._spool)) as held:
                with _refusing():
                    found = await body.read(held, whole=announced is None)
                length = body.size if announced is None else announced
                model = _agreed(found, orders)
                back, onward = await asyncio.open_unix_connection(
                    self._run / orders.back, limit=PIECE_BYTES
                )
                begun = asyncio.Event()
                answering = asyncio.create_task(_pump(back, writer, begun))
                try:
                    sending = _Sending(onward, found, orders.rename)
                    onward.write(
                        laneorders.head(
                            request.method,
                            request.target,
                            list(request.headers),
                            model,
                            length + sending.growth,
                        )
                    )
                    await sending.send(held, body)
                    await _first(answering, asyncio.create_task(incoming.gone()))
                except RefusedError as refusal:
                    # An answer that has begun cannot be taken back: the connection ends in it.
                    raise (CutShortError if begun.is_set() else refusal) from refusal
                finally:
                    answering.cancel()
                    onward.close()
        finally:
            self._room += body.borrowed

    def _let_in(self) -> None:
        if self._open > AT_ONCE:
            raise RefusedError(answers.OVERLOADED)

    def _borrow(self, count: int) -> bool:
        if count > self._room:
            return False
        self._room -= count
        return True


class _Body:
    """A request's body on its way, read and searched at once."""

    def __init__(self, incoming: Incoming, limit: int, borrow: Callable[[int], bool]) -> None:
        self._pieces = incoming.pieces()
        self._finder = ModelFinder()
        self._limit = limit
        self._borrow = borrow
        self.size = 0
        """Bytes that were read."""
        self.borrowed = 0
        """Bytes of the spool that are to be given back."""

    async def read(self, held: IO[bytes], *, whole: bool) -> Found:
        """Read until the model is known, keeping what was read.

        Whole: to the end, because a body whose length is not known must not go on without one; not
        every server of models takes chunks.
        """
        while self._finder.found is None or whole:
            piece = await self.next()
            if piece is None:
                return self._finder.end()
            if not self._borrow(len(piece)):
                raise RefusedError(answers.OVERLOADED)
            self.borrowed += len(piece)
            held.write(piece)
        return self._finder.found

    async def next(self) -> bytes | None:
        """The next piece; None when there is no more."""
        try:
            piece = await anext(self._pieces)
        except StopAsyncIteration:
            return None
        self.size += len(piece)
        if self.size > self._limit:
            raise RefusedError(answers.TOO_LARGE)
        self._finder.feed(piece)
        return piece


class _Sending:
    """A body on its way back to HAProxy."""

    def __init__(self, onward: asyncio.StreamWriter, found: Found, rename: str | None) -> None:
        self._onward = onward
        self._found = found
        self._new = None if rename is None else json.dumps(rename).encode()

    @property
    def growth(self) -> int:
        """By how many bytes another name makes the body longer."""
        return 0 if self._new is None else len(self._new) - (self._found.end - self._found.begin)

    async def send(self, held: IO[bytes], body: _Body) -> None:
        """Everything that was held, then the rest as it comes."""
        try:
            await self._send_held(held)
            with _refusing():
                while (piece := await body.next()) is not None:
                    await self._write(piece)
        except ConnectionError:
            pass  # HAProxy answered before the body was over; the answer is on its way.

    async def _send_held(self, held: IO[bytes]) -> None:
        held.seek(0)
        if self._new is not None:
            await self._copy(held, self._found.begin)
            await self._write(self._new)
            held.seek(self._found.end)
        await self._copy(held, None)

    async def _copy(self, held: IO[bytes], count: int | None) -> None:
        while count is None or count > 0:
            piece = held.read(PIECE_BYTES if count is None else min(count, PIECE_BYTES))
            if not piece:
                return
            count = None if count is None else count - len(piece)
            await self._write(piece)

    async def _write(self, piece: bytes) -> None:
        self._onward.write(piece)
        await self._onward.drain()


def _agreed(found: Found, orders: Orders) -> str:
    """The model by which the request is routed."""
    if not laneorders.is_name(found.model):
        raise RefusedError(answers.UNKNOWN_MODEL)
    if orders.named not in {None, found.model}:
        raise RefusedError(answers.MODEL_MISMATCH)
    return found.model


@contextlib.contextmanager
def _refusing() -> Generator[None]:
    """Turns what a body lacks into the answer that says so."""
    try:
        yield
    except FinderError as error:
        raise RefusedError(_FAULTS[error.fault]) from error
    except TimeoutError as error:
        raise RefusedError(answers.TOO_SLOW) from error


async def _pump(
    back: asyncio.StreamReader, writer: asyncio.StreamWriter, begun: asyncio.Event
) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await back.read(PIECE_BYTES):
            begun.set()
            writer.write(piece)
            await writer.drain()


async def _first(*tasks: asyncio.Task[None]) -> None:
    """Wait until one is done, and let go of the others."""
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _answer(answer: Answer, incoming: Incoming, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        writer.write(answer.message_bytes())
        await writer.drain()
        writer.write_eof()
        async with asyncio.timeout(LINGER_SECONDS):
            await incoming.gone()
