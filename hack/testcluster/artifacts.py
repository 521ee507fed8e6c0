"""What a cluster is made of and others build: programs and images.

The only module that asks the builders.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import images
import programs
from buildcache.failures import BuildError
from images import Image
from testcluster.errors import ClusterError

ADDON_IMAGES = {
    "metrics": ("metrics-server",),
    "monitoring": ("kube-state-metrics", "node-exporter", "prometheus"),
}
NODE_IMAGES = ("pause", "busybox")
"""What every cluster with nodes needs: the sandbox of pods, and the helper of the provisioner."""
CONTROL_PROGRAMS = ("kubebox",)
NODE_PROGRAMS = ("containerd", "containerd-shim-runc-v2", "coredns", "local-path-provisioner")


def program_names(nodes: int) -> tuple[str, ...]:
    """Programs that a cluster with this many nodes runs."""
    return CONTROL_PROGRAMS + (NODE_PROGRAMS if nodes else ())


def addon_image_names(addons: Iterable[str]) -> tuple[str, ...]:
    """Images that these addons run."""
    return tuple(name for addon in addons for name in ADDON_IMAGES[addon])


def ensure_programs(names: Iterable[str]) -> dict[str, Path]:
    """Paths of programs, built when the cache lacks them.

    Raises:
        ClusterError: one cannot be built.
    """
    try:
        return programs.ensure(names)
    except BuildError as error:
        raise ClusterError(str(error)) from error


def ensure_images(names: Iterable[str]) -> dict[str, Image]:
    """Images by name, built when the cache lacks them.

    Raises:
        ClusterError: one cannot be built.
    """
    try:
        return images.ensure(tuple(names))
    except BuildError as error:
        raise ClusterError(str(error)) from error


def place(found: dict[str, Path], directory: Path) -> None:
    """Put programs into a folder under their own names; costs no space on the same disk."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, source in found.items():
        target = directory / name
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError:  # another file system
            shutil.copy(source, target)
