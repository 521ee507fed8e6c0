"""From a stored run to a cleaned disk by one Job; what breaks on its way is in test_faults.py."""

import copy
from collections.abc import Callable, Generator

import pytest

from autoglm_api.healingladder import CleanDiskOptions
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_operator.manifests.cleaning import CleaningSite
from autoglm_operator.manifests.cleaning import job as manifest
from chart_accounts import bounded_healer, granted, healer_deployment, jobs_of
from cleaning_scenes import CleaningScene, PlayedCleaner, a_report
from healing_objects import SOON, MakeProcess, token_of
from healing_processes import HealingProcess, running
from kube import Kube, KubeError
from kubeconfig import Object
from node_scenes import LEASES
from timeline import Timeline, within


@pytest.fixture
def process(make_process: MakeProcess, namespace: str, jobs: str) -> HealingProcess:
    """A healer that may clean disks for policies of the test's namespace."""
    return make_process(
        "healer",
        node_healing="true",
        trusted_namespaces=namespace,
        node_jobs_namespace=jobs,
        image="autoglm:1",
    )


@pytest.fixture
def acting(process: HealingProcess) -> Generator[HealingProcess]:
    """That healer, running."""
    with running(process):
        yield process


@pytest.mark.usefixtures("acting")
def test_a_full_disk_is_cleaned_by_one_job_and_its_measure_is_kept(cleaning: CleaningScene) -> None:
    scene, policy = cleaning.scene, cleaning.policy()
    scene.wants_accepted()

    run = cleaning.start(policy)

    scene.wants_phase(run, "Succeeded")
    (job,) = cleaning.jobs()
    step = cleaning.step(run)
    assert step["intent"]["job"] == job["metadata"]["name"]
    assert step["intent"]["jobUid"] == job["metadata"]["uid"]
    assert job["spec"]["template"]["spec"]["nodeName"] == cleaning.node
    gained = step["after"]["disk"]["freeBytes"] - step["before"]["disk"]["freeBytes"]
    assert gained == 100 * 2**20
    assert (step["before"]["disk"]["pressure"], step["after"]["disk"]["pressure"]) == (True, False)
    scene.timeline.want(
        SOON, "the policy names its run", lambda: "lastRun" in scene.policy()["status"]
    )


@pytest.mark.usefixtures("acting")
def test_too_little_is_reported_with_what_takes_the_most(cleaning: CleaningScene) -> None:
    cleaning.cleaner.report = a_report(freed_mib=1)

    run = cleaning.start(cleaning.policy())

    cleaning.scene.wants_phase(run, "Escalated")
    step = cleaning.step(run)
    assert (step["outcome"], step["reason"]) == ("Failed", "FreedTooLittle")
    assert "/var/log/app 900 MiB" in step["message"]
    assert "disk" in step["after"]


@pytest.mark.usefixtures("acting")
def test_a_job_that_somebody_deletes_is_not_made_anew(cleaning: CleaningScene) -> None:
    cleaning.cleaner.holds = True
    run = cleaning.start(cleaning.policy())
    cleaning.scene.timeline.want(
        SOON, "the Job was seen", lambda: "jobUid" in cleaning.step(run).get("intent", {})
    )

    (job,) = cleaning.jobs()
    cleaning.scene.kube.delete("Job", job["metadata"]["name"], cleaning.cleaner.namespace)

    cleaning.scene.wants_phase(run, "Escalated")
    assert (cleaning.made(), cleaning.step(run)["reason"]) == (1, "JobFailed")
    cleaning.cleaner.holds = False


@pytest.mark.usefixtures("acting")
def test_a_disk_that_is_full_again_is_not_cleaned_again(cleaning: CleaningScene) -> None:
    scene, policy = cleaning.scene, cleaning.policy()
    scene.wants_phase(cleaning.start(policy), "Succeeded")

    again = scene.start_run(
        policy,
        {"metadata": {"name": cleaning.node}},
        fingerprint="ffff",
        labels={"alertname": "KubeNodeDiskPressure", "node": cleaning.node},
    )

    scene.wants_phase(again, "Skipped")
    assert scene.reason(again, "Accepted") == "DiskRefilled"
    assert cleaning.made() == 1


@pytest.mark.usefixtures("acting")
def test_a_paused_policy_cleans_nothing(cleaning: CleaningScene) -> None:
    run = cleaning.start(cleaning.policy(paused=True))

    cleaning.scene.wants_phase(run, "Held")
    cleaning.scene.timeline.stays(5, "no Job is made", lambda: cleaning.made() == 0)


def test_a_policy_of_a_namespace_that_nobody_trusts_cleans_nothing(
    cleaning: CleaningScene, make_process: MakeProcess, jobs: str
) -> None:
    healer = make_process(
        "healer", node_healing="true", node_jobs_namespace=jobs, image="autoglm:1"
    )
    with running(healer):
        run = cleaning.start(cleaning.policy())

        cleaning.scene.wants_phase(run, "Skipped")
    assert cleaning.made() == 0
    assert cleaning.scene.reason(run, "Accepted") == "TargetNotAllowed"


ENABLED = ("nodeHealing.enabled=true", "nodeHealing.leaseNamespace.create=false")


@pytest.fixture
def chart(kube: Kube, release: str, namespace: str) -> Generator[dict[str, str]]:
    """Tokens of the chart's accounts, and its namespace for Jobs with the policies in force."""
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LEASES}})
    with granted(kube, release, namespace, settings=ENABLED) as tokens:
        yield tokens


@pytest.fixture
def jobs_of_chart(chart: dict[str, str], release: str) -> str:
    """The chart's namespace for Jobs."""
    assert chart
    return jobs_of(release)


def test_with_the_rights_of_the_chart_the_healers_job_is_let_in(
    cleaning: CleaningScene,
    chart: dict[str, str],
    jobs_of_chart: str,
    make_process: MakeProcess,
    kube: Kube,
) -> None:
    release = cleaning.scene.release
    image = the_healers(kube, release)["AUTOGLM_IMAGE"]
    healer = bounded_healer(
        make_process,
        kube,
        release,
        chart,
        trusted_namespaces=cleaning.scene.namespace,
        node_healing="true",
        node_jobs_namespace=jobs_of_chart,
        image=image,
    )
    policy = cleaning.policy()
    cleaner = PlayedCleaner(kube, jobs_of_chart, fleet=cleaning.fleet)
    with running(healer), cleaner.playing():
        run = runs_receiver_made(cleaning, policy, chart["receiver"])

        cleaning.scene.wants_phase(run, "Succeeded")
    forbidden = [record.call for record in cleaning.scene.proxy.records() if record.status == 403]
    assert [str(call) for call in forbidden] == []


def the_healers(kube: Kube, release: str) -> dict[str, str]:
    """Variables of the chart's healer."""
    deployment = kube.get("Deployment", healer_deployment(kube, release), release)
    assert deployment is not None
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    return {each["name"]: str(each.get("value", "")) for each in env}


def test_with_the_rights_of_the_chart_nobody_else_gets_anything_in(
    cleaning: CleaningScene, chart: dict[str, str], jobs_of_chart: str, kube: Kube
) -> None:
    healer = kube.as_user(chart["healer"])
    image = the_healers(kube, cleaning.scene.release)["AUTOGLM_IMAGE"]
    job = the_job(jobs_of_chart, image, cleaning.node)
    timeline = cleaning.scene.timeline

    def refuses_the_admin() -> bool:
        return refusal(kube, job, dry_run=True) is not None

    timeline.want(within(60), "the policies are in force", refuses_the_admin)
    assert "made by the healer" in str(refusal(kube, job))
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": jobs_of_chart}}
    spec = copy.deepcopy(job["spec"]["template"]["spec"])
    assert "made by the healer's Jobs" in str(refusal(kube, {**pod, "spec": spec}))

    assert refusal(healer, job) is None
    for change in ({"parallelism": 2}, {"backoffLimit": 1}, {"activeDeadlineSeconds": 7200}):
        wider = {**job, "metadata": {**job["metadata"], "name": "wider"}}
        wider["spec"] = {**job["spec"], **change}
        assert "one pod once" in str(refusal(healer, wider)), change
    with pytest.raises(KubeError, match="are not changed"):
        kube.patch("Job", "clean", jobs_of_chart, {"spec": {"parallelism": 9}})


def container_of(spec: Object) -> Object:
    container: Object = spec["containers"][0]
    return container


def named(name: str, among: list[Object]) -> Object:
    return next(each for each in among if each["name"] == name)


TWISTS: dict[str, tuple[Callable[[Object], object], str]] = {
    "image": (lambda spec: container_of(spec).update(image="evil:1"), "own image"),
    "second container": (
        lambda spec: spec["containers"].append({**container_of(spec), "name": "two"}),
        "one container",
    ),
    "init container": (
        lambda spec: spec.update(initContainers=[{**container_of(spec), "name": "two"}]),
        "one container",
    ),
    "command": (lambda spec: container_of(spec).update(command=["sh"]), "hold-image"),
    "arguments": (lambda spec: container_of(spec).update(args=["operator"]), "hold-image"),
    "environment": (
        lambda spec: container_of(spec)["env"].append({"name": "PYTHONPATH", "value": "/node/tmp"}),
        "AUTOGLM_",
    ),
    "hook": (
        lambda spec: container_of(spec).update(lifecycle={"preStop": {"exec": {"command": ["x"]}}}),
        "hold-image",
    ),
    "the root": (
        lambda spec: spec["volumes"].append({"name": "logs2", "hostPath": {"path": "/"}}),
        "nothing else",
    ),
    "a path under another's name": (
        lambda spec: named("tmp", spec["volumes"])["hostPath"].update(path="/var/lib"),
        "nothing else",
    ),
    "a secret": (
        lambda spec: spec["volumes"].append({"name": "volumes2", "secret": {"secretName": "x"}}),
        "nothing else",
    ),
    "a folder in another's place": (
        lambda spec: named("logs", container_of(spec)["volumeMounts"]).update(mountPath="/node/x"),
        "nowhere else",
    ),
    "a part of a folder": (
        lambda spec: container_of(spec)["volumeMounts"][0].update(subPath="../etc"),
        "",
    ),
    "host processes": (lambda spec: spec.update(hostPID=True), "no namespace"),
    "host network": (lambda spec: spec.update(hostNetwork=True), "no namespace"),
    "a token": (lambda spec: spec.update(automountServiceAccountToken=True), "no API token"),
    "privileged": (
        lambda spec: container_of(spec).update(securityContext={"privileged": True}),
        "no privilege",
    ),
    "capabilities": (
        lambda spec: container_of(spec)["securityContext"]["capabilities"]["add"].append(
            "SYS_ADMIN"
        ),
        "capabilities",
    ),
    "a writable root": (
        lambda spec: container_of(spec)["securityContext"].update(readOnlyRootFilesystem=False),
        "read-only",
    ),
}


@pytest.mark.parametrize("twist", TWISTS)
def test_even_of_the_healer_only_the_cleaners_pod_is_let_in(
    chart: dict[str, str],
    jobs_of_chart: str,
    kube: Kube,
    release: str,
    timeline: Timeline,
    twist: str,
) -> None:
    # The controller of Jobs makes the pods; its account is taken here to see the answer at once.
    controller = kube.as_user(token_of(kube, "kube-system", "job-controller", audience=""))
    assert chart
    job = the_job(jobs_of_chart, the_healers(kube, release)["AUTOGLM_IMAGE"], "node1")
    spec: Object = job["spec"]["template"]["spec"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": jobs_of_chart}}
    timeline.want(
        within(60),
        "the pod as it is built is let in",
        lambda: refusal(controller, {**pod, "spec": spec}, dry_run=True) is None,
    )
    change, words = TWISTS[twist]
    change(spec)

    def refused() -> bool:
        found = refusal(controller, {**pod, "spec": spec}, dry_run=True)
        return found is not None and words in found

    timeline.want(within(60), "the changed one is refused", refused)


def the_job(namespace: str, image: str, node: str) -> Object:
    """The Job that the healer makes."""
    site = CleaningSite(namespace, image)
    return manifest(site, "clean", node, CleanDiskOptions(), size_bytes=1)


def refusal(kube: Kube, obj: Object, *, dry_run: bool = False) -> str | None:
    """Why an object is refused; None if it was made."""
    try:
        kube.create(obj, dry_run=dry_run)
    except KubeError as error:
        return error.message
    return None


def runs_receiver_made(cleaning: CleaningScene, policy: HealingPolicy, token: str) -> str:
    """Store the run as the receiver: nobody else may."""
    cleaning.fleet.fill(cleaning.node)
    told = {"alertname": "KubeNodeDiskPressure", "node": cleaning.node}
    about = {"metadata": {"name": cleaning.node}}
    receiver = cleaning.scene.kube.as_user(token)
    return cleaning.scene.start_run(policy, about, by=receiver, labels=told)
