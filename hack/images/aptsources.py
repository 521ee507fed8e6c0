"""Where this machine gets its Debian packages; read from apt's own settings, never written here."""

import dataclasses
import os
import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from buildcache.failures import BuildError

APT = Path("/etc/apt")

PASSED_ON = (
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
    "Acquire::Retries",
    "Acquire::http::Proxy",
    "Acquire::https::Proxy",
)
"""Settings of this machine's apt that also hold when another release is fetched."""


@dataclasses.dataclass(frozen=True)
class Source:
    """One archive and the suites that are taken from it."""

    uri: str
    suites: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Archives:
    """The Debian archives this machine uses."""

    main: str
    security: str = ""
    """Archive of security updates; empty when the machine names none."""

    def lines(self, suite: str, *, updates: bool) -> list[str]:
        """Lines of a sources.list for suite; with updates also those of a stable release."""
        found = [f"deb {self.main} {suite} main"]
        if updates:
            found.append(f"deb {self.main} {suite}-updates main")
            if self.security:
                found.append(f"deb {self.security} {suite}-security main")
        return found


def of_this_machine() -> Archives:
    """The archives named by `AUTOGLM_DEBIAN_ARCHIVE`, else by apt's settings.

    Raises:
        BuildError: There is no Debian archive among them.
    """
    named = os.environ.get("AUTOGLM_DEBIAN_ARCHIVE")
    if named:
        return Archives(named)
    sources = [source for path in _files() for source in parse(path.name, path.read_text())]
    archives = pick(sources)
    if archives is None:
        raise BuildError(
            "apt's settings name no Debian archive; set AUTOGLM_DEBIAN_ARCHIVE to one's address"
        )
    return archives


def parse(file_name: str, text: str) -> list[Source]:
    """Sources of binary packages in one file of apt's settings."""
    return list(_deb822(text) if file_name.endswith(".sources") else _one_line(text))


def pick(sources: Iterable[Source]) -> Archives | None:
    """Tell the main archive from that of security updates by the names of their suites."""
    main = security = ""
    for source in sources:
        if "debian" not in source.uri:
            continue  # a vendor's archive, or another distribution's
        if all(suite.endswith("-security") for suite in source.suites):
            security = security or source.uri
        elif not all(suite.endswith("-backports") for suite in source.suites):
            main = main or source.uri
    return Archives(main, security) if main else None


def options() -> list[str]:
    """This machine's apt settings that are passed on, each as `Name "value"`."""
    dump = subprocess.run(["apt-config", "dump"], check=False, capture_output=True, text=True)
    return passed_on(dump.stdout)


def passed_on(dump: str) -> list[str]:
    """Those lines of `apt-config dump` that are passed on."""
    pairs = (line.split(" ", 1) for line in dump.splitlines() if " " in line)
    return [f"{name} {value.rstrip(';')}" for name, value in pairs if name in PASSED_ON]


def _files() -> Iterator[Path]:
    parts = APT / "sources.list.d"
    yield from (path for path in [APT / "sources.list"] if path.is_file())
    yield from sorted([*parts.glob("*.sources"), *parts.glob("*.list")])


def _deb822(text: str) -> Iterator[Source]:
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if not line.startswith("#")]
        fields = dict(_fields(lines))
        if "deb" not in fields.get("types", "").split() or fields.get("enabled") == "no":
            continue
        for uri in fields.get("uris", "").split():
            yield Source(uri, tuple(fields.get("suites", "").split()))


def _fields(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Fields of a stanza; a line that begins with a space continues the field above it."""
    name, value = "", ""
    for line in lines:
        if line[:1].isspace():
            value += " " + line.strip()
            continue
        if name:
            yield name, value
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
    if name:
        yield name, value


def _one_line(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        words = shlex.split(re.sub(r"\[[^]]*]", "", line), comments=True)
        if len(words) >= 3 and words[0] == "deb":  # noqa: PLR2004 - type, address, suite
            yield Source(words[1], (words[2],))
