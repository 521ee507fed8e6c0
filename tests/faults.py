"""Faults of the test cluster that end with the test.

Exists so that no test, however it fails, leaves a broken cluster to the next one. Never decides
what a fault does: that is `hack/cluster fault`.
"""

from dataclasses import dataclass, field

import pytest

from clusterlink import UNAVAILABLE, ClusterCommand

UNDO = {
    "stop-kubelet": "start-kubelet",
    "stop-containerd": "start-containerd",
    "cut-network": "heal-network",
    "crash-node": "boot-node",
    "fill-disk": "free-disk",
    "stop-etcd": "start-etcd",
    "stop-apiserver": "start-apiserver",
}


@dataclass
class Faults:
    """Breaks the cluster and remembers how to mend it."""

    cluster: ClusterCommand
    broke_something: bool = False
    _standing: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])

    def inject(self, fault: str, *target: str) -> None:
        """Break something; a provider that cannot do so skips the test with its sentence."""
        # Noted first: a fault that fails half-way must be undone as well.
        self._standing.append((UNDO[fault], *target[:1]))
        self.broke_something = True
        outcome = self.cluster.attempt("fault", fault, *target)
        if outcome.code == UNAVAILABLE:
            self._standing.pop()
            pytest.skip(outcome.sentence)
        assert outcome.code == 0, outcome.sentence

    def undo(self, fault: str, *target: str) -> None:
        """Mend what `inject` broke."""
        remedy = (UNDO[fault], *target[:1])
        self.cluster("fault", *remedy)
        if remedy in self._standing:
            self._standing.remove(remedy)

    def undo_all(self) -> None:
        """Mend everything, the last fault first, and go on after a failure.

        Raises:
            ExceptionGroup: something could not be mended.
        """
        errors: list[Exception] = []
        while self._standing:
            try:
                self.cluster("fault", *self._standing.pop())
            except AssertionError as error:
                errors.append(RuntimeError(str(error)))
        if errors:
            raise ExceptionGroup("the cluster is still broken", errors)
