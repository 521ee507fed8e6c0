"""The pause before a request is repeated at an endpoint behind a hop. Pure.

HAProxy repeats at once. Only a hop can make it wait, and knows nothing of the attempts before: so
the tier gives a request a mark, and hops count in a table which marks they saw fail. A busy answer
(429) is no failure: another member is asked at once.
"""

from collections.abc import Sequence
from typing import Final

from autoglm_api.routing import RoutingDocument, Upstream
from autoglm_dataplane.router_agent.rendered import Backend

TABLE: Final = "attempts"
_MARK: Final = "x-autoglm-attempts"
_ENTRIES: Final = 20_000
"""Arbitrary: twice the connections that a router takes; the oldest make room."""
_FIRST_MILLISECONDS: Final = 100
_DOUBLINGS: Final = 2
"""The pause stays at 400 ms: a tier's own limit is a second longer than its endpoints'."""
_JITTER_PERCENT: Final = 25


def table() -> Backend:
    """Failures by mark, for as long as a request may go on."""
    line = f"    stick-table type string len 36 size {_ENTRIES} expire 1h store gpc0"
    return Backend(TABLE, (line,), "", {})


def marked(document: RoutingDocument, members: Sequence[Upstream]) -> tuple[str, ...]:
    """In a backend from which requests go to members: one mark for all attempts of a request."""
    if document.retry.max_attempts == 1 or not any(member.hopped for member in members):
        return ()
    return (f"    http-request set-header {_MARK} %[uuid]",)


def paused() -> tuple[str, ...]:
    """In a hop: wait for as long as the failures of this request say, and count its own."""
    failures = f"sc_get_gpc0(1,{TABLE})"
    return (
        f"    http-request track-sc1 req.fhdr({_MARK}) table {TABLE} "
        f"if {{ req.fhdr({_MARK}) -m found }}",
        f"    http-request del-header {_MARK}",
        *(
            f"    http-request pause {_jittered(_FIRST_MILLISECONDS << doubling)} "
            f"if {{ {failures} {'ge' if doubling == _DOUBLINGS else 'eq'} {doubling + 1} }}"
            for doubling in range(_DOUBLINGS + 1)
        ),
        "    http-after-response sc-inc-gpc0(1) if { status 500:599 }",
    )


def _jittered(milliseconds: int) -> str:
    """So that requests which failed together do not come back together."""
    spread = milliseconds * _JITTER_PERCENT // 100
    return f"rand({2 * spread + 1}),add({milliseconds - spread})"
