import pytest

from autoglm_api import labels
from autoglm_operator.decisions.podtroubles import trouble
from operator_views import Object, a_pod


def sick(name: str = "p", **container: object) -> Object:
    pod = a_pod(name, ready=False)
    pod["status"]["containerStatuses"] = [{"name": "server", **container}]
    return pod


def checked(message: str, field: str = "state") -> Object:
    pod = a_pod("p", ready=False)
    ended = {"terminated": {"exitCode": 1, "message": message}}
    pod["status"]["initContainerStatuses"] = [{"name": "artifact", field: ended}]
    return pod


def unschedulable(name: str = "p") -> Object:
    pod = a_pod(name, "", ready=False)
    pod["status"]["conditions"].append({"type": "PodScheduled", "reason": "Unschedulable"})
    return pod


def incomplete(message: str) -> Object:
    pod = a_pod("p", ready=False)
    pod["metadata"]["annotations"] = {labels.MODEL: "sim"}
    pod["status"]["conditions"] += [
        {"type": "ContainersReady", "status": "True"},
        {"type": labels.COMPLETION, "status": "False", "message": message},
    ]
    return pod


def said(*pods: Object) -> tuple[str, str] | None:
    found = trouble([], pods)
    return None if found is None else (found.reason, found.message)


def test_a_pod_that_only_needs_time_is_in_no_trouble() -> None:
    creating = sick(state={"waiting": {"reason": "ContainerCreating"}})
    assert said(a_pod("a"), a_pod("b", ready=False), creating) is None
    first = incomplete("")
    assert said(first) is None


def test_a_pod_with_an_address_has_a_node() -> None:
    pod = unschedulable()
    pod["status"]["podIP"] = "10.0.0.1"
    assert said(pod) is None


def test_a_pod_that_goes_or_is_ready_is_in_no_trouble() -> None:
    going = unschedulable()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    ready = sick(restartCount=3, lastState={"terminated": {"exitCode": 1}})
    ready["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    assert said(going, ready) is None


def test_pods_that_cannot_be_made_come_first() -> None:
    condition = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: gpus"}
    workload: Object = {"metadata": {}, "status": {"conditions": [condition]}}
    fine: Object = {"metadata": {}, "status": {}}
    found = trouble([fine, workload], [unschedulable()])
    assert found is not None
    assert (found.reason, found.message) == (
        "PodsRefused",
        "No pod can be made: exceeded quota: gpus",
    )


def test_names_the_first_pod_that_no_node_takes() -> None:
    found = said(unschedulable("b"), unschedulable("a"))
    assert found == (
        "Unschedulable",
        "No node can take pod a: kubectl describe pod a says why.",
    )


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"])
def test_an_image_that_cannot_be_pulled(reason: str) -> None:
    found = said(sick(state={"waiting": {"reason": reason}}))
    assert found is not None
    assert found[0] == "ImageUnavailable"
    assert "container server" in found[1]


@pytest.mark.parametrize("field", ["state", "lastState"])
@pytest.mark.parametrize("word", ["DigestMismatch", "ArtifactUnreadable"])
def test_what_the_check_of_the_files_says(word: str, field: str) -> None:
    assert said(checked(f"{word}: The files differ.\n", field)) == (word, "The files differ.")


@pytest.mark.parametrize("message", ["", "Killed", "SomethingElse: x"])
def test_another_end_of_the_check_is_a_crash_once_it_comes_back(message: str) -> None:
    pod = checked(message, "lastState")
    assert said(pod) is None
    pod["status"]["initContainerStatuses"][0]["restartCount"] = 1
    found = said(pod)
    assert found is not None
    assert found[0] == "ContainerCrashing"


def test_a_container_that_keeps_ending() -> None:
    backoff = {"waiting": {"reason": "CrashLoopBackOff"}}
    last = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    assert said(sick(state=backoff, lastState=last, restartCount=2)) == (
        "ContainerCrashing",
        "Container server ends with exit code 137 (OOMKilled: raise its memory limit):"
        " kubectl logs p -c server --previous says more.",
    )
    again = said(sick(state={"terminated": {"exitCode": 2}}, restartCount=1))
    assert again is not None
    assert "with exit code 2:" in again[1]
    wrong = said(sick(state={"waiting": {"reason": "CreateContainerConfigError"}}))
    assert wrong is not None
    assert wrong[1].startswith("Container server ends: ")
    assert said(sick(state={"terminated": {"exitCode": 2}})) is None


def test_a_server_whose_completion_fails() -> None:
    found = said(incomplete("The endpoint does not answer as the OpenAI API does."))
    assert found is not None
    assert found[0] == "CompletionPending"
    assert found[1].startswith("Pod p has not completed a chat yet: The endpoint does not")
