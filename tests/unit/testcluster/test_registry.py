"""Names of images in the cluster's registry."""

import pytest

from testcluster.errors import ClusterError
from testcluster.registry import Target, target_of


def test_splits_a_reference() -> None:
    assert target_of("registry.local/team/app:v1") == Target("team/app", "v1")


@pytest.mark.parametrize(
    "reference", ["app:v1", "registry.local/app", "docker.io/app:v1", "registry.local/:v1", ""]
)
def test_refuses_references_that_lead_elsewhere(reference: str) -> None:
    with pytest.raises(ClusterError, match=r"registry\.local/NAME:TAG"):
        target_of(reference)
