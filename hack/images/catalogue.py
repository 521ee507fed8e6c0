"""The images as data: what each is made of and how it starts."""

import dataclasses
import enum
from collections.abc import Iterable, Mapping

from buildcache.failures import BuildError
from images.versions import Range

NONROOT = "65532:65532"
"""User and group of every image. Source: the id that distroless images made customary."""

BASE_PACKAGES = ("base-files", "ca-certificates", "libgcc-s1", "libssl3t64", "zlib1g")
"""What programs of every image share: the C library comes with them."""


class Suite(enum.Enum):
    """A release of Debian by its code name."""

    STABLE = "trixie"
    TESTING = "forky"


class Content(enum.Enum):
    """What lies on top of the base layer."""

    PACKAGES = "programs from Debian packages"
    PYTHON = "Debian's Python, the locked requirements and our own packages"
    PROGRAM = "one static program of hack/programs"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One image."""

    name: str
    content: Content
    suite: Suite = Suite.STABLE
    packages: tuple[str, ...] = ()
    """Debian packages beside those of the base."""
    accepted: Mapping[str, Range] = dataclasses.field(default_factory=dict[str, Range])
    """Package versions this project is tested with; the build stops at any other."""
    program: str = ""
    """Name in hack/programs."""
    applets_of: str = ""
    """A program in /usr/bin that plays many; a link is made for each name its `--list` gives."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    """Arguments, or the program when there is no entrypoint, unless the pod names its own."""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    stop_signal: str = ""
    """What asks the program to end; empty for SIGTERM."""


def _program(name: str, program: str = "") -> Recipe:
    program = program or name
    return Recipe(name, Content.PROGRAM, program=program, entrypoint=(f"/bin/{program}",))


CATALOGUE = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "autoglm",
            Content.PYTHON,
            packages=("python3", "libstdc++6"),  # the latter for extensions written in C++
            entrypoint=("autoglm",),
            environment={
                "PATH": "/app/bin:/usr/bin:/bin",
                "PYTHONPATH": "/app/src:/app/lib",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONUNBUFFERED": "1",
            },
        ),
        Recipe(
            "haproxy",
            Content.PACKAGES,
            Suite.TESTING,
            packages=("haproxy",),
            accepted={"haproxy": Range("3.2", "3.3")},
            entrypoint=("haproxy",),
            command=("-W", "-db", "-f", "/etc/haproxy/haproxy.cfg"),
            # HAProxy drops connections at SIGTERM and finishes them at SIGUSR1. Source: its
            # management guide, section 4.
            stop_signal="SIGUSR1",
        ),
        Recipe(
            "valkey",
            Content.PACKAGES,
            Suite.TESTING,
            packages=("valkey-server",),
            accepted={"valkey-server": Range("8.1", "10")},
            command=("valkey-server",),
        ),
        Recipe(
            "prometheus",
            Content.PACKAGES,
            Suite.TESTING,
            packages=("prometheus", "prometheus-alertmanager"),
            accepted={
                "prometheus": Range("3", "4"),
                "prometheus-alertmanager": Range("0.28", "1"),
            },
            command=("prometheus",),
        ),
        Recipe(
            "busybox",
            Content.PACKAGES,
            packages=("busybox",),
            applets_of="busybox",
            command=("sh",),
        ),
        _program("pause"),
        _program("metrics-server"),
        _program("kube-state-metrics"),
        _program("node-exporter", "node_exporter"),
        _program("local-path-provisioner"),
    )
}


def chosen(names: Iterable[str]) -> list[Recipe]:
    """The recipes of these names, each once, in the order asked for.

    Raises:
        BuildError: A name is unknown; the message lists the known ones.
    """
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in CATALOGUE:
            raise BuildError(f"there is no image {name!r}; choose from {', '.join(CATALOGUE)}")
    return [CATALOGUE[name] for name in wanted]
