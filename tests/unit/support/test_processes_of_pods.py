"""A container's first process is found by the ids that kubelet and kernel give it."""

from pathlib import Path

import pytest

from kubeconfig import Object
from processes_of_pods import container_id, first_process, restarts


def a_pod() -> Object:
    main = {"name": "haproxy", "containerID": "containerd://c0ffee", "restartCount": 1}
    sidecar = {"name": "agent", "containerID": "containerd://decaf", "restartCount": 0}
    status = {"containerStatuses": [main], "initContainerStatuses": [sidecar]}
    return {"metadata": {"name": "demo-router-1"}, "status": status}


def a_process(proc: Path, pid: int, group: str, numbers: str) -> None:
    entry = proc / str(pid)
    entry.mkdir()
    (entry / "cgroup").write_text(f"0::/node1/kubepods/pod1/{group}\n")
    (entry / "status").write_text(f"Name:\tx\nPid:\t{pid}\nNSpid:\t{numbers}\n")


def test_process_1_of_the_container_is_found_among_all(tmp_path: Path) -> None:
    (tmp_path / "uptime").write_text("1 1")
    (tmp_path / "66").mkdir()  # ended meanwhile
    a_process(tmp_path, 70, "c0ffee", "70\t31\t8")
    a_process(tmp_path, 71, "decaf", "71\t30\t1")
    a_process(tmp_path, 72, "c0ffee", "72\t30\t1")
    assert first_process(a_pod(), "haproxy", tmp_path) == 72


def test_the_machines_own_first_process_is_never_taken(tmp_path: Path) -> None:
    a_process(tmp_path, 1, "c0ffee", "1")
    with pytest.raises(LookupError, match="runs here"):
        first_process(a_pod(), "haproxy", tmp_path)


def test_sidecars_are_known_too() -> None:
    assert container_id(a_pod(), "agent") == "decaf"
    assert restarts(a_pod(), "haproxy") == 1


def test_a_container_that_never_ran_is_named() -> None:
    with pytest.raises(LookupError, match="no running container planner"):
        container_id(a_pod(), "planner")
    assert restarts(a_pod(), "planner") == 0
    assert restarts(None, "planner") == 0
