"""How an alert's labels lead to a target, and which controller counts."""

import pytest

import episodes
from autoglm_api import kinds
from autoglm_api.conditions import Reason
from autoglm_api.healingladder import ActionName
from autoglm_api.healingpolicy import HealingPolicy, HealingTarget
from autoglm_api.healingrun import HealingRun, StepRecord
from autoglm_operator.decisions import target
from autoglm_operator.decisions.healing import Denial, Sighting
from autoglm_operator.decisions.reading import Manifest
from episodes import (
    a_claim,
    a_node,
    a_pod,
    a_policy,
    a_replica_set,
    a_run,
    a_sighting,
    a_workload,
    owned_by,
)

POD_POLICY = a_policy(target={"kind": "Pod", "selector": {"matchLabels": {"app": "web"}}})


def test_a_pod_leads_to_its_deployment() -> None:
    found = target.resolve(a_run(), a_sighting())

    assert not isinstance(found, Denial)
    assert (found.kind, found.name, found.key) == ("Deployment", "web", "deployment-web")
    assert found.pod is not None
    assert found.pod.uid == "pod-web-1"
    assert found.workload is not None
    assert found.workload.uid == "deployment-web"


def test_a_pod_is_its_own_target_for_kind_pod() -> None:
    found = target.resolve(a_run(policy=POD_POLICY), a_sighting())

    assert not isinstance(found, Denial)
    assert (found.kind, found.key) == ("Pod", "deployment-web")


def test_the_key_is_that_of_the_topmost_controller_even_if_it_cannot_be_read() -> None:
    owner = episodes.an_object("example.com/v1", "Stack", "shop")
    workload = a_workload()
    workload["metadata"]["ownerReferences"] = owned_by(owner)

    assert a_sighting(workload=workload).key == "stack-shop"


def test_a_bare_pod_is_its_own_key() -> None:
    seen = target.sighted([a_pod(ownerReferences=[])])

    assert (seen.key, seen.workload) == ("pod-web-1", None)


def test_a_workload_that_the_alert_names_has_no_pod() -> None:
    seen = target.sighted([a_workload()])

    assert seen.pod is None
    assert seen.workload is not None
    found = target.resolve(a_run(), seen)
    assert not isinstance(found, Denial)
    assert found.pod is None


def test_a_bare_replica_set_stands_for_the_workload() -> None:
    middle = a_replica_set(ownerReferences=[])

    seen = target.sighted([a_pod(owner=middle), middle])

    assert seen.workload == middle


def test_nothing_is_sighted_when_nothing_is_there() -> None:
    assert target.sighted([]) == Sighting()


DENIALS = {
    "an alert without the label": (a_run(labels={}), a_sighting(), Reason.TARGET_GONE),
    "a pod that is gone": (a_run(), Sighting(), Reason.TARGET_GONE),
    "a pod without a workload": (
        a_run(),
        target.sighted([a_pod(ownerReferences=[])]),
        Reason.NOT_RESTARTABLE,
    ),
    "a pod of a Job": (
        a_run(),
        target.sighted([a_pod(), episodes.an_object("batch/v1", "Job", "nightly")]),
        Reason.NOT_RESTARTABLE,
    ),
    "a workload where a pod is wanted": (
        a_run(policy=POD_POLICY),
        target.sighted([a_workload()]),
        Reason.NOT_RESTARTABLE,
    ),
}


@pytest.mark.parametrize(("run", "sighting", "reason"), DENIALS.values(), ids=DENIALS)
def test_says_why_there_is_no_target(run: HealingRun, sighting: Sighting, reason: Reason) -> None:
    found = target.resolve(run, sighting)

    assert isinstance(found, Denial)
    assert found.reason is reason


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("pod", kinds.POD),
        ("deployment", kinds.DEPLOYMENT),
        ("statefulset", kinds.STATEFUL_SET),
        ("daemonset", kinds.DAEMON_SET),
        ("instance", kinds.POD),
    ],
)
def test_the_label_tells_the_kind(label: str, kind: kinds.Kind) -> None:
    spec = {
        "kind": "Workload",
        "from": {"nameLabel": label},
        "selector": {"matchLabels": {"app": "web"}},
    }

    run = a_run(policy=a_policy(target=spec), labels={label: "web"})

    assert target.named(run) == (kind, "web")


def for_kind(kind: str, name_label: str | None = None) -> HealingPolicy:
    source = {} if name_label is None else {"from": {"nameLabel": name_label}}
    spec = {"kind": kind, **source, "selector": {"matchLabels": {"pool": "gpu"}}}
    return a_policy(target=spec)


@pytest.mark.parametrize(
    ("kind", "label", "named"),
    [
        ("Node", "node", kinds.NODE),
        ("PersistentVolumeClaim", "persistentvolumeclaim", kinds.PERSISTENT_VOLUME_CLAIM),
    ],
)
def test_nodes_and_claims_have_usual_labels(kind: str, label: str, named: kinds.Kind) -> None:
    run = a_run(policy=for_kind(kind), labels={label: "it", "pod": "exporter"})

    assert target.named(run) == (named, "it")


def test_an_alert_may_name_a_node_by_its_instance() -> None:
    run = a_run(policy=for_kind("Node", "instance"), labels={"instance": "10.0.0.1:9100"})

    assert target.named(run) == (kinds.NODE, "10.0.0.1:9100")
    assert not target.is_addressed(run)


@pytest.mark.parametrize(
    ("kind", "addressed"),
    [
        ("Node", True),
        ("Pod", True),
        ("Workload", True),
        ("ModelEndpoint", False),
        ("PersistentVolumeClaim", False),
    ],
)
def test_a_flat_event_names_by_its_instance_whatever_the_policy_says(
    kind: str, addressed: bool
) -> None:
    run = a_run(policy=for_kind(kind), labels={"instance": "10.0.0.1"}, source="Event")

    assert target.is_addressed(run) is addressed
    assert target.named(run)[1] == ("10.0.0.1" if addressed else "")


@pytest.mark.parametrize(
    ("kind", "obj"), [("Node", a_node()), ("PersistentVolumeClaim", a_claim())]
)
def test_a_node_or_claim_is_its_own_target(kind: str, obj: Manifest) -> None:
    obj["metadata"]["ownerReferences"] = owned_by(a_workload())
    sighting = target.sighted([obj])
    run = a_run(policy=for_kind(kind, "name"), labels={"name": "it"})

    found = target.resolve(run, sighting)

    assert not isinstance(found, Denial)
    assert (found.kind, found.uid, found.key) == (kind, obj["metadata"]["uid"], found.uid)
    assert (found.pod, found.workload) == (None, None)
    assert target.live_target(run, sighting) == obj
    assert target.remembered(run, sighting) == obj


def a_step() -> StepRecord:
    return StepRecord(action=ActionName.RESTART, started_at=episodes.NOW)


def test_after_a_step_the_workload_of_a_pod_must_still_be_there() -> None:
    sighting = a_sighting()
    status = a_run().status.model_copy(update={"steps": (a_step(),)})

    assert target.remembered(a_run(policy=POD_POLICY), sighting) == sighting.pod
    assert target.remembered(a_run(status, policy=POD_POLICY), sighting) == sighting.workload
    node = target.sighted([a_node()])
    assert target.remembered(a_run(status, policy=for_kind("Node")), node) == node.node


def test_an_address_that_names_nothing_alone_is_no_target() -> None:
    why = "The alert names 10.0.0.1, but no node has that name or address."
    run = a_run(policy=for_kind("Node"), labels={"node": "10.0.0.1"})

    assert target.resolve(run, Sighting(ambiguous=why)) == Denial(Reason.TARGET_AMBIGUOUS, why)


def selecting(**labels: str) -> HealingTarget:
    return HealingTarget.model_validate({"kind": "Pod", "selector": {"matchLabels": labels}})


def test_a_selector_wants_all_its_labels() -> None:
    pod = a_pod(labels={"app": "web", "tier": "front"})

    assert target.is_selected(selecting(app="web", tier="front"), pod)
    assert not target.is_selected(selecting(app="web", tier="back"), pod)


def test_an_empty_selector_selects_nothing() -> None:
    assert not target.is_selected(selecting(), a_pod())
