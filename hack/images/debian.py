"""Unpacks Debian packages into a root file system and strips what a container never reads.

Packages are unpacked and not installed: no maintainer script runs, so this takes seconds.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from buildcache.failures import BuildError
from images import aptsources
from images.catalogue import BASE_PACKAGES, NONROOT, Suite

STRIPPED = (
    "dev",
    "usr/lib/*-linux-gnu/gconv",
    "usr/lib/*-linux-gnu/perl*",
    "usr/lib/*-linux-gnu/libperl*",
    "usr/lib/systemd",
    "usr/share/*-linux-gnu/perl*",
    "usr/share/bash-completion",
    "usr/share/bug",
    "usr/share/doc",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/perl*",
    "usr/bin/perl*",
    "usr/sbin/policy-rc.d",
    "var/cache",
    "var/lib/apt",
    "var/lib/dpkg",
    "var/log",
)
"""Documentation, locales, package management, and Perl, which only maintainer scripts use."""

FOLDERS = ("dev", "etc/ssl/certs", "proc", "run", "sys", "tmp", "var/lib", "var/log", "var/tmp")
WORLD_WRITABLE = ("tmp", "var/tmp")

NETWORK_SIGNS = ("Could not resolve", "Failed to fetch", "Unable to connect", "Connection failed")
"""How apt words an archive that does not answer."""


def unpack(suite: Suite, packages: Sequence[str], root: Path) -> dict[str, str]:
    """Unpack base and packages with all they depend on; return the version of each by its name.

    Raises:
        BuildError: The archive does not answer, or does not have them.
    """
    _fetch(suite, [*BASE_PACKAGES, *packages], root)
    versions = _versions(root)
    _strip(root)
    _complete(root)
    return versions


def _fetch(suite: Suite, packages: Sequence[str], root: Path) -> None:
    archives = aptsources.of_this_machine()
    settings = [*aptsources.options(), 'APT::Install-Recommends "false"']
    command = ["mmdebstrap", "--variant=extract", "--format=directory"]
    command += ["--skip=cleanup/apt", "--keyring=/usr/share/keyrings"]
    command += [f"--aptopt={setting}" for setting in settings]
    command += [f"--include={','.join(packages)}", suite.value, str(root)]
    command += archives.lines(suite.value, updates=suite is Suite.STABLE)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(explain(suite, packages, done.stderr))


def explain(suite: Suite, packages: Sequence[str], log: str) -> str:
    """One sentence that says why packages could not be unpacked and what to do."""
    wanted = f"the packages {', '.join(packages)} of Debian {suite.value}"
    if "No space left on device" in log:
        return f"{wanted} cannot be unpacked: the disk is full; free some space"
    if any(sign in log for sign in NETWORK_SIGNS):
        return f"{wanted} cannot be had: the Debian archive of apt's settings does not answer"
    if "is not valid anymore" in log or "is expired" in log:
        return (
            f"{wanted} cannot be had: the index of the Debian archive has expired; use a current "
            "archive, or allow old ones with apt's option Acquire::Check-Valid-Until"
        )
    errors = "\n".join(line for line in log.splitlines() if line.startswith("E: "))
    return f"{wanted} cannot be unpacked; mmdebstrap says:\n{errors or log.strip()}"


def _versions(root: Path) -> dict[str, str]:
    """Versions of the packages that apt fetched, from their file names."""
    parts = (
        path.stem.split("_") for path in sorted((root / "var/cache/apt/archives").glob("*.deb"))
    )
    return {name: unquote(version) for name, version, _ in parts}


def _strip(root: Path) -> None:
    for pattern in STRIPPED:
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _complete(root: Path) -> None:
    """Make what maintainer scripts would have made: merged /usr, users, authorities."""
    for name in ("bin", "sbin", "lib", "lib64"):
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in WORLD_WRITABLE:
        (root / name).chmod(0o1777)
    write_users(root)
    authorities = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    bundle = b"".join(path.read_bytes() for path in authorities)
    (root / "etc/ssl/certs/ca-certificates.crt").write_bytes(bundle)


def write_users(root: Path) -> None:
    """Write the only two users: root, and the one that programs run as."""
    uid, gid = NONROOT.split(":")
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/passwd").write_text(
        f"root:x:0:0::/:/sbin/nologin\nnonroot:x:{uid}:{gid}::/tmp:/sbin/nologin\n"
    )
    (root / "etc/group").write_text(f"root:x:0:\nnonroot:x:{gid}:\n")
