"""The Python parts of our own image: the locked requirements, and the packages of operator/.

Modules are compiled beforehand, because a container keeps nothing that it compiles on a read-only
root.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import Requirement

from buildcache import keys
from buildcache.failures import BuildError
from images import roots, versions

PROJECT = Path(__file__).parent.parent.parent
SOURCES = PROJECT / "operator"
LOCK = PROJECT / "hack" / "requirements" / "runtime.txt"

LIBRARIES = "app/lib"
OWN = "app/src"
COMMANDS = "app/bin"
COMMAND = Path(__file__).parent / "autoglm"

OLDEST_GLIBC_MINOR = 17
"""The oldest C library that wheels are built for. Source: PEP 599, manylinux2014."""

UNUSED_MODULES = ("ensurepip", "idlelib", "pydoc_data", "test", "turtledemo")
"""Parts of the standard library that no server imports."""

LOAD_EXTENSIONS = f"""\
import ctypes, pathlib

for path in sorted(pathlib.Path("/{LIBRARIES}").rglob("*.so")):
    try:
        ctypes.CDLL(path)
    except OSError as error:
        print(path.name, error)
"""
"""Loads every extension module, and so finds the shared libraries that the image lacks."""


def prepare_interpreter(root: Path) -> None:
    """Drop what is unused from the standard library and compile the rest."""
    for library in root.glob("usr/lib/python3.*"):
        for name in UNUSED_MODULES:
            shutil.rmtree(library / name, ignore_errors=True)
    libraries = [f"/{path.relative_to(root)}" for path in root.glob("usr/lib/python3*")]
    _compile(root, libraries)


def install_requirements(root: Path, packages: Mapping[str, str], machine: str) -> None:
    """Install the locked requirements into root and make room for our own packages.

    Raises:
        BuildError: The package index does not answer or lacks a wheel.
    """
    python = versions.upstream(packages["python3"])
    locked = root / "tmp" / "requirements.txt"
    locked.write_text(for_target(LOCK.read_text(), target(python, machine)))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--root-user-action=ignore", "--no-compile", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--target", str(root / LIBRARIES)]
    command += ["--implementation=cp", f"--python-version={python}"]
    command += [f"--platform={tag}" for tag in platforms(packages["libc6"], machine)]
    done = subprocess.run([*command, "--requirement", str(locked)], check=False, stdout=sys.stderr)
    locked.unlink()
    if done.returncode:
        raise BuildError(
            "pip could not install the locked requirements into the image; check that the package "
            "index answers and has wheels for this Python, then run this again"
        )
    _forget_this_machine(root / LIBRARIES)
    _compile(root, [f"/{LIBRARIES}"])
    check_extensions(root)
    (root / OWN).mkdir(parents=True, exist_ok=True)


def _forget_this_machine(libraries: Path) -> None:
    """Remove scripts that name this machine's Python, and the lists that hold their digests."""
    shutil.rmtree(libraries / "bin", ignore_errors=True)
    for record in libraries.glob("*.dist-info/RECORD"):
        record.unlink()


def check_extensions(root: Path) -> None:
    """Check that every extension module finds its shared libraries in the image.

    Raises:
        BuildError: One does not.
    """
    loaded = roots.run_inside(root, ["python3", "-c", LOAD_EXTENSIONS])
    if loaded.returncode or loaded.stdout:
        raise BuildError(
            "the image lacks a shared library; add its package in hack/images/catalogue.py:\n"
            f"{loaded.stdout}{loaded.stderr}"
        )


def install_own(root: Path, part: Path, sources: Mapping[str, str]) -> None:
    """Put our packages and the command `autoglm` into part, compiled by the Python of root.

    Raises:
        BuildError: The packages are no longer those whose digests are given as sources.
    """
    shutil.copytree(SOURCES, part / OWN, ignore=shutil.ignore_patterns(*keys.IGNORED_FOLDERS))
    if keys.tree_digests(part / OWN) != sources:
        raise BuildError("operator/ changed while the image was built; run this again")
    _make_readable(part)
    _compile(root, [f"/{OWN}"], {part / OWN: f"/{OWN}"})
    command = part / COMMANDS / "autoglm"
    command.parent.mkdir(parents=True)
    shutil.copy(COMMAND, command)
    command.chmod(0o755)


def target(python: str, machine: str) -> dict[str, str]:
    """What markers of requirements see in the image. Source: PEP 508, environment markers."""
    return {
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": "linux",
        "extra": "",
    }


def for_target(lock: str, environment: dict[str, str]) -> str:
    """The lines of a lock that hold in that environment, without their markers.

    pip would judge the markers by the Python it runs with, not by the one it installs for.
    """
    kept: list[str] = []
    for line in lock.replace("\\\n", " ").splitlines():
        text = line.split(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        words, *hashes = text.split(" --hash=")
        requirement = Requirement(words)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            hashed = "".join(f" --hash={value.strip()}" for value in hashes)
            kept.append(f"{requirement.name}{requirement.specifier}{hashed}\n")
    return "".join(kept)


def platforms(libc: str, machine: str) -> list[str]:
    """Wheel platforms that run over a C library, the newest first. Source: PEP 600."""
    minor = versions.numbers(versions.upstream(libc))[1]
    tags = [
        f"manylinux_2_{number}_{machine}" for number in range(minor, OLDEST_GLIBC_MINOR - 1, -1)
    ]
    return [*tags, f"manylinux2014_{machine}"]


def _compile(root: Path, folders: list[str], binds: Mapping[Path, str] | None = None) -> None:
    """Compile modules so that Python uses them without looking at their sources' times."""
    command = ["python3", "-m", "compileall", "-q", "-j1", "--invalidation-mode=unchecked-hash"]
    done = roots.run_inside(root, [*command, *folders], binds)
    compiled = any((root / folder.lstrip("/")).rglob("*.pyc") for folder in folders)
    # Some packages hold files that are no Python 3; that they do not compile harms nobody.
    if done.returncode and not compiled and not binds:
        raise BuildError(f"the image's Python cannot compile modules: {done.stderr.strip()}")


def _make_readable(folder: Path) -> None:
    """Give everyone the right to read, whatever the umask of whoever made the checkout."""
    for where, _, files in os.walk(folder):
        Path(where).chmod(0o755)
        for name in files:
            path = Path(where, name)
            path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
