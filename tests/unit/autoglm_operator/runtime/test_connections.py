import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from typing import Any, cast

import pytest

from autoglm_operator.runtime.connections import TLS_BUFFER_BYTES, shrink_tls_buffers


async def test_a_tls_connection_keeps_a_small_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SSLProtocol, "max_size", SSLProtocol.max_size)  # put back afterwards
    loop, context = asyncio.get_running_loop(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    shrink_tls_buffers()

    # Where asyncio keeps it is its own affair; a Python that does otherwise must be noticed here.
    connection = cast(
        "Any",
        SSLProtocol(loop, asyncio.Protocol(), context, loop.create_future(), server_side=True),
    )
    assert len(connection._ssl_buffer) == TLS_BUFFER_BYTES
    connection._app_transport.close()
