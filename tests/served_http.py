"""A server of the standard library that answers in a thread while a block runs."""

import contextlib
import http.server
import threading
from collections.abc import Generator


@contextlib.contextmanager
def serving(server: http.server.HTTPServer) -> Generator[None]:
    """Answer requests until the block ends, then close the port."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
