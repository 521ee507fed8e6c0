from autoglm_api.modelendpoint import ModelEndpoint
from autoglm_operator.decisions import revisions
from autoglm_operator.manifests import endpoint as manifests
from operator_views import ENDPOINT_OWNER, IMAGES, Object, a_pod, an_endpoint, an_external, made


def deployment(of: ModelEndpoint, *, current: bool = True) -> Object:
    return made(manifests.children(of, ENDPOINT_OWNER, IMAGES)[0], current=current)


def told(of: ModelEndpoint, active: str | None) -> ModelEndpoint:
    return of.model_copy(
        update={"status": of.status.model_copy(update={"active_revision": active})}
    )


OLD, NEW = an_endpoint(model="old"), an_endpoint(model="new", managed={"engine": "Simulator"})
OLD_DEPLOYMENT, NEW_DEPLOYMENT = deployment(OLD), deployment(NEW)
BEFORE, WANTED = (revisions.revision(each) for each in (OLD_DEPLOYMENT, NEW_DEPLOYMENT))


def test_in_force_is_what_the_status_says_while_its_deployment_lives() -> None:
    live = [OLD_DEPLOYMENT, NEW_DEPLOYMENT]
    assert revisions.in_force(told(NEW, BEFORE), live) == BEFORE
    assert revisions.in_force(told(NEW, None), live) is None
    assert revisions.in_force(told(NEW, "gone"), live) is None
    assert revisions.in_force(told(an_external(), BEFORE), live) is None
    going = deployment(OLD)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert revisions.in_force(told(NEW, BEFORE), [going]) is None
    foreign = deployment(OLD)
    foreign["metadata"]["ownerReferences"][0]["uid"] = "another"
    assert revisions.in_force(told(NEW, BEFORE), [foreign]) is None


def test_nothing_is_in_force_before_the_first_ready_pod() -> None:
    pod = a_pod("p", ready=False, revision=WANTED)
    assert revisions.next_in_force(NEW, WANTED, [NEW_DEPLOYMENT], [pod]) is None
    ready = a_pod("p", revision=WANTED)
    assert revisions.next_in_force(NEW, WANTED, [NEW_DEPLOYMENT], [ready]) == WANTED


def test_what_serves_stays_in_force_without_a_ready_pod() -> None:
    assert revisions.next_in_force(told(NEW, WANTED), WANTED, [NEW_DEPLOYMENT], []) == WANTED
    both = [OLD_DEPLOYMENT, NEW_DEPLOYMENT]
    assert revisions.next_in_force(told(NEW, BEFORE), WANTED, both, []) == BEFORE


def test_the_next_takes_over_early_where_nothing_serves_any_more() -> None:
    half = deployment(an_endpoint(model="new", managed={"engine": "Simulator", "replicas": 3}))
    half["status"]["readyReplicas"] = 1
    wanted = revisions.revision(half)
    ready = a_pod("p", revision=wanted)
    live = [OLD_DEPLOYMENT, half]
    assert revisions.next_in_force(told(NEW, BEFORE), wanted, live, [ready]) == wanted
    kept = a_pod("q", revision=BEFORE)
    assert revisions.next_in_force(told(NEW, BEFORE), wanted, live, [ready, kept]) == BEFORE


def test_an_endpoint_is_served_under_the_name_and_port_of_what_serves() -> None:
    old = an_endpoint(model="old", managed={"engine": "Simulator", "port": 9000})
    before = deployment(old)
    served = revisions.as_served(told(NEW, revisions.revision(before)), [before, NEW_DEPLOYMENT])
    assert served.spec.managed is not None
    assert (served.spec.model, served.spec.managed.port) == ("old", 9000)
    assert revisions.as_served(NEW, [before]) is NEW
    vendor = an_external()
    assert revisions.as_served(vendor, []) is vendor


def test_requests_go_to_ready_pods_of_what_is_in_force_alone() -> None:
    pods = [
        a_pod("a", revision=BEFORE),
        a_pod("b", revision=WANTED),
        a_pod("c", revision=BEFORE, ready=False),
    ]
    live = [OLD_DEPLOYMENT, NEW_DEPLOYMENT]
    assert revisions.serving_pods(told(NEW, BEFORE), live, pods) == (pods[0],)
    assert revisions.serving_pods(NEW, live, pods) == ()


def test_pods_that_ended_or_go_are_no_replicas() -> None:
    ended, going = a_pod("a"), a_pod("b")
    ended["status"]["phase"] = "Failed"
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    fresh: Object = {"metadata": {"name": "c"}}
    assert revisions.counted([ended, going, a_pod("d"), fresh]) == [a_pod("d"), fresh]
