"""What people type, as themselves, on a real API server: approve, read, export."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

import people
from chart_accounts import name_of
from healing_objects import SOON, Scene
from kubeconfig import Access, Object, write
from people import Person

STEPS: list[Object] = [
    {"action": "Restart", "restart": {"scope": "Pod"}},
    {"action": "Restart", "restart": {"scope": "Workload"}},
]


@pytest.fixture
def jane(scene: Scene, accounts: dict[str, str], access: Access, tmp_path: Path) -> Person:
    """Somebody with a certificate who may approve in the namespace."""
    assert accounts
    person = people.with_certificate(scene.kube, access, tmp_path, "jane@example.com")
    people.bind(scene.kube, scene.namespace, person.name, f"{name_of(scene.release)}-approver")
    return person


@pytest.fixture
def joe(scene: Scene, access: Access, tmp_path: Path) -> Person:
    """Somebody with a certificate who may change runs but not approve them."""
    person = people.with_certificate(scene.kube, access, tmp_path, "joe@example.com")
    people.a_role(scene.kube, scene.namespace, "runs", ["healingruns"], ["get", "list", "patch"])
    people.bind(scene.kube, scene.namespace, person.name, "runs", "Role")
    return person


def waiting(scene: Scene, accounts: dict[str, str], **spec: object) -> str:
    """A run that waits for approval, stored by the receiver's account."""
    policy = scene.make_policy(mode="Approve", **spec)
    receiver = scene.kube.as_user(accounts["receiver"])
    run = scene.start_run(policy, scene.pods.sicken(), by=receiver)
    scene.wants_phase(run, "AwaitingApproval")
    return run


def approvals(scene: Scene, run: str) -> list[tuple[int, str]]:
    """Who approved which step, by the record."""
    found = scene.run(run).get("status", {}).get("approvals", [])
    return [(each["step"], each["by"]) for each in found]


@pytest.mark.usefixtures("bounded")
def test_each_step_is_approved_by_a_persons_own_name(
    scene: Scene, accounts: dict[str, str], jane: Person
) -> None:
    run = waiting(scene, accounts)

    said = jane.types("approve", run, "--namespace", scene.namespace)

    assert said.code == 0, said.err
    assert said.out == (
        f"Approved step 1 (Restart) of {scene.namespace}/{run} as jane@example.com.\n"
    )
    scene.wants_phase(run, "Succeeded")
    assert approvals(scene, run) == [(1, "jane@example.com")]
    over = jane.types("approve", run, "-n", scene.namespace)
    assert over.code == 1
    assert over.err == f"autoglm: HealingRun {run} is Succeeded and waits for no approval.\n"


@pytest.mark.usefixtures("bounded")
def test_an_approval_counts_for_the_step_that_was_seen_and_no_other(
    scene: Scene, accounts: dict[str, str], jane: Person
) -> None:
    scene.pods.hopeless = True
    run = waiting(scene, accounts, ladder=STEPS, verify={"stabilization": "1s", "timeout": "5s"})
    assert jane.types("approve", run, "-n", scene.namespace, "--step", "1").code == 0

    def second_waits() -> bool:
        status = scene.run(run)["status"]  # one look: between two the first step may begin
        return status["phase"] == "AwaitingApproval" and len(status.get("steps", [])) == 1

    scene.timeline.want(SOON, "the second step waits", second_waits)
    annotations = scene.run(run)["metadata"]["annotations"]
    assert annotations["autoglm.io/approved"] == "1/jane@example.com"

    stale = jane.types("approve", run, "-n", scene.namespace, "--step", "1")

    assert stale.code == 1
    assert f"It is step 2 of HealingRun {run} that waits for approval, not step 1" in stale.err
    scene.timeline.stays(5, "the old approval starts nothing", lambda: scene.revisions() == 1)
    assert jane.types("approve", run, "-n", scene.namespace, "--step", "2").code == 0
    scene.timeline.want(SOON, "the second step begins", lambda: scene.revisions() == 2)
    assert approvals(scene, run) == [(1, "jane@example.com"), (2, "jane@example.com")]


@pytest.mark.usefixtures("bounded")
def test_who_lacks_the_right_reads_who_has_it(
    scene: Scene, accounts: dict[str, str], joe: Person
) -> None:
    run = waiting(scene, accounts)

    said = joe.types("approve", run, "-n", scene.namespace)

    assert (said.code, said.out) == (1, "")
    assert "Only who holds the verb approve on healingruns approves a step" in said.err
    assert f"binds the ClusterRole {name_of(scene.release)}-approver" in said.err
    assert "Traceback" not in said.err
    scene.timeline.stays(5, "nothing is done", lambda: scene.evicted() == Counter())


@pytest.mark.usefixtures("healer")
def test_a_run_reads_as_a_timeline(scene: Scene, joe: Person) -> None:
    scene.pods.hopeless = True
    policy = scene.make_policy(ladder=STEPS, verify={"stabilization": "1s", "timeout": "5s"})
    pod = scene.pods.sicken()
    sick, run = pod["metadata"]["name"], scene.start_run(policy, pod)
    scene.timeline.want(SOON, "the second step begins", lambda: scene.revisions() == 2)
    scene.pods.hopeless = False
    scene.pods.sick.clear()
    scene.timeline.want(SOON, "the run ends", lambda: "finishedAt" in scene.run(run)["status"])
    people.works_in(joe, scene.namespace)

    said = joe.types("timeline", run)

    assert said.code == 0, said.err
    heading, *events, last = said.lines
    assert heading == f"{scene.namespace}/{run}  policy crash  Deployment web"
    told = [line.split(" s  ", 1)[1] for line in events]
    seen = re.compile(r" \(\d of 2 pods available, \d+ restarts\)$")
    assert [seen.sub("", line) for line in told][:6] == [
        "alert KubePodCrashLooping began to fire (Alertmanager)",
        "run stored",
        f"step 1 Restart begun: Evict Pod {sick}",
        f"step 1 Restart Succeeded: Pod {sick} was evicted.",
        "step 1 Restart did not help",
        "step 2 Restart begun: RollOut Deployment web",
    ]
    assert all(seen.search(told[number]) for number in (2, 4, 5))
    assert [line[:24] for line in events] == sorted(line[:24] for line in events)
    assert last.startswith(f"{scene.phase(run)}: ")


@pytest.mark.usefixtures("healer")
def test_kubectl_describe_reads_as_a_timeline_too(scene: Scene, admin: Person) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not on the path: run this inside of hack/cluster exec.")
    run = scene.start_run(scene.make_policy(), scene.pods.sicken())
    scene.wants_phase(run, "Succeeded")
    namespace = scene.namespace

    def events() -> list[str]:
        told = admin.runs(kubectl, "describe", "hr", run, "-n", namespace).out
        return told.partition("Events:")[2].splitlines()

    scene.timeline.want(SOON, "the end is told", lambda: any("Healed" in line for line in events()))
    said = admin.runs(kubectl, "describe", "hr", run, "-n", namespace).out
    # The journal reads from the step's begin to the end of its verification.
    for word in ("Alert:", "Starts At:", "Conditions:", "Finished At:", "Steps:", "Before:"):
        assert word in said
    told = [line.split()[1] for line in events() if line.strip() and "----" not in line][1:]
    assert told == ["ActionStarted", "VerificationPending", "Healed"]
    row = admin.runs(kubectl, "get", "hr", run, "-n", namespace).out.splitlines()
    assert row[0].split()[:6] == ["NAME", "ALERT", "KIND", "TARGET", "PHASE", "STEPS"]
    assert row[1].split()[1:6] == [
        "KubePodCrashLooping",
        "Deployment",
        "web",
        "Succeeded",
        "Succeeded",
    ]


@pytest.mark.usefixtures("healer")
def test_runs_are_exported_as_lines_of_json_the_oldest_first(scene: Scene, joe: Person) -> None:
    policy = scene.make_policy(mode="DryRun")
    runs: list[str] = []
    for number in range(3):
        pod = scene.pods.sicken()
        fingerprint = f"{number:016x}"
        runs.append(scene.start_run(policy, pod, fingerprint=fingerprint))
        scene.wants_phase(runs[-1], "Skipped")
        # Creation times have whole seconds.
        scene.timeline.stays(1.1, "a second passes", lambda: True)

    said = joe.types("export", "--namespace", scene.namespace)

    assert said.code == 0, said.err
    exported = [json.loads(line) for line in said.lines]
    assert [each["metadata"]["name"] for each in exported] == runs
    for each in exported:
        live = scene.run(each["metadata"]["name"])
        live["metadata"].pop("managedFields")
        assert each == live
    assert joe.types("export", "-n", scene.namespace, "--policy", "other").out == ""
    assert len(joe.types("export", "-n", scene.namespace, "--policy", "crash").lines) == 3
    everywhere = joe.types("export")
    assert everywhere.code == 1
    assert "cannot list resource" in everywhere.err


def test_what_is_not_there_is_said_in_one_sentence(scene: Scene, joe: Person) -> None:
    for command in ("approve", "timeline"):
        said = joe.types(command, "nothing", "-n", scene.namespace)
        assert (said.code, said.out) == (1, "")
        assert said.err == (
            f"autoglm: There is no HealingRun nothing in namespace {scene.namespace}:"
            " see kubectl get hr -A.\n"
        )


def test_an_api_server_that_is_away_is_said_in_one_sentence(tmp_path: Path, access: Access) -> None:
    away = Access("https://127.0.0.1:9", ca=access.ca, token="none")  # noqa: S106 - no secret
    nobody = Person("nobody", write(tmp_path / "away.kubeconfig", away))
    for words in (("timeline", "x"), ("export",), ("leases",)):
        said = nobody.types(*words)
        assert (said.code, said.out) == (1, "")
        assert said.err.startswith("autoglm: ")
        assert "Traceback" not in said.err
