"""The unit tier has no network."""

import socket

import pytest


def test_forbids_to_connect() -> None:
    with (
        socket.socket() as client,
        pytest.raises(pytest.fail.Exception, match="must not use a socket"),
    ):
        client.connect(("127.0.0.1", 9))


def test_forbids_to_listen() -> None:
    with socket.socket() as server, pytest.raises(pytest.fail.Exception):
        server.bind(("127.0.0.1", 0))


def test_forbids_to_look_up_a_name() -> None:
    with pytest.raises(pytest.fail.Exception):
        socket.getaddrinfo("localhost", 80)


async def test_leaves_the_event_loop_alone() -> None:
    """The loop under this test owns a pair of sockets."""
