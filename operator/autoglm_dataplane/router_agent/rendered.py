"""What the renderer makes of a document: structure, servers, maps and files apart. Pure.

The parts are kept apart because they are brought into force differently: servers and maps by
runtime API, all else by reload. The structure's digest stands in HAProxy's own `description`, so
that a running HAProxy can be asked which structure it has.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

DESCRIPTION_LINE: Final = "    description "


@dataclass(frozen=True, slots=True)
class ServerLine:
    """One server; a hop has a socket instead of address and port."""

    address: str
    port: int
    weight: int
    socket: str | None = None
    own: str = ""
    """Options of this server alone, `fixed` among them."""
    fixed: str = ""
    """The part of `own` that all servers of its upstream share, and that only a reload changes."""

    @property
    def place(self) -> str:
        """The address as HAProxy writes it."""
        if self.socket is not None:
            return f"unix@{self.socket}"
        return f"ipv6@[{self.address}]:{self.port}" if ":" in self.address else self._ipv4

    @property
    def _ipv4(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Backend:
    """One backend; all its servers share their options."""

    name: str
    lines: tuple[str, ...]
    options: str
    servers: Mapping[str, ServerLine]

    @property
    def checked(self) -> bool:
        """Whether a server that is added at run time needs its checks switched on."""
        return self.options.startswith("check ")

    def structure(self) -> str:
        """What only a reload can change."""
        hops = [f"{name} {server.place}" for name, server in self.servers.items() if server.socket]
        fixed = {f"{name.partition('.')[0]} {one.fixed}" for name, one in self.servers.items()}
        shared = sorted(one for one in fixed if not one.endswith(" "))
        return "\n".join((self.name, *self.lines, self.options, *hops, *shared))

    def server(self, line: ServerLine) -> str:
        """One server after its name, as files and `add server` have it."""
        parts = (line.place, f"weight {line.weight}", line.own, self.options)
        return " ".join(part for part in parts if part)

    def text(self) -> str:
        """The section of the configuration."""
        servers = [
            f"    server {name} {self.server(server)}" for name, server in self.servers.items()
        ]
        return "\n".join((f"backend {self.name}", *self.lines, *servers))


@dataclass(frozen=True)
class Rendered:
    """Everything that HAProxy reads."""

    prelude: tuple[str, ...]
    """Lines of `global` (without its description), `defaults` and frontends."""
    backends: tuple[Backend, ...]
    maps: Mapping[str, Mapping[str, str]]
    """Path to entries."""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    """Path to text. Names carry a digest of the content: a file once written never changes."""

    @cached_property
    def structure(self) -> str:
        """Digest of what only a reload can change."""
        parts = (*self.prelude, *(backend.structure() for backend in self.backends), *self.maps)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def config(self) -> str:
        """The text of haproxy.cfg."""
        first, *rest = self.prelude
        lines = (first, f"{DESCRIPTION_LINE}{self.structure}", *rest)
        sections = "\n\n".join(backend.text() for backend in self.backends)
        return "\n".join(lines) + "\n\n" + sections + "\n"


def map_text(entries: Mapping[str, str]) -> str:
    """A map as HAProxy's files and its `add map` payload have it."""
    return "".join(f"{key} {value}\n" for key, value in sorted(entries.items()))
