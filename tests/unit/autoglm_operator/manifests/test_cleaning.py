"""The Job that cleans a node: which folders, which rights, and nothing besides."""

from datetime import timedelta

import pytest

from autoglm_api.healingladder import CleanDiskOptions, Rubbish
from autoglm_operator.manifests import cleaning
from autoglm_operator.manifests.cleaning import CleaningSite
from autoglm_operator.manifests.pods import Manifest

SITE = CleaningSite("demo-node-jobs", "autoglm@sha256:1", pull_policy="Never")


def the_pod(*remove: Rubbish, site: CleaningSite = SITE) -> Manifest:
    options = CleanDiskOptions(remove=remove) if remove else CleanDiskOptions()
    job = cleaning.job(site, "clean-1", "node1", options, size_bytes=1048576)
    assert job["metadata"]["name"] == "clean-1"
    assert job["metadata"]["namespace"] == site.namespace
    pod: Manifest = job["spec"]["template"]["spec"]
    return pod


def test_runs_once_for_a_limited_time_and_stays_to_be_read() -> None:
    spec = cleaning.job(SITE, "clean-1", "node1", CleanDiskOptions(), size_bytes=1)["spec"]

    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 600)
    # Longer than guards.maxWait may be, so that a run finds the Job that it made.
    assert spec["ttlSecondsAfterFinished"] > timedelta(hours=24).total_seconds()
    assert cleaning.BUDGET_SECONDS < cleaning.DEADLINE_SECONDS


def test_goes_to_a_full_node_by_name_and_priority() -> None:
    pod = the_pod()

    assert (pod["nodeName"], pod["priorityClassName"]) == ("node1", "system-node-critical")
    assert pod["tolerations"] == [{"operator": "Exists"}]


def test_has_few_rights_and_no_token() -> None:
    pod = the_pod()
    (container,) = pod["containers"]

    assert pod["automountServiceAccountToken"] is False
    assert not {"hostPID", "hostNetwork", "hostIPC"} & set(pod)
    security = container["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["DAC_OVERRIDE", "FOWNER", "LEASE"]}
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False


@pytest.mark.parametrize(
    ("remove", "paths"),
    [
        ((Rubbish.LOGS,), {"/var/log"}),
        ((Rubbish.JOURNAL,), {"/var/log"}),
        ((Rubbish.TEMPORARY_FILES,), {"/tmp", "/var/tmp"}),  # noqa: S108 - the node's
        ((Rubbish.IMAGES,), {"/run/containerd/containerd.sock"}),
        ((Rubbish.CONTAINERS,), {"/run/containerd/containerd.sock"}),
    ],
)
def test_mounts_only_what_its_purpose_needs(remove: tuple[Rubbish, ...], paths: set[str]) -> None:
    pod = the_pod(*remove)

    mounted = {each["hostPath"]["path"] for each in pod["volumes"] if "hostPath" in each}
    assert mounted == paths
    mounts = {each["name"] for each in pod["containers"][0]["volumeMounts"]}
    assert mounts == {each["name"] for each in pod["volumes"]}


def test_never_mounts_the_root_or_the_kubelets_folders() -> None:
    for volume in the_pod()["volumes"]:
        path = volume.get("hostPath", {}).get("path", "/x")
        assert path != "/"
        assert not path.startswith(("/var/lib", "/etc", "/var/log/pods"))


def test_tells_the_cleaner_what_the_policy_says() -> None:
    options = CleanDiskOptions(
        remove=(Rubbish.LOGS, Rubbish.IMAGES), minimum_age=timedelta(hours=1)
    )
    job = cleaning.job(SITE, "clean-1", "node1", options, size_bytes=4096)
    env = job["spec"]["template"]["spec"]["containers"][0]["env"]

    assert {each["name"]: each["value"] for each in env} == {
        "AUTOGLM_REMOVE": "Images,Logs",
        "AUTOGLM_MINIMUM_AGE_SECONDS": "3600",
        "AUTOGLM_MINIMUM_SIZE_BYTES": "4096",
        "AUTOGLM_BUDGET_SECONDS": "480",
    }


def test_pulls_with_the_secrets_of_its_namespace() -> None:
    site = CleaningSite("jobs", "autoglm:1", pull_secrets=("registry",))

    assert the_pod(site=site)["imagePullSecrets"] == [{"name": "registry"}]
    assert "imagePullSecrets" not in the_pod()
