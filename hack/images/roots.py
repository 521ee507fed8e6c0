"""Root file systems on this machine: unpacks layers into one, and runs a program inside one."""

import os
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from buildcache.failures import BuildError
from images import oci
from images.layers import WHITEOUT


def unpack_archive(archive: Path, root: Path) -> None:
    """Unpack an image archive's layers over each other into root."""
    with tarfile.open(archive) as image:
        for path in oci.layer_paths(image):
            with tarfile.open(fileobj=image.extractfile(path)) as layer:
                _unpack(layer, root)


def unpack_layers(layers: Iterable[Path], root: Path) -> None:
    """Unpack layer files over each other into root."""
    for path in layers:
        with tarfile.open(path) as layer:
            _unpack(layer, root)


def command_inside(
    root: Path,
    argv: Sequence[str],
    *,
    binds: Mapping[Path, str] | None = None,
    environment: Mapping[str, str] | None = None,
    user: str = "",
) -> list[str]:
    """The command that runs argv with root as its root file system, in a new mount namespace.

    /dev and /proc are the machine's. `binds` maps paths of the machine to paths inside, which must
    exist there. The process keeps the caller's network, and its user unless `user` (UID:GID) is
    given; its environment is only what is given.
    """
    mounts = {Path("/dev"): "/dev", Path("/proc"): "/proc", **(binds or {})}
    script = [
        f"mount --rbind {shlex.quote(str(outside))} {shlex.quote(f'{root}{inside}')}"
        for outside, inside in mounts.items()
    ]
    given = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **(environment or {})}
    setting = [f"{name}={value}" for name, value in given.items()]
    identity = [f"--userspec={user}"] if user else []
    script.append(
        shlex.join(["exec", "env", "-i", *setting, _chroot(), *identity, str(root), *argv])
    )
    return ["unshare", "--mount", "--", "sh", "-ec", "\n".join(script)]


def run_inside(
    root: Path, argv: Sequence[str], binds: Mapping[Path, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run argv inside root and return what it wrote and how it ended."""
    return subprocess.run(
        command_inside(root, argv, binds=binds), check=False, capture_output=True, text=True
    )


def _chroot() -> str:
    """Full path of chroot: the given environment's search path is that of the root."""
    return shutil.which("chroot") or "/usr/sbin/chroot"


def needs() -> None:
    """Check that this machine can do what this module does.

    Raises:
        BuildError: It cannot; the message says what is missing.
    """
    if os.geteuid() != 0:
        raise BuildError(
            "images are built as root, because packages are unpacked and run in chroots"
        )
    for program in ("mmdebstrap", "unshare", "chroot"):
        if shutil.which(program) is None:
            raise BuildError(
                f"{program} is missing; install it (apt-get install mmdebstrap util-linux)"
            )


def _unpack(layer: tarfile.TarFile, root: Path) -> None:
    for member in layer:
        path = root / member.name
        if path.name.startswith(WHITEOUT):
            _remove(path.with_name(path.name.removeprefix(WHITEOUT)))
            continue
        if not member.isdir() or path.is_symlink():
            _remove(path)
        # Our own layers hold links to absolute paths and foreign modes; nothing in them is hostile.
        layer.extract(member, root, filter="fully_trusted")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
