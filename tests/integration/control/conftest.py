"""Fixtures of tests of the operator against the real API server."""

from collections.abc import Generator
from pathlib import Path

import pytest

from kube import Kube
from operator_process import MakeOperator, OperatorProcess, running
from played_pods import PlayedPods
from recording_proxy import RecordingProxy
from timeline import Timeline, within


@pytest.fixture
def make_operator(
    proxy: RecordingProxy, crds: list[str], namespace: str, tmp_path: Path
) -> MakeOperator:
    """Make a replica that works in the test's namespace through the recording proxy."""
    assert crds

    def make(uid: str) -> OperatorProcess:
        config = tmp_path / "kubeconfig"
        if not config.exists():
            proxy.kubeconfig(config)
        return OperatorProcess(config, namespace, tmp_path, uid)

    return make


@pytest.fixture
def operator(make_operator: MakeOperator) -> Generator[OperatorProcess]:
    """One running replica that holds the Lease.

    Ask for `pods` before it: the servers of pods must outlive whoever talks to them.
    """
    with running(make_operator("one")) as process:
        Timeline().want(
            within(60), "the operator leads", lambda: process.metric("autoglm_leader") == 1
        )
        yield process


@pytest.fixture
def pods(kube: Kube, namespace: str) -> Generator[PlayedPods]:
    """Pods of the namespace become ready by themselves."""
    with PlayedPods(kube, namespace).playing() as played:
        yield played
