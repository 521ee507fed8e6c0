"""Builds what is missing into the cache and says where each program lies."""

import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from buildcache import keys, places, progress, publishing
from buildcache.failures import BuildError
from programs import toolchain
from programs.catalogue import Program, chosen
from programs.toolchain import Toolchain

FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false")
"""The same sources give the same program wherever the checkout lies and whatever its Git state."""

SILENCE_SECONDS = 20
"""Longest time without a line of progress; arbitrary, short enough not to look hung."""

NETWORK_SIGNS = (
    "dial tcp",
    "i/o timeout",
    "TLS handshake",
    "connection re",
    "server response",
    "EOF",
)
"""How the Go client words a module proxy that does not answer or refuses."""


def ensure(names: Iterable[str]) -> dict[str, Path]:
    """Paths of the named programs; those the cache does not hold are built first.

    Raises:
        BuildError: A name is unknown, or a program cannot be built.
    """
    programs = chosen(names)
    if not programs:
        return {}
    go = toolchain.find()
    return {program.name: _ensure(program, go) for program in programs}


def program_key(program: Program, go: Toolchain) -> str:
    """Key of all that decides the program: sources, sums, flags, Go version, machine type."""
    return keys.key_of(
        {
            "name": program.name,
            "package": program.package,
            "tags": program.tags,
            "flags": [*FLAGS, program.linker_flags],
            "go": [go.version, go.architecture],
            "sources": keys.tree_digests(program.folder),
        }
    )


def _ensure(program: Program, go: Toolchain) -> Path:
    folder, key = places.folder("programs"), program_key(program, go)
    target = publishing.thing(folder, program.name, key, lambda part: _compile(program, go, part))
    return target / program.name


def _compile(program: Program, go: Toolchain, folder: Path) -> None:
    """Run the Go client, with a line of progress now and then; the log stays only while it runs."""
    begin = time.monotonic()
    progress.say(f"{program.name}: building with {go.version}")
    result, log = folder / program.name, folder / "build.log"
    command = [str(go.command), "build", *FLAGS, "-tags", program.tags]
    command += ["-ldflags", program.linker_flags, "-o", str(result), program.package]
    with log.open("w") as stderr:
        running = subprocess.Popen(
            command, cwd=program.folder, env=toolchain.environment(), stdout=stderr, stderr=stderr
        )
        try:
            code = _wait(running, program.name, log)
        finally:
            running.kill()  # only when interrupted: otherwise it has ended
            running.wait()
    if code:
        raise BuildError(explain(program.name, log.read_text()))
    log.unlink()
    size = result.stat().st_size // 1_000_000
    progress.say(f"{program.name}: built in {time.monotonic() - begin:.0f} s, {size} MB")


def _wait(running: subprocess.Popen[bytes], name: str, log: Path) -> int:
    while True:
        try:
            return running.wait(timeout=SILENCE_SECONDS)
        except subprocess.TimeoutExpired:
            modules = log.read_text().count("go: downloading ")
            progress.say(
                f"{name}: still building" + (f", {modules} modules fetched" * bool(modules))
            )


def explain(name: str, log: str) -> str:
    """One sentence that says why a build failed and what to do."""
    lines = [line for line in log.splitlines() if line and not line.startswith("go: downloading ")]
    last = lines[-1].strip() if lines else "no message"
    if "no space left on device" in log:
        return f"{name} cannot be built: the disk is full; free some space or move GOCACHE"
    if any(sign in last for sign in NETWORK_SIGNS):
        return (
            f"{name} cannot be built: the Go module proxy gave no module ({last}); check the "
            "network and `go env GOPROXY`, then run this again"
        )
    shown = "\n".join(lines[-20:])
    return f"{name} does not compile; the Go client says:\n{shown}"
