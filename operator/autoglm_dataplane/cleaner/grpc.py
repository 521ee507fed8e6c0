"""One gRPC call at a time over a Unix socket, by a library for HTTP/2.

Only unary calls. Source: PROTOCOL-HTTP2.md of gRPC.
"""

import socket
import struct
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

_OK: Final = "0"
NOT_FOUND: Final = "5"
"""Source: statuscodes.md of gRPC."""
_PREFIX: Final = struct.Struct(">BI")
_CHUNK: Final = 65_536
_ANSWER_LIMIT: Final = 64 * 2**20
"""Arbitrary, because a node has some hundred images and containers of a few KiB each."""


class RuntimeUnreachableError(Exception):
    """The other side does not answer, or not in gRPC."""


class RuntimeRefusedError(Exception):
    """The other side answered with a status other than OK."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message or f"gRPC status {status}")
        self.status = status


def connect(path: Path, *, timeout: float) -> "Channel":
    """Open a channel to a Unix socket.

    Args:
        path: The socket.
        timeout: Limit of each wait for the other side, in seconds.

    Raises:
        RuntimeUnreachableError: nobody listens there.
    """
    opened = socket.socket(socket.AF_UNIX)
    opened.settimeout(timeout)
    try:
        opened.connect(str(path))
    except OSError as error:
        opened.close()
        raise RuntimeUnreachableError(f"The container runtime does not answer: {error}.") from error
    return Channel(opened)


class Channel:
    """A connection, closed by leaving its block.

    Args:
        connected: The socket; it belongs to the channel from now on.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._http.initiate_connection()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def call(self, method: str, request: bytes) -> bytes:
        """Make one call, such as `runtime.v1.RuntimeService/Version`.

        Raises:
            RuntimeUnreachableError: no complete answer came; the call may have been carried out.
            RuntimeRefusedError: the other side said no.
        """
        try:
            stream = self._http.get_next_available_stream_id()
            head = [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", f"/{method}"),
                (":authority", "localhost"),
                ("content-type", "application/grpc"),
                ("te", "trailers"),
            ]
            self._http.send_headers(stream, head)
            framed = _PREFIX.pack(0, len(request)) + request
            self._http.send_data(stream, framed, end_stream=True)
            self._flush()
            return self._answer(stream)
        except (OSError, ProtocolError) as error:
            raise RuntimeUnreachableError(f"The container runtime broke off: {error!r}.") from error

    def _answer(self, stream: int) -> bytes:
        head: dict[str, str] = {}
        body = bytearray()
        while True:
            received = self._socket.recv(_CHUNK)
            if not received:
                raise RuntimeUnreachableError("The container runtime closed the connection.")
            for event in self._http.receive_data(received):
                if self._take(event, stream, head, body):
                    self._flush()
                    return _message(head, bytes(body))
            self._flush()

    def _take(self, event: Event, stream: int, head: dict[str, str], body: bytearray) -> bool:
        """Note one event; true when the answer is complete."""
        if isinstance(event, ConnectionTerminated):
            raise RuntimeUnreachableError("The container runtime ended the connection.")
        if getattr(event, "stream_id", None) != stream:
            return False
        if isinstance(event, ResponseReceived | TrailersReceived):
            head.update((str(name), str(value)) for name, value in event.headers or ())
        elif isinstance(event, DataReceived):
            body += event.data or b""
            if len(body) > _ANSWER_LIMIT:
                raise RuntimeUnreachableError("The container runtime's answer is too long.")
            self._http.acknowledge_received_data(event.flow_controlled_length or 0, stream)
        elif isinstance(event, StreamReset):
            raise RuntimeUnreachableError("The container runtime reset the call.")
        return isinstance(event, StreamEnded)

    def _flush(self) -> None:
        self._socket.sendall(self._http.data_to_send())


def _message(head: dict[str, str], body: bytes) -> bytes:
    status = head.get("grpc-status", "")
    if status != _OK:
        raise RuntimeRefusedError(status, head.get("grpc-message", ""))
    if len(body) < _PREFIX.size:
        raise RuntimeUnreachableError("The container runtime answered without a message.")
    compressed, length = _PREFIX.unpack_from(body)
    if compressed or length != len(body) - _PREFIX.size:
        raise RuntimeUnreachableError("The container runtime's answer cannot be read.")
    return body[_PREFIX.size :]
