import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoglm_api.conditions import Condition, ConditionStatus, ConditionType, Reason
from autoglm_api.modelendpoint import ModelEndpoint
from autoglm_operator.decisions import drift, endpoint
from autoglm_operator.decisions.addresses import Safety
from autoglm_operator.decisions.endpoint import EndpointSeen
from autoglm_operator.decisions.health import Health
from autoglm_operator.decisions.references import Credentials
from autoglm_operator.decisions.statuses import fails
from autoglm_operator.manifests import endpoint as manifests
from operator_views import (
    ENDPOINT_OWNER,
    IMAGES,
    Object,
    a_pod,
    an_endpoint,
    an_external,
    made,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEALTHY = Health("x", healthy=True, reason=Reason.PROBE_SUCCEEDED, message="It serves.")


def seen(of: ModelEndpoint, **more: Any) -> EndpointSeen:  # noqa: ANN401 - fields of the view
    desired = manifests.children(of, ENDPOINT_OWNER, IMAGES) if of.spec.managed is not None else []
    return replace(EndpointSeen(of, Safety(), Credentials(), desired=desired), **more)


def serving(of: ModelEndpoint) -> EndpointSeen:
    bare = seen(of)
    live = [made(each, current=True) for each in bare.desired]
    revision = endpoint_revision(bare)
    pods = [a_pod(f"p{n}", revision=revision) for n in (1, 2)]
    return seen(of, live=live, pods=pods, health=HEALTHY)


def coming(old: ModelEndpoint, new: ModelEndpoint, *pods: Object, current: bool = False) -> Any:  # noqa: ANN401 - a view
    """The new endpoint while the revision of the old one serves."""
    before = endpoint_revision(seen(old))
    told = new.model_copy(
        update={"status": new.status.model_copy(update={"active_revision": before})}
    )
    live = [made(each, current=True) for each in seen(old).desired]
    live.append(made(seen(new).desired[0], current=current))
    kept = [a_pod("old", revision=before)]
    return seen(told, live=live, pods=[*kept, *pods], health=HEALTHY)


def endpoint_revision(view: EndpointSeen) -> str:
    return str(view.desired[0]["metadata"]["labels"]["autoglm.io/revision"])


def conditions(view: EndpointSeen, failure: str | None = None) -> dict[str, Condition]:
    status = endpoint.status_of(view, endpoint.decide(view), failure, NOW)
    return {each.type: each for each in status.conditions}


def verdict(
    view: EndpointSeen, about: ConditionType, failure: str | None = None
) -> tuple[str, str]:
    found = conditions(view, failure)[about]
    return str(found.status), found.reason


def test_a_managed_endpoint_that_serves_is_ready() -> None:
    view = serving(an_endpoint())
    found = conditions(view)
    assert {each.status for name, each in found.items() if name != "Degraded"} == {
        ConditionStatus.TRUE
    }
    assert found["Degraded"].status is ConditionStatus.FALSE
    status = endpoint.status_of(view, endpoint.decide(view), None, NOW)
    assert (status.replicas, status.ready_replicas) == (2, 2)
    assert status.active_revision == endpoint_revision(view)
    assert status.url == "http://local.team-a.svc/v1"


def test_an_external_endpoint_that_serves_is_ready() -> None:
    view = seen(an_external(), health=HEALTHY)
    assert verdict(view, ConditionType.READY) == ("True", "Ready")
    status = endpoint.status_of(view, endpoint.decide(view), None, NOW)
    assert (status.selector, status.active_revision, status.replicas) == (None, None, 0)
    assert status.url == "https://models.example.com/api/v4"


def test_suspended_is_said_but_is_no_fault() -> None:
    view = serving(an_endpoint(suspend=True))
    assert verdict(view, ConditionType.READY) == ("True", "Suspended")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://u:p@h/v1", Reason.INVALID_SPEC),
        ("https://10.0.0.1/v1", Reason.INVALID_SPEC),
        ("http://[fd12::1]/v1", Reason.INVALID_SPEC),
        ("http://h/a%20b", Reason.INVALID_SPEC),
        ("http://h//v1", Reason.INVALID_SPEC),
        ("http://a..b/v1", Reason.INVALID_SPEC),
        ("http://127.0.0.1/v1", Reason.ADDRESS_REFUSED),
        ("http://localhost/v1", Reason.ADDRESS_REFUSED),
        ("http://x.other.svc/v1", Reason.ADDRESS_REFUSED),
    ],
)
def test_a_bad_url_is_not_accepted(url: str, reason: Reason) -> None:
    view = seen(an_external(baseURL=url))
    assert verdict(view, ConditionType.ACCEPTED) == ("False", reason)
    assert verdict(view, ConditionType.READY) == ("False", reason)


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("https://10.0.0.1/v1", "with https needs a host name"),
        ("https://1.2.3/v1", "with https needs a host name"),
        ("http://[fd12::1]/v1", "a host or an IPv4 address"),
        (f"http://{'a' * 64}/v1", "at most 63 characters between two dots"),
        ("http://h/a%20b", "no '%'"),
        ("http://h//v1", "single slashes"),
        (f"http://h/{'a' * 512}", "at most 512 characters"),
    ],
)
def test_says_what_to_write_into_a_url(url: str, advice: str) -> None:
    found = endpoint.spec_problem(an_external(baseURL=url), Safety())
    assert found is not None
    assert found.message.startswith("baseURL")
    assert advice in found.message


def test_certificates_without_https_are_not_accepted() -> None:
    tls = {"caSecretRef": {"name": "ca", "key": "ca.crt"}}
    found = endpoint.spec_problem(an_external(baseURL="http://h/v1", tls=tls), Safety())
    assert found is not None
    assert found.message == "tls needs a baseURL that starts with https://."


@pytest.mark.parametrize("kind", [an_endpoint, an_external])
def test_a_name_of_the_planner_is_not_accepted_as_model(
    kind: Callable[..., ModelEndpoint],
) -> None:
    of = kind().model_copy(update={"spec": kind().spec.model_copy(update={"model": "autoglm"})})
    assert verdict(seen(of), ConditionType.ACCEPTED) == ("False", "InvalidSpec")


def test_an_ordinary_address_is_accepted() -> None:
    assert endpoint.spec_problem(an_external(baseURL="http://10.0.0.1/v1"), Safety()) is None


def test_an_address_that_resolves_to_a_refused_one_is_not_accepted() -> None:
    health = Health("x", healthy=False, reason=Reason.ADDRESS_REFUSED, message="No.")
    view = seen(an_external(), health=health)
    assert verdict(view, ConditionType.ACCEPTED) == ("False", "AddressRefused")


def test_a_foreign_object_stops_everything() -> None:
    view = seen(an_endpoint(), foreign=["Service local"])
    plan = endpoint.decide(view)
    assert (plan.accepted.reason, list(plan.apply), list(plan.delete)) == (
        Reason.NAME_CONFLICT,
        [],
        [],
    )


def test_a_missing_secret_is_not_ready() -> None:
    problem = fails(Reason.SECRET_NOT_FOUND, "Create it.")
    view = seen(an_external(), health=HEALTHY, credentials=Credentials(problem=problem))
    assert verdict(view, ConditionType.RESOLVED_REFS) == ("False", "SecretNotFound")
    assert verdict(view, ConditionType.READY) == ("False", "SecretNotFound")


def test_a_child_that_the_api_server_refuses_is_reported() -> None:
    found = conditions(serving(an_endpoint()), "spec.x: wrong")["Accepted"]
    assert (found.reason, found.message) == ("RefusedByAPIServer", "spec.x: wrong")


def test_no_ready_pod_is_not_healthy() -> None:
    bare = seen(an_endpoint())
    view = replace(bare, pods=[a_pod("p", ready=False, revision=endpoint_revision(bare))])
    assert verdict(view, ConditionType.HEALTHY) == ("False", "PodsNotReady")
    assert verdict(view, ConditionType.DEGRADED) == ("True", "PodsNotReady")


def test_unprobed_is_unknown() -> None:
    assert verdict(seen(an_external()), ConditionType.HEALTHY) == ("Unknown", "NotProbed")
    half = seen(an_external(), health=Health("x", successes=1))
    assert verdict(half, ConditionType.HEALTHY) == ("Unknown", "NotProbed")


def test_an_old_revision_goes_only_once_the_new_one_has_taken_over() -> None:
    old, new = an_endpoint(), an_endpoint(model="next")
    view = coming(old, new)
    assert list(endpoint.decide(view).delete) == []
    revision = endpoint_revision(view)
    taken = new.model_copy(
        update={"status": new.status.model_copy(update={"active_revision": revision})}
    )
    after = replace(view, endpoint=taken)
    (gone,) = endpoint.decide(after).delete
    assert gone["metadata"]["labels"]["autoglm.io/revision"] == endpoint_revision(seen(old))
    assert list(endpoint.decide(replace(after, settling=True)).delete) == []
    going = copy.deepcopy(gone)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    again = replace(after, live=[going, *(each for each in after.live if each is not gone)])
    assert list(endpoint.decide(again).delete) == []


def test_a_revision_that_never_served_goes_at_once() -> None:
    old, new = an_endpoint(), an_endpoint(model="next")
    live = [made(each) for each in seen(old).desired]
    (gone,) = endpoint.decide(seen(new, live=live)).delete
    assert gone["kind"] == "Deployment"


def test_a_third_revision_takes_the_place_of_the_second() -> None:
    view = coming(an_endpoint(), an_endpoint(model="next"))
    third = seen(an_endpoint(model="third")).desired
    (gone,) = endpoint.decide(replace(view, desired=third)).delete
    assert gone["metadata"]["labels"]["autoglm.io/revision"] == endpoint_revision(view)


def test_the_revision_that_serves_follows_the_number_of_pods() -> None:
    more = {"engine": "Simulator", "replicas": 5, "port": 9000}
    view = coming(an_endpoint(), an_endpoint(managed=more))
    ((deployment, replicas),) = endpoint.decide(view).scale
    assert (deployment["metadata"]["labels"]["autoglm.io/revision"], replicas) == (
        endpoint_revision(seen(an_endpoint())),
        5,
    )
    same = coming(an_endpoint(), an_endpoint(model="next"))
    assert list(endpoint.decide(same).scale) == []
    scaled = {"engine": "Simulator", "port": 9000, "autoscaling": {"maxReplicas": 9}}
    assert list(endpoint.decide(coming(an_endpoint(), an_endpoint(managed=scaled))).scale) == []


def test_a_new_revision_takes_over_as_a_whole() -> None:
    old, new = an_endpoint(), an_endpoint(model="next")
    revision = endpoint_revision(seen(new))
    pods = [a_pod("a", revision=revision), a_pod("b", revision=revision)]
    before = endpoint_revision(seen(old))
    assert endpoint.active_revision(coming(old, new, *pods)) == before
    assert endpoint.active_revision(coming(old, new, pods[0], current=True)) == before
    assert endpoint.active_revision(coming(old, new, *pods, current=True)) == revision


def test_says_why_a_new_revision_does_not_serve_and_stays_ready() -> None:
    new = an_endpoint(model="next")
    revision = endpoint_revision(seen(new))
    slow = coming(an_endpoint(), new, a_pod("a", ready=False, revision=revision))
    assert verdict(slow, ConditionType.DEGRADED) == ("True", "RolloutInProgress")
    assert verdict(slow, ConditionType.READY) == ("True", "Ready")
    pending = a_pod("a", "", ready=False, revision=revision)
    pending["status"]["conditions"].append({"type": "PodScheduled", "reason": "Unschedulable"})
    stuck = coming(an_endpoint(), new, pending)
    assert verdict(stuck, ConditionType.DEGRADED) == ("True", "Unschedulable")
    assert verdict(stuck, ConditionType.READY) == ("True", "Ready")
    status = endpoint.status_of(stuck, endpoint.decide(stuck), None, NOW)
    assert status.last_failure is not None
    assert status.last_failure.reason == "Unschedulable"
    assert (status.replicas, status.ready_replicas) == (1, 1)


def test_a_first_revision_that_does_not_serve_says_why() -> None:
    view = seen(an_endpoint())
    pending = a_pod("a", "", ready=False, revision=endpoint_revision(view))
    pending["status"]["conditions"].append({"type": "PodScheduled", "reason": "Unschedulable"})
    stuck = replace(view, live=[made(view.desired[0])], pods=[pending])
    assert verdict(stuck, ConditionType.DEGRADED) == ("True", "Unschedulable")
    assert verdict(stuck, ConditionType.HEALTHY) == ("False", "Unschedulable")
    assert verdict(stuck, ConditionType.READY) == ("False", "Unschedulable")
    status = endpoint.status_of(stuck, endpoint.decide(stuck), None, NOW)
    assert (status.active_revision, status.replicas, status.ready_replicas) == (None, 1, 0)


def test_the_last_failure_stays_after_recovery() -> None:
    bad = Health("x", healthy=False, reason=Reason.UNREACHABLE, message="Nobody there.")
    view = seen(an_external(), health=bad)
    failed = endpoint.status_of(view, endpoint.decide(view), None, NOW)
    assert failed.last_failure is not None
    assert (failed.last_failure.reason, failed.last_failure.time) == ("Unreachable", NOW)
    well = seen(an_external().model_copy(update={"status": failed}), health=HEALTHY)
    later = endpoint.status_of(well, endpoint.decide(well), None, NOW.replace(year=2027))
    assert later.last_failure == failed.last_failure


def test_discovered_models_stay_known_while_nobody_lists_them() -> None:
    listed = replace(HEALTHY, models=("glm", "other"))
    view = seen(an_external(), health=listed)
    status = endpoint.status_of(view, endpoint.decide(view), None, NOW)
    assert status.discovered_models == ("glm", "other")
    again = an_external().model_copy(update={"status": status})
    for health in (None, HEALTHY):
        later = seen(again, health=health)
        kept = endpoint.status_of(later, endpoint.decide(later), None, NOW)
        assert kept.discovered_models == ("glm", "other")


def test_a_budget_goes_with_the_second_replica() -> None:
    before = [made(each, current=True) for each in seen(an_endpoint()).desired]
    single = an_endpoint(managed={"engine": "Simulator", "replicas": 1})
    (gone,) = endpoint.decide(seen(single, live=before)).delete
    assert gone["kind"] == "PodDisruptionBudget"


@given(replicas=st.integers(0, 4), model=st.sampled_from(["a", "b"]), stale=st.booleans())
def test_deciding_again_after_success_plans_nothing(replicas: int, model: str, stale: bool) -> None:
    spec = {"engine": "Simulator", "replicas": replicas}
    wanted = an_endpoint(managed=spec, model=model)
    live = [made(each, current=True) for each in seen(an_endpoint()).desired] if stale else []
    for _ in range(2):
        view = seen(wanted, live=live)
        plan = endpoint.decide(view)
        deleted = {(each["kind"], each["metadata"]["name"]) for each in plan.delete}
        applied = [made(drift.stamped(each), current=True) for each in plan.apply]
        names = {(each["kind"], each["metadata"]["name"]) for each in applied}
        live = applied + [
            each for each in live if (each["kind"], each["metadata"]["name"]) not in deleted | names
        ]
    final = endpoint.decide(seen(wanted, live=live))
    assert list(final.delete) == []
    assert all(
        any(drift.differences(drift.stamped(each), found) == {} for found in live)
        for each in final.apply
    )
