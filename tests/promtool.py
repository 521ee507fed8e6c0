"""promtool, as it lies in the image that the test cluster's Prometheus runs from.

Exists so that no test needs it installed. Never talks to a Prometheus.
"""

import shutil

import images
from buildcache.failures import BuildError


def command() -> list[str]:
    """The command that starts promtool, with the image's own C library.

    Raises:
        BuildError: neither the image nor the machine has one.
    """
    try:
        root = images.ensure(["prometheus"])["prometheus"].rootfs
    except BuildError:
        found = shutil.which("promtool")
        if found is None:
            raise
        return [found]
    (loader,) = root.glob("usr/lib/*/ld-linux-*.so.*")
    return [str(loader), "--library-path", str(loader.parent), str(root / "usr/bin/promtool")]
