from pathlib import Path

import pytest
from pydantic import ValidationError

from autoglm_api.routingpolicies import Limits, Sharing, Strategy
from autoglm_dataplane.router_agent import balancing, names
from autoglm_dataplane.router_agent.layout import Layout, Ports
from routingtables import a_document, a_managed, an_external

WHERE = Layout(Path("/run/router"), "127.0.0.1", Ports(8080, 8090, 8404), 600)
HASH = Sharing(strategy=Strategy.CONSISTENT_HASH, hash_header="x-session")


@pytest.mark.parametrize(
    ("sharing", "lines"),
    [
        (Sharing(), ["balance roundrobin"]),
        (Sharing(strategy=Strategy.LOAD_AWARE), ["balance roundrobin"]),
        (Sharing(strategy=Strategy.LEAST_CONNECTIONS), ["balance leastconn"]),
        (
            Sharing(strategy=Strategy.SOURCE_IP_HASH),
            ["balance hash req.hdr(x-forwarded-for,-1)", "hash-type consistent sdbm avalanche"],
        ),
        (
            HASH.model_copy(update={"hash_load_percent": 150}),
            [
                "balance hash req.hdr(x-session)",
                "hash-type consistent sdbm avalanche",
                "hash-balance-factor 150",
            ],
        ),
        (
            Sharing(cookie="autoglm"),
            ["balance roundrobin", "cookie autoglm insert indirect nocache httponly"],
        ),
    ],
)
def test_every_strategy_has_its_directives(sharing: Sharing, lines: list[str]) -> None:
    assert [line.strip() for line in balancing.lines(sharing)] == lines


def test_a_busy_server_keeps_a_tenth_at_least() -> None:
    upstreams = [a_managed("a", 80, weight=2), a_managed("b", 81), an_external("c", 443)]
    loads = {"a.00000050": 50, "b.00000051": 100}
    found = balancing.shared(a_document(upstreams), upstreams, loads, WHERE)
    assert {name: line.weight for name, line in found.items()} == {
        "a.00000050": 10,
        "b.00000051": 1,
        "c": 10,
    }


def test_hashes_have_large_weights_and_places_that_only_names_decide() -> None:
    upstreams = [a_managed("a", 80, 81), an_external("b", 443)]
    found = balancing.shared(a_document(upstreams, sharing=HASH), upstreams, {}, WHERE)
    assert {name: line.weight for name, line in found.items()} == {
        "a.00000050": 128,
        "a.00000051": 128,
        "b": 256,
    }
    assert found["b"].own == f"id {names.server_id('b')}"


def test_limits_and_cookies_stand_at_the_server() -> None:
    upstreams = [an_external("b", 443, limits=Limits(max_concurrency=7))]
    document = a_document(upstreams, sharing=Sharing(cookie="autoglm"))
    line = balancing.shared(document, upstreams, {}, WHERE)["b"]
    assert line.own == f"cookie {names.cookie_value('b')} maxconn 7"
    assert line.fixed == "maxconn 7"


@pytest.mark.parametrize(
    "fields",
    [
        {"strategy": "ConsistentHash"},
        {"strategy": "RoundRobin", "hashHeader": "x-session"},
        {"strategy": "LoadAware", "hashLoadPercent": 150},
        {"strategy": "ConsistentHash", "hashHeader": "x session"},
        {"strategy": "ConsistentHash", "hashHeader": "x)\n"},
        {"cookie": "a b"},
    ],
)
def test_what_does_not_fit_together_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Sharing.model_validate(fields)


def test_pods_have_no_limit_of_requests_per_minute() -> None:
    with pytest.raises(ValidationError, match="only an external endpoint"):
        a_managed("a", 80, limits=Limits(requests_per_minute=1))
