"""Where notices arrive: an HTTP or HTTPS server on loopback that answers, refuses, or hangs.

Exists so that notices are posted for real. Never looks into what it is told; tests do that.
"""

import contextlib
import http.server
import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from proxy_tls import Identity
from served_http import serving

SECRET_PATH = "/services/T0000/B0000/hush-hush"  # noqa: S105 - no secret, but it stands for one
"""The part of a URL that nobody may see."""


@dataclass(frozen=True)
class Post:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: Any

    @property
    def key(self) -> str:
        """What is the same for every repetition."""
        return self.headers.get("Idempotency-Key", "")


class Desk:
    """One server."""

    def __init__(self, identity: Identity | None = None) -> None:
        self.posts: list[Post] = []
        self.answers: list[int] = []
        """Status codes of the next answers; 200 when there are none left."""
        self.location = ""
        """Where a redirect leads."""
        self.hangs = False
        """Whether posts are taken and never answered."""
        self.waiting = 0
        """Posts that hang at this moment."""
        self._scheme = "http" if identity is None else "https"
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if identity is not None:
            # The handshake is left to the thread of the connection.
            self._server.socket = identity.server.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )

    @property
    def url(self) -> str:
        """Its whole URL, the secret part included."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}{SECRET_PATH}"

    @contextlib.contextmanager
    def open(self) -> Generator["Desk"]:
        """Take posts until the block ends."""
        with serving(self._server):
            yield self


def _handler(desk: Desk) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        """Writes each post down."""

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = cast("object", json.loads(self.rfile.read(length)))
            if desk.hangs:
                desk.waiting += 1
            desk.posts.append(Post(self.path, dict(self.headers.items()), body))
            if desk.hangs:
                # Ends when the sender goes away.
                self.rfile.read(1)
                desk.waiting -= 1
                return
            code = desk.answers.pop(0) if desk.answers else 200
            self.send_response(code)
            if desk.location:
                self.send_header("Location", desk.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            """Say nothing."""

    return Handler
