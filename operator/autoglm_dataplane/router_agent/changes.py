"""Decides how a running HAProxy comes to what was rendered. Pure.

The structure decides first: if it differs, one reload brings everything. Else servers and maps are
brought into line one by one through the runtime API. Deciding again after success plans nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from autoglm_dataplane.router_agent.observed import Observed, ObservedServer, ServerState
from autoglm_dataplane.router_agent.rendered import Backend, Rendered, ServerLine


@dataclass(frozen=True, slots=True)
class Reload:
    """A new worker with the files as rendered."""


@dataclass(frozen=True, slots=True)
class Command:
    """One line for HAProxy's runtime API; repeating it does no harm."""

    text: str


@dataclass(frozen=True, slots=True)
class ReplaceMap:
    """All entries of one map at once; no request ever sees half of it."""

    path: str
    entries: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Removal:
    """Takes away a server that waits in maintenance. May be refused while it has connections."""

    server: str


Step = Command | ReplaceMap | Removal


@dataclass(frozen=True, slots=True)
class Live:
    """Steps through the runtime API, in order."""

    steps: tuple[Step, ...]

    @property
    def settled(self) -> bool:
        """Whether the document counts as applied: at most removals are left."""
        return all(isinstance(step, Removal) for step in self.steps)


def plan(observed: Observed, wanted: Rendered) -> Reload | Live:
    """What is left to do."""
    if observed.structure != wanted.structure:
        return Reload()
    steps: list[Step] = [
        ReplaceMap(path, entries)
        for path, entries in wanted.maps.items()
        if observed.maps.get(path) != entries
    ]
    for backend in wanted.backends:
        steps += _servers(backend, observed.servers.get(backend.name, {}))
    return Live(tuple(steps))


def reopened(before: Observed, after: Observed) -> tuple[Command, ...]:
    """Opens again, in a new worker, the circuits that were open in the old one."""
    return tuple(
        Command(f"set server {backend}/{name} health down")
        for backend, servers in before.servers.items()
        for name, server in servers.items()
        if server.state is ServerState.DOWN
        and (now := after.servers.get(backend, {}).get(name)) is not None
        and now.state is ServerState.UP
    )


def _servers(backend: Backend, found: Mapping[str, ObservedServer]) -> Iterator[Step]:
    # New servers come before old ones go, so that a backend is never emptied on the way.
    for name, line in backend.servers.items():
        server = f"{backend.name}/{name}"
        if name not in found:
            yield from _added(backend, name, line)
        else:
            yield from _corrected(backend, server, line, found[name])
    for name, seen in found.items():
        if name not in backend.servers:
            server = f"{backend.name}/{name}"
            if seen.state is not ServerState.MAINTENANCE:
                yield Command(f"set server {server} state maint")
            yield Removal(server)


def _added(backend: Backend, name: str, line: ServerLine) -> Iterator[Step]:
    server = f"{backend.name}/{name}"
    yield Command(f"add server {server} {backend.server(line)}")
    yield from _switched_on(backend, server)


def _corrected(
    backend: Backend, server: str, line: ServerLine, seen: ObservedServer
) -> Iterator[Step]:
    if line.socket is None and not _same_place(line, seen):
        yield Command(f"set server {server} addr {line.address} port {line.port}")
    if seen.weight != line.weight:
        yield Command(f"set server {server} weight {line.weight}")
    if seen.state in {ServerState.MAINTENANCE, ServerState.DRAIN}:
        yield from _switched_on(backend, server)


def _switched_on(backend: Backend, server: str) -> Iterator[Step]:
    if backend.checked:
        yield Command(f"enable health {server}")
    yield Command(f"set server {server} state ready")


def _same_place(line: ServerLine, seen: ObservedServer) -> bool:
    try:
        same = ip_address(seen.address) == ip_address(line.address)
    except ValueError:
        return False
    return same and seen.port == line.port
