import pytest

from autoglm_api.routing import Timeouts
from autoglm_dataplane.router_agent import names, overtime
from autoglm_dataplane.router_agent.observed import ObservedStream
from autoglm_dataplane.router_agent.overtime import Allowed
from routingtables import MODEL, a_document, a_managed, an_external

TIER = names.tier(MODEL, 0)
LOWER = names.tier(MODEL, 1)
WAY = names.fallback(TIER)
FIRST, REST = names.FIRST_SERVER, names.REST_SERVER
DOCUMENT = a_document(
    [
        a_managed("one", 80, timeouts=Timeouts(request_milliseconds=1000)),
        an_external("two", 81, timeouts=Timeouts(request_milliseconds=2000)),
        a_managed("backup", 82, priority=1, timeouts=Timeouts(request_milliseconds=5000)),
        a_managed("last", 83, priority=2, timeouts=Timeouts(request_milliseconds=3000)),
        a_managed("alone", 84, model="alone", timeouts=Timeouts(request_milliseconds=7000)),
    ]
)
ALLOWED = overtime.of_document(DOCUMENT)


def a_stream(frontend: str, backend: str, server: str, status: int = 200) -> ObservedStream:
    return ObservedStream("0x1", frontend, backend, server, status)


def test_knows_limits_of_upstreams_and_of_the_ways_to_lower_tiers() -> None:
    assert ALLOWED.upstreams == {
        "one": 1000,
        "two": 2000,
        "backup": 5000,
        "last": 3000,
        "alone": 7000,
    }
    assert ALLOWED.ways == {
        (WAY, FIRST): 2000,
        (WAY, REST): 5000,
        (names.fallback(LOWER), FIRST): 5000,
        (names.fallback(LOWER), REST): 3000,
    }
    assert ALLOWED.values() == {1000, 2000, 3000, 5000, 7000}


def test_limits_of_an_older_table_stay_for_what_has_left() -> None:
    older = Allowed({"one": 9, "gone": 8}, {("fall.gone", FIRST): 7})
    both = ALLOWED.over(older)
    assert both.upstreams == {**ALLOWED.upstreams, "gone": 8}
    assert both.ways == {**ALLOWED.ways, ("fall.gone", FIRST): 7}


@pytest.mark.parametrize(
    ("stream", "limit"),
    [
        (a_stream("clients", TIER, "one.00000050"), 1000),
        (a_stream("clients", TIER, "two"), 2000),
        (a_stream("internal", names.direct("two"), "two"), 2000),
        (a_stream("lane.clients", TIER, "one.00000050"), 1000),
        (a_stream("lane.internal", TIER, "one.00000050", -1), 1000),
        (a_stream("clients", WAY, FIRST, -1), 2000),
        (a_stream("lane.clients", WAY, REST), 5000),
        # Behind the way to a lower tier only what cannot be sent again.
        (a_stream(f"{WAY}{FIRST}", TIER, "one.00000050"), 1000),
        (a_stream(f"{WAY}{FIRST}", TIER, "one.00000050", -1), None),
        (a_stream(f"{WAY}{FIRST}", TIER, "one.00000050", 103), None),
        # Not the outermost.
        (a_stream("hop.two", "out.two", "two.7f000001"), None),
        (a_stream("renamed.one", "out.one", "one.00000050"), None),
        (a_stream("clients", "lane", "_lane"), None),
        # Not a model's.
        (a_stream("clients", "planner", "planner.0a0b0c0d"), None),
        (a_stream("metrics", "<NONE>", "<none>"), None),
        (a_stream("clients", TIER, "<none>"), None),
        (a_stream("clients", TIER, "unknown"), None),
        # WebSockets.
        (a_stream("clients", TIER, "one.00000050", 101), None),
        (a_stream("internal", names.direct("two"), "two", 101), None),
    ],
)
def test_only_what_may_be_ended_has_a_limit(stream: ObservedStream, limit: int | None) -> None:
    assert overtime.limit_of(stream, ALLOWED) == limit


def test_ends_the_outermost_first() -> None:
    inner = a_stream(f"{WAY}{FIRST}", TIER, "one.00000050")
    outer = a_stream("clients", WAY, FIRST)
    assert overtime.outermost_first([inner, outer]) == [outer, inner]


@pytest.mark.parametrize(("milliseconds", "seconds"), [(1000, 2), (100, 2), (2500, 4)])
def test_asks_for_no_stream_that_is_within_its_limit(milliseconds: int, seconds: int) -> None:
    assert overtime.seconds_to_ask(milliseconds) == seconds
