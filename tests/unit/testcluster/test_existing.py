"""An existing cluster may be somebody's real one: nothing in it is changed."""

import pytest

from testcluster import faults
from testcluster.errors import UnavailableError, UsageError
from testcluster.providers import Wish
from testcluster.providers.existing import Existing
from testcluster.settings import Settings

EXISTING = Existing(Settings())


@pytest.mark.parametrize("fault", faults.CATALOGUE.values(), ids=lambda fault: fault.name)
def test_refuses_every_fault(fault: faults.Fault) -> None:
    with pytest.raises(UnavailableError, match=fault.name):
        EXISTING.fault(fault, "node1", 300)


def test_refuses_to_install_addons() -> None:
    with pytest.raises(UsageError, match="--with"):
        EXISTING.check(Wish(nodes=2, addons=("metrics",)))


def test_refuses_to_load_images_and_says_how_to_get_them() -> None:
    with pytest.raises(UnavailableError, match="image build autoglm"):
        EXISTING.load_images(["autoglm"])
