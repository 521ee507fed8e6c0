"""Who may approve a step: the chart's admission policies against people who try."""

from collections import Counter

import pytest

from chart_accounts import name_of
from customresources import a_run
from healing_objects import SOON, Scene, token_of
from healing_processes import HealingProcess
from kube import Kube, KubeError
from kubeconfig import Object
from timeline import Timeline, within

RBAC = "rbac.authorization.k8s.io"
APPROVED = "autoglm.io/approved"


@pytest.fixture
def jane(scene: Scene, accounts: dict[str, str]) -> Kube:
    """Somebody who may approve."""
    assert accounts
    return somebody(scene, "jane", f"{name_of(scene.release)}-approver")


@pytest.fixture
def joe(scene: Scene, accounts: dict[str, str]) -> Kube:
    """A tenant who may do anything with runs but approve, as `edit` of a namespace would."""
    assert accounts
    role: Object = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "Role",
        "metadata": {"name": "tenant"},
        "rules": [
            {
                "apiGroups": ["autoglm.io"],
                "resources": ["healingruns", "healingruns/status", "healingpolicies"],
                "verbs": ["get", "list", "create", "update", "patch", "delete"],
            }
        ],
    }
    scene.kube.apply(role, scene.namespace)
    return somebody(scene, "joe", "tenant", kind="Role")


def somebody(scene: Scene, name: str, role: str, kind: str = "ClusterRole") -> Kube:
    """A person's own client, bound to a role in the namespace of the runs."""
    token = token_of(scene.kube, scene.namespace, name, audience="")
    binding: Object = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": scene.namespace}],
    }
    scene.kube.apply(binding, scene.namespace)
    return scene.kube.as_user(token)


def user(scene: Scene, name: str) -> str:
    """The name by which the API server knows a ServiceAccount."""
    return f"system:serviceaccount:{scene.namespace}:{name}"


def approve(kube: Kube, scene: Scene, run: str, value: str | None) -> None:
    """Set or remove the annotation."""
    body = {"metadata": {"annotations": {APPROVED: value}}}
    kube.patch("HealingRun", run, scene.namespace, body)


def refusal(kube: Kube, scene: Scene, run: str, value: str | None) -> str:
    """Why an approval is refused."""
    with pytest.raises(KubeError) as refused:
        approve(kube, scene, run, value)
    return str(refused.value)


def waiting(scene: Scene, accounts: dict[str, str], **spec: object) -> str:
    """A run that waits for approval, stored by the receiver's account."""
    policy = scene.make_policy(mode="Approve", **spec)
    receiver = scene.kube.as_user(accounts["receiver"])
    run = scene.start_run(policy, scene.pods.sicken(), by=receiver)
    scene.wants_phase(run, "AwaitingApproval")
    return run


@pytest.mark.usefixtures("bounded")
def test_a_step_is_done_once_somebody_who_may_has_approved_it(
    scene: Scene, accounts: dict[str, str], jane: Kube
) -> None:
    run = waiting(scene, accounts)
    assert scene.evicted() == Counter()
    assert scene.reason(run, "Approved") == "AwaitingApproval"

    approve(jane, scene, run, f"1/{user(scene, 'jane')}")

    scene.wants_phase(run, "Succeeded")
    assert sum(scene.evicted().values()) == 1
    status = scene.run(run)["status"]
    assert [(each["step"], each["by"]) for each in status["approvals"]] == [
        (1, user(scene, "jane"))
    ]
    assert scene.reason(run, "Approved") == "Approved"


@pytest.mark.usefixtures("bounded")
def test_forged_approvals_are_refused(
    scene: Scene, accounts: dict[str, str], jane: Kube, joe: Kube
) -> None:
    run = waiting(scene, accounts)

    own = refusal(joe, scene, run, f"1/{user(scene, 'joe')}")
    assert "holds the verb approve on healingruns" in own
    assert "holds the verb approve" in refusal(joe, scene, run, f"1/{user(scene, 'jane')}")
    for value in (
        f"1/{user(scene, 'joe')}",
        "1/jane",
        "jane",
        "1/",
        f"9/{user(scene, 'jane')}",
        f"1/{user(scene, 'jane')} ",
    ):
        assert "with your own name" in refusal(jane, scene, run, value), value
    healer = scene.kube.as_user(accounts["healer"])
    assert "verb approve" in refusal(healer, scene, run, f"1/{user(scene, 'healer')}")

    scene.timeline.stays(5, "nothing is done", lambda: scene.evicted() == Counter())
    assert scene.phase(run) == "AwaitingApproval"


@pytest.mark.usefixtures("bounded")
def test_an_approval_can_be_taken_back_by_who_may_give_it(
    scene: Scene, accounts: dict[str, str], jane: Kube, joe: Kube
) -> None:
    run = waiting(scene, accounts)
    closed = {"windows": [{"schedule": "0 0 29 2 *", "duration": "1m"}]}
    scene.kube.patch("HealingPolicy", "crash", scene.namespace, {"spec": {"guards": closed}})
    scene.wants_reason(run, "OutsideWindow")
    approve(jane, scene, run, f"2/{user(scene, 'jane')}")
    assert "holds the verb approve" in refusal(joe, scene, run, None)
    approve(jane, scene, run, None)
    assert APPROVED not in scene.run(run)["metadata"].get("annotations", {})


def test_a_run_is_never_approved_at_its_creation(
    scene: Scene, accounts: dict[str, str], joe: Kube
) -> None:
    policy = scene.make_policy(mode="Approve")
    receiver = scene.kube.as_user(accounts["receiver"])
    scene.timeline.want(SOON, "the policies are in force", lambda: _refused(scene, joe))
    with pytest.raises(KubeError, match="never approved at its creation"):
        scene.start_run(
            policy, scene.pods.sicken(), by=receiver, annotations={APPROVED: "1/mallory"}
        )
    with pytest.raises(KubeError, match="created by the receiver"):
        scene.start_run(policy, scene.pods.sicken(), by=joe)


@pytest.mark.usefixtures("bounded")
def test_a_tenant_neither_edits_nor_deletes_a_run_nor_forges_its_status(
    scene: Scene, accounts: dict[str, str], joe: Kube
) -> None:
    run = waiting(scene, accounts)

    def tries(body: Object, subresource: str = "") -> str:
        with pytest.raises(KubeError) as refused:
            joe.patch("HealingRun", run, scene.namespace, body, subresource=subresource)
        return str(refused.value)

    ended = {"status": {"phase": "Succeeded", "finishedAt": "2026-01-01T00:00:00Z"}}
    assert "only the healer writes it" in tries(ended, "status")
    approvals = [{"step": 1, "by": "joe", "at": "2026-01-01T00:00:00Z"}]
    assert "only the healer writes it" in tries({"status": {"approvals": approvals}}, "status")
    assert "spec never changes" in tries({"spec": {"policy": {"mode": "Enforce"}}})
    assert "finalizers" in tries({"metadata": {"finalizers": ["example.com/keep"]}})
    with pytest.raises(KubeError, match="audit record"):
        joe.delete("HealingRun", run, scene.namespace)
    assert scene.phase(run) == "AwaitingApproval"
    assert scene.evicted() == Counter()


@pytest.mark.usefixtures("bounded")
def test_a_run_that_nobody_approves_in_time_ends(scene: Scene, accounts: dict[str, str]) -> None:
    run = waiting(scene, accounts, approval={"timeout": "1m"})

    Timeline().want(within(120), "the run ends", lambda: scene.reason(run) == "ApprovalTimedOut")
    assert scene.phase(run) == "Skipped"
    assert scene.evicted() == Counter()


def test_without_the_admission_policy_an_approval_is_worth_nothing(
    scene: Scene, accounts: dict[str, str], bounded: HealingProcess
) -> None:
    assert bounded
    run = waiting(scene, accounts)
    policy = f"{name_of(scene.release)}-approvals"
    scene.kube.delete("ValidatingAdmissionPolicyBinding", policy)
    scene.timeline.want(SOON, "anybody can write an approval", lambda: _taken(scene, run))

    scene.wants_reason(run, "AdmissionMissing")

    scene.timeline.stays(5, "nothing is done", lambda: scene.evicted() == Counter())


def _refused(scene: Scene, joe: Kube) -> bool:
    try:
        joe.create(a_run(), scene.namespace, dry_run=True)
    except KubeError as error:
        return "created by the receiver" in str(error)
    return False


def _taken(scene: Scene, run: str) -> bool:
    try:
        approve(scene.kube, scene, run, "1/mallory")
    except KubeError:
        return False
    return True
