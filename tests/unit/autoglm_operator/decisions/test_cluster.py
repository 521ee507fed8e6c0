import copy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from autoglm_api.conditions import Condition, Reason
from autoglm_operator.decisions import cluster, routing
from autoglm_operator.decisions.cluster import ClusterSeen, RoutingSeen
from autoglm_operator.decisions.references import Credentials
from autoglm_operator.decisions.routing import UpstreamSeen
from autoglm_operator.decisions.statuses import fails, holds
from autoglm_operator.manifests import cluster as manifests
from operator_views import (
    IMAGES,
    OWNER,
    Object,
    a_cluster,
    a_condition,
    a_pod,
    an_endpoint,
    an_external,
    an_upstream,
    made,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACCEPTED = holds(Reason.ACCEPTED, "The cluster is accepted.")
PROGRAMMED = RoutingSeen(version=3, hash="h", routers=2, acknowledged=2)
STALE = RoutingSeen(version=3, hash="h", routers=2, acknowledged=1)
WAS_READY = {"conditions": [a_condition("Ready"), a_condition("RoutingProgrammed")]}


def children() -> list[Object]:
    built = manifests.children(a_cluster(), OWNER, IMAGES, "sim")
    for each in built:
        if each["kind"] == "StatefulSet":
            each["spec"].setdefault("replicas", 1)
    return built


def seen(
    *,
    upstreams: tuple[UpstreamSeen, ...] | None = None,
    status: Object | None = None,
    **more: Any,  # noqa: ANN401 - fields of the view
) -> ClusterSeen:
    behind = upstreams or (an_upstream(an_endpoint(ready=True), pods=(a_pod("aaaaaaaa"),)),)
    view = ClusterSeen(
        cluster=a_cluster(status=status),
        accepted=ACCEPTED,
        upstreams=behind,
        shares=routing.shares(behind),
        desired=children(),
        live=[made(each, current=True) for each in children()],
        routing=PROGRAMMED,
    )
    return replace(view, **more)


def conditions(view: ClusterSeen) -> dict[str, Condition]:
    return {each.type: each for each in cluster.status_of(view, NOW).conditions}


def said(view: ClusterSeen, about: str) -> tuple[str, str]:
    found = conditions(view)[about]
    return str(found.status), found.reason


def test_a_cluster_that_serves_is_ready() -> None:
    view = seen()
    assert {name: str(each.status) for name, each in conditions(view).items()} == {
        "Accepted": "True",
        "ResolvedRefs": "True",
        "RolesReady": "True",
        "RoutingProgrammed": "True",
        "Degraded": "False",
        "Ready": "True",
    }
    status = cluster.status_of(view, NOW)
    assert status.url == "http://demo-router.team-a.svc"
    assert status.selector == "autoglm.io/cluster=demo,autoglm.io/role=executor"
    assert status.replicas == 2
    assert {role.name for role in status.roles} == {"router", "planner", "executor", "store"}
    assert status.routing is not None
    assert (status.routing.version, status.routing.acknowledged) == (3, 2)


def test_a_cluster_that_lets_everybody_in_says_so_until_it_does_not() -> None:
    open_to_all = seen(cluster=a_cluster(security={"authentication": {"type": "None"}}))
    assert said(open_to_all, "Insecure") == ("True", "NoAuthentication")
    before = {"conditions": [a_condition("Insecure")]}
    assert "Insecure" not in conditions(seen(cluster=a_cluster(status=before)))


def test_a_cluster_with_a_certificate_is_reached_by_tls() -> None:
    cluster_ = a_cluster(router={"tls": {"secretRef": {"name": "demo-tls"}}})
    assert cluster.status_of(seen(cluster=cluster_), NOW).url == "https://demo-router.team-a.svc"


def test_a_broken_reference_of_the_cluster_itself_leaves_it_serving() -> None:
    view = seen(unresolved=fails(Reason.SECRET_NOT_FOUND, "Create it."))
    assert said(view, "ResolvedRefs") == ("False", "SecretNotFound")
    assert said(view, "Degraded") == ("True", "SecretNotFound")
    assert said(view, "Ready")[0] == "True"


def test_saying_it_again_changes_nothing() -> None:
    first = cluster.status_of(seen(), NOW)
    again = cluster.status_of(seen(status=first.as_json()), NOW.replace(year=2027))
    assert again == first


def test_pods_of_an_older_generation_are_not_ready() -> None:
    live = [made(each, current=True) for each in children()]
    router = next(each for each in live if each["metadata"]["name"] == "demo-router")
    router["status"]["updatedReplicas"] = 1
    view = seen(live=live)
    assert said(view, "RolesReady") == ("False", "PodsNotReady")
    assert said(view, "Ready") == ("False", "PodsNotReady")
    assert "router" in conditions(view)["RolesReady"].message
    role = next(each for each in cluster.status_of(view, NOW).roles if each.name == "router")
    assert (role.replicas, role.updated, role.ready) == (2, 1, 1)


def test_a_workload_that_is_absent_or_foreign_is_not_ready() -> None:
    assert said(seen(live=[]), "RolesReady") == ("False", "PodsNotReady")
    foreign = [copy.deepcopy(made(each, current=True)) for each in children()]
    for each in foreign:
        each["metadata"]["ownerReferences"] = []
    assert said(seen(live=foreign), "RolesReady") == ("False", "PodsNotReady")
    assert cluster.status_of(seen(desired=[]), NOW).replicas == 0


def test_no_eligible_upstream_is_not_ready() -> None:
    view = seen(upstreams=(an_upstream(an_endpoint()),))
    assert said(view, "Ready") == ("False", "NoEligibleUpstream")


def test_a_dangling_reference_leaves_the_rest_serving() -> None:
    good = an_upstream(an_endpoint(ready=True), pods=(a_pod("aaaaaaaa"),))
    view = seen(upstreams=(good, an_upstream(None)))
    assert said(view, "ResolvedRefs") == ("False", "EndpointNotFound")
    assert said(view, "Degraded") == ("True", "EndpointNotFound")
    assert said(view, "Ready") == ("True", "Ready")
    problem = Credentials(problem=fails(Reason.SECRET_NOT_FOUND, "Create it."))
    view = seen(upstreams=(good, an_upstream(an_external(ready=True), credentials=problem)))
    assert said(view, "ResolvedRefs") == ("False", "SecretNotFound")


@pytest.mark.parametrize(
    ("table", "status", "reason"),
    [
        (RoutingSeen(), "False", "RoutingPending"),
        (RoutingSeen(version=1), "False", "RoutingPending"),
        (RoutingSeen(version=1, routers=2), "False", "NoRouterCurrent"),
        (STALE, "False", "RoutingPending"),
        (PROGRAMMED, "True", "RoutingAcknowledged"),
        (RoutingSeen(version=1, routers=1, rejection="no"), "False", "RoutingRejected"),
        (
            RoutingSeen(problem=fails(Reason.ROUTING_TOO_LARGE, "Too large.")),
            "False",
            "RoutingTooLarge",
        ),
    ],
)
def test_routing_is_programmed_only_when_every_router_says_so(
    table: RoutingSeen, status: str, reason: str
) -> None:
    assert said(seen(routing=table), "RoutingProgrammed") == (status, reason)
    assert (said(seen(routing=table), "Ready")[0] == "True") == (status == "True")


def test_a_push_under_way_flips_nothing() -> None:
    none = RoutingSeen(version=4, hash="h", routers=2, acknowledged=0, pending_seconds=9)
    view = seen(routing=none, status=WAS_READY)
    assert said(view, "RoutingProgrammed") == ("True", "RoutingAcknowledged")
    assert said(view, "Ready") == ("True", "Ready")
    assert said(view, "Degraded") == ("False", "AsExpected")


def test_one_stale_router_among_several_degrades() -> None:
    late = RoutingSeen(version=4, hash="h", routers=2, acknowledged=1, pending_seconds=10)
    view = seen(routing=late, status=WAS_READY)
    assert said(view, "Degraded") == ("True", "RouterStale")
    assert said(view, "RoutingProgrammed") == ("False", "RoutingPending")
    assert said(view, "Ready") == ("True", "Ready")


def test_no_current_router_is_not_ready() -> None:
    late = RoutingSeen(version=4, hash="h", routers=2, acknowledged=0, pending_seconds=10)
    view = seen(routing=late, status=WAS_READY)
    assert said(view, "Ready") == ("False", "NoRouterCurrent")


def test_unreliable_probes_degrade() -> None:
    assert said(seen(probes_unreliable=True), "Degraded") == ("True", "ProbesUnreliable")


def test_what_is_not_accepted_is_not_ready() -> None:
    conflict = cluster.name_conflict(["Service demo-router"])
    assert conflict is not None
    assert "Service demo-router" in conflict.message
    assert said(seen(accepted=conflict), "Ready") == ("False", "NameConflict")
    assert cluster.name_conflict([]) is None
