from typing import Any

import pytest

from autoglm_api.modelendpoint import EndpointLimits
from autoglm_api.routerrole import RouterRole
from autoglm_api.routingpolicies import Limits, Sharing, Strategy
from autoglm_operator.decisions import routerpolicies


def a_router(**fields: Any) -> RouterRole:  # noqa: ANN401
    return RouterRole.model_validate(fields)


def test_sharing_is_what_the_router_says() -> None:
    router = a_router(
        strategy="ConsistentHash",
        hashHeader="X-Session-ID",
        hashLoadPercent=150,
        stickyCookie="autoglm",
    )
    assert routerpolicies.sharing(router) == Sharing(
        strategy=Strategy.CONSISTENT_HASH,
        hash_header="x-session-id",
        hash_load_percent=150,
        cookie="autoglm",
    )
    assert routerpolicies.sharing(a_router()) == Sharing()


@pytest.mark.parametrize(("size", "number"), [("20Mi", 20 << 20), ("1025", 1025), ("1.5k", 1500)])
def test_the_largest_body_is_a_number_of_bytes(size: str, number: int) -> None:
    assert routerpolicies.listener(a_router(maxBodySize=size)).max_body_bytes == number


def test_every_router_takes_an_equal_part_of_a_limit_rounded_up() -> None:
    limits = EndpointLimits(max_concurrency=64, requests_per_minute=10)
    found = routerpolicies.limits(limits, a_router(replicas=3))
    assert found == Limits(max_concurrency=22, requests_per_minute=4)


def test_no_limit_stays_none() -> None:
    assert routerpolicies.limits(EndpointLimits(), a_router(replicas=3)) == Limits()
