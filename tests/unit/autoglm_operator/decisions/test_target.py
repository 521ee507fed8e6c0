"""How an alert's labels lead to a target, and which controller counts."""

import pytest

import episodes
from autoglm_api import kinds
from autoglm_api.conditions import Reason
from autoglm_api.healingpolicy import HealingTarget
from autoglm_api.healingrun import HealingRun
from autoglm_operator.decisions import target
from autoglm_operator.decisions.healing import Denial, Sighting
from episodes import a_pod, a_policy, a_replica_set, a_run, a_sighting, a_workload, owned_by

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


def selecting(**labels: str) -> HealingTarget:
    return HealingTarget.model_validate({"kind": "Pod", "selector": {"matchLabels": labels}})


def test_a_selector_wants_all_its_labels() -> None:
    pod = a_pod(labels={"app": "web", "tier": "front"})

    assert target.is_selected(selecting(app="web", tier="front"), pod)
    assert not target.is_selected(selecting(app="web", tier="back"), pod)


def test_an_empty_selector_selects_nothing() -> None:
    assert not target.is_selected(selecting(), a_pod())
