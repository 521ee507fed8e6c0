"""The sections `global` and `defaults` of HAProxy's configuration. Pure."""

from typing import Final

from autoglm_dataplane.router_agent.answers import HAPROXY_ERRORS
from autoglm_dataplane.router_agent.layout import Layout

BUFFER_BYTES: Final = 128 * 1024
"""A body must fit to be searched for its model anywhere and to be repeated.

Source: measured, docs/adr/0010-haproxy-as-router.md."""
SIGHT_BYTES: Final = 96 * 1024
"""A body of at least this length may not be in the buffer as a whole: headers take room, too."""
MAX_FILES: Final = 20_000
"""Open files, two per connection. Without a bound HAProxy reserves what the container allows, which
may be a billion; with a number of connections it does not start where fewer files are allowed.
Arbitrary: 10,000 connections."""
HEADER_MILLISECONDS: Final = 10_000
"""Time in which a request's headers must have arrived. Source: HAProxy's manual suggests 10 s."""
BODY_SECONDS: Final = 30
"""Time in which the part of a body that is searched must have arrived. Arbitrary: 96 KiB take that
long at 3 KiB/s."""
TUNNEL_SECONDS: Final = 3600
INNER_SECONDS: Final = 5
"""Arbitrary: more than a busy machine is late."""


def global_section(where: Layout) -> tuple[str, ...]:
    """Process-wide settings; the description is added when the text is put together."""
    return (
        "global",
        "    log stdout format raw local0 notice",
        f"    fd-hard-limit {MAX_FILES}",
        f"    nbthread {where.threads}",
        f"    tune.bufsize {BUFFER_BYTES}",
        f"    hard-stop-after {where.drain_seconds}s",
        "    ssl-default-bind-options ssl-min-ver TLSv1.2",
        "    ssl-default-server-options ssl-min-ver TLSv1.2 no-tls-tickets",
    )


def defaults_section(where: Layout, *, retries: int) -> tuple[str, ...]:
    """Settings of every frontend and backend that do not say otherwise."""
    # Behind a socket the client is HAProxy itself, which must be the first to lose patience.
    silence = where.client_silence_seconds + INNER_SECONDS
    return (
        "defaults",
        "    mode http",
        "    log global",
        "    option dontlog-normal",
        "    option forwardfor",
        # After a reload an idle client connection ends with a reply, never between two requests.
        "    option idle-close-on-response",
        # Without it every second chunk of a stream may wait 200 ms for its acknowledgement.
        "    option http-no-delay",
        "    option redispatch 1",
        f"    retries {retries}",
        f"    timeout http-request {HEADER_MILLISECONDS}ms",
        "    timeout http-keep-alive 60s",
        f"    timeout client {silence}s",
        "    timeout connect 2s",
        "    timeout queue 10s",
        "    timeout server 60s",
        f"    timeout tunnel {TUNNEL_SECONDS}s",
        *(f"    http-error {answer.arguments()}" for answer in HAPROXY_ERRORS.values()),
    )
