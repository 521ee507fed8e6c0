"""Clusters of a test's own, beside whatever else runs on this machine.

Exists because what starts and removes clusters cannot be tried from inside one. These tests run on
the host.
"""

import secrets
from collections.abc import Generator

import pytest

import leftovers
from clusterlink import ClusterCommand, environment, kubeconfig_path
from testcluster.settings import settings_from


@pytest.fixture(scope="session", autouse=True)
def _on_the_host() -> None:  # pyright: ignore[reportUnusedFunction] - autouse
    if kubeconfig_path() is not None:
        pytest.skip("This runs inside a cluster: leave hack/cluster exec, then pytest.")


@pytest.fixture
def spare() -> Generator[ClusterCommand, None, None]:
    """A cluster that is not up, of a name that nobody else has; removed after the test."""
    name = f"spare-{secrets.token_hex(4)}"
    cluster = ClusterCommand(name)
    yield cluster
    if leftovers.found(name):
        cluster("down")
    assert not leftovers.found(name)
    # The lock must outlive the cluster, or two could hold it; a name that never returns needs none.
    settings_from(name, environment()).lock_file.unlink(missing_ok=True)
