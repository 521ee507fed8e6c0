"""Faults end with the test."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from clusterlink import UNAVAILABLE, ClusterCommand, Outcome
from faults import UNDO, Faults
from testcluster.faults import CATALOGUE


@dataclass(frozen=True)
class Told(ClusterCommand):
    """Remembers what it was told; says no to some."""

    refused: Sequence[str] = ()
    code: int = 1
    heard: list[str] = field(default_factory=list[str])

    def attempt(self, *words: str, stdin: str | None = None) -> Outcome:
        assert stdin is None
        self.heard.append(" ".join(words[1:]))
        code = self.code if words[1] in self.refused else 0
        return Outcome(code, "", "It cannot be had." if code else "")


def test_mends_the_last_fault_first() -> None:
    cluster = Told()
    faults = Faults(cluster)
    faults.inject("cut-network", "node1")
    faults.inject("stop-etcd")
    faults.undo_all()
    assert cluster.heard == ["cut-network node1", "stop-etcd", "start-etcd", "heal-network node1"]


def test_does_not_mend_twice() -> None:
    cluster = Told()
    faults = Faults(cluster)
    faults.inject("stop-kubelet", "node2")
    faults.undo("stop-kubelet", "node2")
    faults.undo_all()
    assert cluster.heard == ["stop-kubelet node2", "start-kubelet node2"]


def test_mends_a_fault_that_failed_half_way() -> None:
    cluster = Told(refused=["fill-disk"])
    faults = Faults(cluster)
    with pytest.raises(AssertionError, match="It cannot be had"):
        faults.inject("fill-disk", "node1")
    faults.undo_all()
    assert cluster.heard[-1] == "free-disk node1"


def test_skips_with_the_providers_sentence() -> None:
    faults = Faults(Told(refused=["fill-disk"], code=UNAVAILABLE))
    with pytest.raises(pytest.skip.Exception, match="It cannot be had"):
        faults.inject("fill-disk", "node1")


def test_goes_on_mending_after_a_failure_and_then_says_so() -> None:
    cluster = Told(refused=["start-etcd"])
    faults = Faults(cluster)
    faults.inject("cut-network", "node1")
    faults.inject("stop-etcd")
    with pytest.raises(ExceptionGroup, match="still broken"):
        faults.undo_all()
    assert cluster.heard[-1] == "heal-network node1"


def test_every_fault_of_the_catalogue_can_be_undone() -> None:
    assert set(UNDO) | set(UNDO.values()) == set(CATALOGUE)
