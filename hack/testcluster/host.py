"""Can this machine run nodes? Each check answers with one sentence that says what is missing.

Looks and never changes anything.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from testcluster import configs
from testcluster.cgroups import NEEDED, hierarchies_in
from testcluster.commands import succeeds
from testcluster.errors import ClusterError, UnavailableError
from testcluster.settings import Settings

BASE_TOOLS = ("ip", "nsenter", "setsid", "sysctl", "umount", "unshare")
NODE_TOOLS = ("conntrack", "docker-registry", "mkfs.ext4", "nft", "runc")
NEEDED_MIB = 3072
"""Free space below which `up` is refused: disks of nodes, images and logs of a short run."""


def check(settings: Settings, nodes: int) -> None:
    """Raise when this machine cannot run that many nodes.

    Raises:
        UnavailableError: something is missing for good or needs an installation.
        ClusterError: there is no room now.
    """
    for sentence in _lacking(nodes):
        raise UnavailableError(sentence)
    free = free_mib(settings.state_root)
    if free < NEEDED_MIB:
        raise ClusterError(
            f"{settings.state_root} has {free} MiB free and nodes need {NEEDED_MIB}; "
            "free some space or set AUTOGLM_CLUSTER_STATE to another disk"
        )


def free_mib(path: Path) -> int:
    """Free space where a path is or would be."""
    existing = next(each for each in (path, *path.parents) if each.exists())
    return shutil.disk_usage(existing).free // 2**20


def _lacking(nodes: int) -> Iterator[str]:
    """What is missing, most basic things first."""
    if sys.platform != "linux":
        yield "embedded clusters need Linux; start a Docker engine and use --provider kind"
        return
    if os.geteuid() != 0:
        yield "embedded clusters need root; run this as root, or use --provider kind with Docker"
    missing = missing_tools((*BASE_TOOLS, *(NODE_TOOLS if nodes else ())))
    if missing:
        yield f"{', '.join(missing)} missing; run hack/install-host-packages"
    if not succeeds(["unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "true"]):
        yield "this machine does not allow namespaces; use --provider kind with a Docker engine"
    if nodes:
        yield from _lacking_for_nodes()


def _lacking_for_nodes() -> Iterator[str]:
    if not Path(configs.CNI_PROGRAMS, "ptp").exists():
        yield f"{configs.CNI_PROGRAMS} has no CNI programs; run hack/install-host-packages"
    if not Path("/dev/loop-control").exists():
        yield "this machine has no loop devices, which hold the nodes' disks; load the module loop"
    listing = Path("/proc/filesystems").read_text(encoding="utf-8")
    if not (kernel_has("overlay", listing) or succeeds(["modprobe", "--dry-run", "overlay"])):
        yield "the kernel has no overlay file system for containers; load the module overlay"
    yield from _lacking_controllers()


def _lacking_controllers() -> Iterator[str]:
    hierarchies = hierarchies_in(Path("/proc/self/mountinfo").read_text(encoding="utf-8"))
    if hierarchies.unified:
        offered = (hierarchies.all[0] / "cgroup.controllers").read_text().split()
    else:
        text = Path("/proc/self/cgroup").read_text(encoding="utf-8")
        offered = [name for line in text.splitlines() for name in line.split(":")[1].split(",")]
    missing = sorted(NEEDED - set(offered))
    if missing:
        yield f"the control group controllers {', '.join(missing)} are missing on this machine"
    if not all(os.access(path, os.W_OK) for path in hierarchies.for_resources):
        yield "the control groups are read-only here; run outside of an unprivileged container"


def missing_tools(names: Iterable[str]) -> list[str]:
    """Those of the named programs that are not on the path."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return [name for name in names if shutil.which(name, path=path) is None]


def kernel_has(file_system: str, listing: str) -> bool:
    """Whether a file system is in the text of /proc/filesystems."""
    return any(line.split()[-1:] == [file_system] for line in listing.splitlines())
