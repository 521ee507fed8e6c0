"""Names and labels of children."""

from autoglm_api import labels
from autoglm_api.base import NAME_LIMIT
from autoglm_api.labels import Role

DNS_LABEL_LIMIT = 63


def test_children_are_named_after_their_cluster() -> None:
    assert [labels.child("demo", role) for role in Role] == [
        "demo-router",
        "demo-planner",
        "demo-executor",
        "demo-store",
    ]
    assert labels.router_internal_service("demo") == "demo-router-internal"
    assert labels.routing_secret("demo") == "demo-routing"
    assert labels.internal_secret("demo") == "demo-internal"
    assert labels.client_key_secret("demo") == "demo-client-key"


def test_the_longest_names_still_fit_into_a_dns_label() -> None:
    longest = "a" * NAME_LIMIT
    assert len(labels.router_internal_service(longest)) <= DNS_LABEL_LIMIT
    assert len(labels.endpoint_deployment(longest, "0123456789")) <= DNS_LABEL_LIMIT


def test_an_agent_is_verified_under_one_name() -> None:
    assert labels.agent_server_name("demo", "team-a") == "router.demo.team-a"


def test_endpoints_are_served_under_their_own_name() -> None:
    assert labels.endpoint_service("local") == "local"
    assert labels.endpoint_deployment("local", "5d9c") == "local-5d9c"


def test_selectors_are_part_of_the_labels() -> None:
    of_role = labels.role_labels("demo", Role.ROUTER, "uid")
    assert labels.role_selector("demo", Role.ROUTER).items() <= of_role.items()
    assert labels.cluster_labels("demo", "uid").items() <= of_role.items()
    of_endpoint = labels.endpoint_labels("local", "uid")
    assert labels.endpoint_selector("local").items() <= of_endpoint.items()


def test_a_recreated_owner_has_other_labels_but_the_same_selector() -> None:
    assert labels.role_labels("demo", Role.STORE, "one") != labels.role_labels(
        "demo", Role.STORE, "two"
    )
    assert "uid" not in str(labels.role_selector("demo", Role.STORE))
