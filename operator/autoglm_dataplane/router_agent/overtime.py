"""Which requests last longer than their upstream allows. Pure; ends nothing.

HAProxy has no limit for a whole request, so the agent keeps it. A request that goes through sockets
is several streams of one HAProxy, and `show sess` does not say which belong together. The one to
end is the outermost: nothing is sent again then, while a way to another tier would take the end of
an inner one for a failure. Probes have no outermost stream, and the planner keeps limits itself.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from autoglm_api.routing import RoutingDocument
from autoglm_dataplane.router_agent import names
from autoglm_dataplane.router_agent.observed import ObservedStream
from autoglm_dataplane.router_agent.render import tiers

_SWITCHING_PROTOCOLS: Final = 101
_FINAL: Final = 200
"""Statuses from here on are those of an answer. Source: RFC 9110, 15."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """How long a request may last, in milliseconds."""

    upstreams: Mapping[str, int]
    """By upstream."""
    ways: Mapping[tuple[str, str], int]
    """By backend and server of the ways to lower tiers: the most of those that they lead to."""

    def values(self) -> set[int]:
        """The limits that there are."""
        return {*self.upstreams.values(), *self.ways.values()}

    def over(self, older: "Allowed") -> "Allowed":
        """These, and older ones of what is not among them."""
        return Allowed({**older.upstreams, **self.upstreams}, {**older.ways, **self.ways})


NOTHING: Final = Allowed({}, {})


def of_document(document: RoutingDocument) -> Allowed:
    """What a table allows."""
    found = [
        (model, names.tier(model, priority), max(one.timeouts.request_milliseconds for one in all_))
        for (model, priority), all_ in tiers(document).items()
    ]
    ways: dict[tuple[str, str], int] = {}
    for _, each in groupby(found, key=lambda one: one[0]):
        limits = [(tier, limit) for _, tier, limit in each]
        for at, (tier, limit) in enumerate(limits[:-1]):
            ways[names.fallback(tier), names.FIRST_SERVER] = limit
            ways[names.fallback(tier), names.REST_SERVER] = max(
                lower for _, lower in limits[at + 1 :]
            )
    upstreams = {one.name: one.timeouts.request_milliseconds for one in document.upstreams}
    return Allowed(upstreams, ways)


def limit_of(stream: ObservedStream, allowed: Allowed) -> int | None:
    """How long a stream may last, in milliseconds; None if it is not one that may be ended.

    WebSockets may last: they have a limit of their own, for silence.
    """
    if stream.status == _SWITCHING_PROTOCOLS:
        return None
    if names.is_entrance(stream.frontend):
        way = allowed.ways.get((stream.backend, stream.server))
        return _of_upstream(stream, allowed) if way is None else way
    if names.is_fallback(stream.frontend) and stream.status >= _FINAL:
        # Nothing is sent again once the answer has begun, and here its upstream is known.
        return _of_upstream(stream, allowed)
    return None


def outermost_first(streams: Iterable[ObservedStream]) -> list[ObservedStream]:
    """The order to end them in: the end of an inner one must find nobody who could repeat it."""
    return sorted(streams, key=lambda one: not names.is_entrance(one.frontend))


def seconds_to_ask(milliseconds: int) -> int:
    """The age by which HAProxy finds only streams that are over a limit.

    It compares whole seconds of its clock, so an age of 3 s may be 2.01 s.
    """
    return math.ceil(milliseconds / 1000) + 1


def _of_upstream(stream: ObservedStream, allowed: Allowed) -> int | None:
    if not names.leads_to_upstreams(stream.backend):
        return None
    return allowed.upstreams.get(names.upstream_of(stream.server))
