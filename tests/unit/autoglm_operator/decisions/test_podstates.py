from autoglm_api import labels
from autoglm_operator.decisions import podstates
from operator_views import Object, a_pod


def waiting(**conditions: str) -> Object:
    pod = a_pod("p", ready=False)
    pod["metadata"]["annotations"] = {labels.MODEL: "sim", labels.PORT: "8000"}
    pod["status"]["conditions"] += [
        {"type": kind, "status": status} for kind, status in conditions.items()
    ]
    return pod


def test_pods_that_end_or_have_no_address_do_not_serve() -> None:
    going = a_pod("a")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    nowhere = a_pod("b", "")
    assert podstates.ready_pods([going, nowhere, a_pod("d"), a_pod("c")]) == (
        a_pod("c"),
        a_pod("d"),
    )


def test_a_server_that_is_up_awaits_its_first_completion() -> None:
    assert podstates.awaits_completion(waiting(ContainersReady="True"))
    proven = waiting(ContainersReady="True")
    proven["status"]["conditions"].append({"type": labels.COMPLETION, "status": "True"})
    assert not podstates.awaits_completion(proven)
    refused = waiting(ContainersReady="True")
    refused["status"]["conditions"].append({"type": labels.COMPLETION, "status": "False"})
    assert podstates.awaits_completion(refused)


def test_nobody_asks_a_pod_that_cannot_answer() -> None:
    assert not podstates.awaits_completion(waiting(ContainersReady="False"))
    assert not podstates.awaits_completion(waiting())
    assert not podstates.awaits_completion(a_pod("another-role"))
    going = waiting(ContainersReady="True")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not podstates.awaits_completion(going)
    nowhere = waiting(ContainersReady="True")
    del nowhere["status"]["podIP"]
    assert not podstates.awaits_completion(nowhere)


def test_an_outdated_workload_is_not_current() -> None:
    status = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}
    live: Object = {"metadata": {"generation": 1}, "spec": {"replicas": 2}, "status": status}
    assert podstates.workload_is_current(live)
    assert not podstates.workload_is_current({**live, "metadata": {"generation": 2}})
    assert not podstates.workload_is_current({"metadata": {}, "spec": {}})
    for field in ("replicas", "updatedReplicas", "readyReplicas"):
        assert not podstates.workload_is_current({**live, "status": {**status, field: 1}})
