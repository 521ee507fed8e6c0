from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoglm_api import routing as document
from autoglm_api.conditions import Reason
from autoglm_api.modelendpoint import EndpointLimits
from autoglm_api.routingsecurity import AuthenticationType, ListenerCertificate, Tokens
from autoglm_operator.decisions import routing
from autoglm_operator.decisions.access import Access
from autoglm_operator.decisions.addresses import Safety
from autoglm_operator.decisions.references import Credentials
from autoglm_operator.decisions.routing import Keys, TableInputs, UpstreamSeen
from autoglm_operator.decisions.statuses import fails
from operator_views import a_cluster, a_condition, a_pod, an_endpoint, an_external, an_upstream

PEM = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"


def local(*, weight: int = 1, priority: int = 0) -> UpstreamSeen:
    pods = (a_pod("aaaaaaaa-1"), a_pod("bbbbbbbb-2", "10.0.0.2"))
    return an_upstream(an_endpoint(ready=True), pods=pods, weight=weight, priority=priority)


def vendor(credentials: Credentials | None = None, *, priority: int = 0) -> UpstreamSeen:
    return an_upstream(an_external(ready=True), credentials=credentials, priority=priority)


def table(*upstreams: UpstreamSeen, **more: Any) -> document.RoutingTable:  # noqa: ANN401
    inputs = TableInputs(
        cluster=a_cluster(),
        upstreams=upstreams,
        planners=[a_pod("cccccccc-3", "10.0.0.3")],
        planner_models=("autoglm",),
        keys=Keys(("sk-1",), ("inner",)),
        safety=Safety(),
    )
    return routing.table_of(replace(inputs, **more))


def test_managed_upstreams_are_their_ready_pods() -> None:
    (found,) = table(local(weight=3)).upstreams
    assert [(each.uid, each.address, each.port) for each in found.servers] == [
        ("aaaaaaaa", "10.0.0.1", 8000),
        ("bbbbbbbb", "10.0.0.2", 8000),
    ]
    assert (found.weight, found.model, found.external) == (3, "sim", None)


def test_external_upstreams_carry_their_own_key() -> None:
    (found,) = table(vendor(credentials=Credentials("sk-v", PEM), priority=1)).upstreams
    external = found.external
    assert external is not None
    assert (external.scheme, external.host, external.port) == ("https", "models.example.com", 443)
    assert (external.path, external.api_key, external.ca) == ("/api/v4", "sk-v", PEM)
    assert (found.servers, found.priority) == ((), 1)


def test_the_table_says_all_that_routers_need() -> None:
    safety = Safety(denied=(ip_network("10.0.0.0/8"),), allowed=(ip_network("10.1.0.0/16"),))
    cluster = a_cluster(
        circuitBreaker={"consecutiveFailures": 7, "openDuration": "20s"},
        retry={"maxAttempts": 2, "chatCompletions": "Never"},
    )
    found = table(local(), vendor(), safety=safety, cluster=cluster)
    assert found.security.client_keys == (document.key_digest("sk-1"),)
    assert found.security.internal_tokens == ("inner",)
    assert found.models == ("glm", "sim")
    assert [each.address for each in found.planner.servers] == ["10.0.0.3"]
    assert found.planner.models == ("autoglm",)
    assert (found.breaker.consecutive_failures, found.breaker.open_milliseconds) == (7, 20_000)
    assert (found.retry.max_attempts, found.retry.chat_completions) == (2, "Never")
    assert found.endpoint_safety.denied_cidrs == ("10.0.0.0/8",)
    assert found.endpoint_safety.allowed_addresses == ("10.1.0.0/16",)


def test_the_table_says_who_may_come_in() -> None:
    tokens = Tokens(issuer="https://issuer.example.com", audience="autoglm")
    certificate = ListenerCertificate(chain=PEM, key=PEM.replace("CERTIFICATE", "PRIVATE KEY"))
    jwt = {"issuer": "a", "audience": "b", "jwksSecretRef": {"name": "a", "key": "b"}}
    found = table(
        local(),
        cluster=a_cluster(security={"authentication": {"type": "JWT", "jwt": jwt}}),
        access=Access(tokens, certificate),
    )
    assert found.security.authentication is AuthenticationType.JWT
    assert found.security.tokens == tokens
    assert found.listener.certificate == certificate


def test_an_endpoints_certificate_may_have_another_name() -> None:
    endpoint = an_external(ready=True, tls={"serverName": "inner.example.com"})
    (found,) = table(an_upstream(endpoint)).upstreams
    assert found.external is not None
    assert (found.external.server_name, found.external.ca) == ("inner.example.com", None)


def test_what_is_not_eligible_is_absent_but_its_model_is_known() -> None:
    found = table(local(weight=0), vendor())
    assert [each.name for each in found.upstreams] == ["vendor"]
    assert found.models == ("glm", "sim")


@pytest.mark.parametrize(
    "seen",
    [
        an_upstream(None),
        local(weight=0),
        an_upstream(an_endpoint(ready=True, suspend=True), pods=(a_pod("aaaaaaaa"),)),
        an_upstream(an_endpoint(ready=True)),
        an_upstream(an_endpoint(), pods=(a_pod("aaaaaaaa"),)),
        vendor(credentials=Credentials(problem=fails(Reason.SECRET_NOT_FOUND, "."))),
    ],
)
def test_is_not_eligible(seen: UpstreamSeen) -> None:
    assert not routing.eligible(seen)
    (shown,) = routing.shares([seen])
    assert (shown.eligible, shown.share_percent) == (False, 0)


def test_kept_upstreams_stay_while_probes_are_not_believed() -> None:
    accepted = an_endpoint(status={"conditions": [a_condition("Accepted")]})
    seen = an_upstream(accepted, pods=(a_pod("aaaaaaaa"),))
    assert not routing.eligible(seen)
    assert routing.eligible(seen, frozenset({"local"}))
    refused = an_upstream(an_endpoint(), pods=(a_pod("aaaaaaaa"),))
    assert not routing.eligible(refused, frozenset({"local"}))


def test_shares_hold_inside_model_and_tier() -> None:
    more = an_upstream(an_endpoint("more", ready=True), pods=(a_pod("cccccccc"),), weight=1)
    later = an_upstream(an_endpoint("later", ready=True), pods=(a_pod("dddddddd"),), priority=1)
    shown = routing.shares([local(weight=3), more, later, vendor(), an_upstream(None)])
    assert [each.share_percent for each in shown] == [75, 25, 100, 100, 0]


def test_the_task_model_is_that_of_the_first_tier() -> None:
    assert routing.task_model([local(priority=1), vendor()]) == "glm"
    assert routing.task_model([local(), vendor()]) == "sim"
    assert routing.task_model([an_upstream(None)]) == ""


@pytest.mark.parametrize(
    "url",
    [
        "http://[fd12::1]:8000/v1",
        "https://192.0.2.1/v1",
        "http://models..example.com/v1",
        f"http://{'a' * 64}.example.com/v1",
        "http://models.example.com//v1",
        "http://models.example.com/v%31",
        "http://models.example.com/v1?x=1",
        f"http://models.example.com/{'a' * 512}",
    ],
)
def test_an_upstream_that_no_document_takes_is_left_out_alone(url: str) -> None:
    odd = an_upstream(an_external(ready=True, baseURL=url))
    assert [each.name for each in table(local(), odd).upstreams] == ["local"]
    assert [each.eligible for each in routing.shares([local(), odd])] == [True, False]
    assert not routing.eligible(odd, frozenset({"vendor"}))


@pytest.mark.parametrize(
    "credentials", [Credentials("sk with\nbreak"), Credentials(ca=PEM * 2000)], ids=["key", "ca"]
)
def test_an_upstream_with_unusable_credentials_is_left_out_alone(credentials: Credentials) -> None:
    odd = vendor(credentials)
    assert [each.name for each in table(local(), odd).upstreams] == ["local"]
    assert not routing.eligible(odd)


def test_a_mixed_case_host_is_the_same_host() -> None:
    seen = an_upstream(an_external(ready=True, baseURL="https://Models.Example.COM/v1"))
    (found,) = table(seen).upstreams
    assert found.external is not None
    assert found.external.host == "models.example.com"


def test_an_endpoint_with_a_name_of_the_planner_is_left_out_alone() -> None:
    odd = an_upstream(an_endpoint("odd", ready=True, model="autoglm"), pods=(a_pod("cccccccc"),))
    found = table(odd, local())
    assert [each.name for each in found.upstreams] == ["local"]
    assert found.models == ("sim",)
    assert routing.task_model([odd, local()]) == "sim"


def test_everything_that_a_spec_may_say_fits_into_a_table() -> None:
    cluster = a_cluster(
        circuitBreaker={"consecutiveFailures": 1000, "openDuration": "10m"},
        retry={"maxAttempts": 10},
    )
    pods = tuple(a_pod(f"{number:08x}") for number in range(1000))
    crowd = an_upstream(an_endpoint(ready=True), pods=pods, weight=1_000_000, priority=100)
    found = table(crowd, cluster=cluster)
    assert found.breaker.consecutive_failures == 1000
    assert len(found.upstreams[0].servers) == document.MAX_SERVERS


@given(st.lists(st.tuples(st.integers(0, 1_000_000), st.integers(0, 2)), min_size=1, max_size=8))
def test_shares_of_a_tier_add_up(entries: list[tuple[int, int]]) -> None:
    seen = [
        an_upstream(
            an_endpoint(f"e{at}", ready=True),
            pods=(a_pod(f"{at:08x}"),),
            weight=weight,
            priority=tier,
        )
        for at, (weight, tier) in enumerate(entries)
    ]
    shown = routing.shares(seen)
    for tier in {each.upstream.priority for each in seen if each.upstream.weight}:
        total = sum(
            status.share_percent
            for each, status in zip(seen, shown, strict=True)
            if each.upstream.priority == tier
        )
        assert abs(total - 100) <= len(entries)


def test_one_public_name_may_stand_over_endpoints_of_other_names() -> None:
    same = local()
    named = vendor()
    named = replace(named, upstream=named.upstream.model_copy(update={"served_model_name": "sim"}))
    found = table(same, named)
    assert found.models == ("sim",)
    assert [(each.model, each.endpoint_model) for each in found.upstreams] == [
        ("sim", None),
        ("sim", "glm"),
    ]
    assert [each.share_percent for each in routing.shares([same, named])] == [50, 50]
    assert routing.task_model([named]) == "sim"


def test_limits_are_the_routers_part() -> None:
    endpoint = an_endpoint(ready=True)
    spec = endpoint.spec.model_copy(update={"limits": EndpointLimits(max_concurrency=9)})
    limited = an_upstream(endpoint.model_copy(update={"spec": spec}), pods=tuple(local().pods))
    (found,) = table(limited).upstreams
    assert found.limits.max_concurrency == 5
