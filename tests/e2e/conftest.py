"""Fixtures of tests that need real nodes.

Exists so that such a test asks for an image or an addon and gets it, or is skipped with the
sentence that says what is missing.
"""

from collections.abc import Callable

import pytest

import images
from clusterlink import UNAVAILABLE, ClusterCommand
from kube import Kube
from kubeconfig import Object

Image = Callable[[str], str]


@pytest.fixture(scope="session")
def nodes(cluster: ClusterCommand, kube: Kube) -> list[str]:
    """Names of the nodes; a cluster without any skips the test."""
    assert cluster is not None
    names = sorted(str(node["metadata"]["name"]) for node in kube.list("Node"))
    if not names:
        pytest.skip("The cluster has no nodes: hack/cluster up --nodes 2.")
    return names


@pytest.fixture(scope="session")
def image(cluster: ClusterCommand) -> Image:
    """Build an image unless it is cached, make it usable in pods, return its reference."""
    loaded: dict[str, str] = {}

    def usable(name: str) -> str:
        if name not in loaded:
            outcome = cluster.attempt("image", "load", name)
            if outcome.code == UNAVAILABLE:
                pytest.skip(outcome.sentence)
            assert outcome.code == 0, outcome.sentence
            loaded[name] = images.ensure([name])[name].reference
        return loaded[name]

    return usable


@pytest.fixture(scope="session")
def busybox(image: Image) -> str:
    """Reference of an image with a shell and the small tools."""
    return image("busybox")


@pytest.fixture(scope="session")
def metrics(kube: Kube) -> Object:
    """The metrics API's registration; without metrics-server the test is skipped."""
    service = kube.get("APIService", "v1beta1.metrics.k8s.io")
    if service is None:
        pytest.skip("The cluster has no metrics-server: hack/cluster up --with metrics.")
    return service
