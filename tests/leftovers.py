"""What a test cluster has on this machine, found without asking `hack/cluster`.

Exists so that "down leaves nothing" is looked up in the kernel and not in the program under test.
Reads only.
"""

from collections.abc import Iterator
from pathlib import Path

from clusterlink import environment
from testcluster.settings import Settings, settings_from

PROC_SYS = Path("/proc/sys")

RESTLESS = (
    "fs/aio-nr",
    "fs/dentry-state",
    "fs/file-nr",
    "fs/inode-nr",
    "fs/inode-state",
    "fs/quota",
    "kernel/keys",
    "kernel/ns_last_pid",
    "kernel/perf_event_max_sample_rate",
    "kernel/pty/nr",
    "kernel/random",
    "net/netfilter/nf_conntrack_count",
)
"""Below /proc/sys: counters and random numbers, not settings."""


def found(name: str) -> dict[str, list[str]]:
    """Return what there is of the cluster of this name, by kind; no kind without a find."""
    settings = settings_from(name, environment())
    kinds = {
        "processes": list(_processes(settings)),
        "mounts": list(_mounts(settings)),
        "loop devices": list(_loop_devices(settings)),
        "control groups": list(_control_groups(settings)),
        "folders": [str(settings.directory)] if settings.directory.exists() else [],
    }
    return {kind: finds for kind, finds in kinds.items() if finds}


def kernel_settings() -> dict[str, str]:
    """Return every setting of the kernel, of this network namespace too."""
    values: dict[str, str] = {}
    for path in PROC_SYS.rglob("*"):
        setting = str(path.relative_to(PROC_SYS))
        if not path.is_file() or setting.startswith(RESTLESS):
            continue
        try:
            values[setting] = path.read_text(errors="replace")
        except OSError:  # write-only, or of a feature this machine lacks
            continue
    return values


def _processes(settings: Settings) -> Iterator[str]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            groups = (folder / "cgroup").read_text()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # ended meanwhile
            continue
        if f"/{settings.control_group}" in groups or f"{settings.directory}/" in command:
            yield f"{folder.name}: {command[:100]}"


def _mounts(settings: Settings) -> Iterator[str]:
    for line in Path("/proc/mounts").read_text().splitlines():
        if f"{settings.directory}/" in line:
            yield line


def _loop_devices(settings: Settings) -> Iterator[str]:
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            backing = file.read_text().strip()
        except OSError:  # detached meanwhile
            continue
        if backing.startswith(f"{settings.directory}/"):
            yield f"{file.parts[3]}: {backing}"


def _control_groups(settings: Settings) -> Iterator[str]:
    root = Path("/sys/fs/cgroup")
    for pattern in (settings.control_group, f"*/{settings.control_group}"):
        yield from map(str, root.glob(pattern))
