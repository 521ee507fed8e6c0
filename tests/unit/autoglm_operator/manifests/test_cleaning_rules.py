"""The whole pod of a cleaning Job, field by field, as the admission policy expects it."""

import pytest

from autoglm_api import cleaning as said
from autoglm_api.healingladder import CleanDiskOptions, Rubbish
from autoglm_operator.manifests import cleaning
from autoglm_operator.manifests.cleaning import CleaningSite
from autoglm_operator.manifests.pods import Manifest


def a_job(site: CleaningSite | None = None, *remove: Rubbish) -> Manifest:
    options = CleanDiskOptions(remove=remove) if remove else CleanDiskOptions()
    site = site or CleaningSite("jobs", "autoglm:1")
    return cleaning.job(site, "clean-1", "node1", options, size_bytes=1)


def the_pod(site: CleaningSite | None = None, *remove: Rubbish) -> Manifest:
    pod: Manifest = a_job(site, *remove)["spec"]["template"]["spec"]
    return pod


def test_job_and_pod_carry_the_labels_that_tell_them_from_others() -> None:
    job = a_job()

    marks = job["metadata"]["labels"]
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    assert marks["app.kubernetes.io/component"] == "clean-disk"
    assert job["spec"]["template"]["metadata"]["labels"] == marks


def test_the_pod_never_restarts_and_ends_soon() -> None:
    pod = the_pod()

    assert pod["restartPolicy"] == "Never"
    assert pod["terminationGracePeriodSeconds"] == 5
    assert pod["enableServiceLinks"] is False


def test_runs_as_root_without_more_rights_than_it_needs() -> None:
    pod = the_pod()
    security = pod["containers"][0]["securityContext"]

    assert pod["securityContext"] == {
        "runAsUser": 0,
        "runAsGroup": 0,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert security["runAsNonRoot"] is False
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "privileged" not in security


def test_starts_the_cleaner_small_and_reads_its_last_words() -> None:
    (container,) = the_pod()["containers"]

    assert (container["name"], container["image"]) == ("clean-disk", "autoglm:1")
    assert container["args"] == ["clean-disk"]
    assert container["terminationMessagePath"] == said.REPORT_PATH
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    assert container["resources"] == {
        "requests": {"cpu": "10m", "memory": "32Mi"},
        "limits": {"memory": "256Mi"},
    }


@pytest.mark.parametrize("policy", ["", "Never"])
def test_an_empty_pull_policy_is_left_to_kubernetes(policy: str) -> None:
    (container,) = the_pod(CleaningSite("jobs", "autoglm:1", pull_policy=policy))["containers"]

    assert container.get("imagePullPolicy", "") == policy
    assert ("imagePullPolicy" in container) is bool(policy)


def test_every_folder_is_where_the_cleaner_looks_for_it() -> None:
    pod = the_pod(CleaningSite("jobs", "autoglm:1", runtime_socket="/run/crio/crio.sock"))

    mounted = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    volumes = {mounted[each["name"]]: each.get("hostPath") for each in pod["volumes"]}
    assert volumes == {
        said.VOLUMES: None,
        said.LOGS: {"path": said.HOST_LOGS, "type": "Directory"},
        said.TEMPORARY: {"path": said.HOST_TEMPORARY, "type": "Directory"},
        said.KEPT_TEMPORARY: {"path": said.HOST_KEPT_TEMPORARY, "type": "Directory"},
        said.RUNTIME_SOCKET: {"path": "/run/crio/crio.sock", "type": "Socket"},
    }


@pytest.mark.parametrize("remove", list(Rubbish))
def test_the_kubelets_disk_is_always_measured(remove: Rubbish) -> None:
    first = the_pod(None, remove)["volumes"][0]

    assert first == {"name": "volumes", "emptyDir": {"sizeLimit": "1Mi"}}


def test_two_sorts_of_one_purpose_share_one_mount() -> None:
    pod = the_pod(None, Rubbish.LOGS, Rubbish.JOURNAL, Rubbish.IMAGES, Rubbish.CONTAINERS)

    assert [each["name"] for each in pod["volumes"]] == ["volumes", "logs", "runtime"]


@pytest.mark.parametrize("secrets", [(), ("one", "two")])
def test_pull_secrets_are_named_only_if_there_are_any(secrets: tuple[str, ...]) -> None:
    pod = the_pod(CleaningSite("jobs", "autoglm:1", pull_secrets=secrets))

    named = [each["name"] for each in pod.get("imagePullSecrets", [])]
    assert named == list(secrets)
    assert ("imagePullSecrets" in pod) is bool(secrets)
