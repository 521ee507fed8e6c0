"""What a running HAProxy says about itself, read into types. Pure.

Everything is asked anew before every decision: the running process is the truth, not our memory of
what we told it.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from autoglm_dataplane.router_agent import names

_DOWN: Final = 0
_ADMIN_MAINTENANCE: Final = 0x01 | 0x02 | 0x04 | 0x20 | 0x40
_ADMIN_DRAIN: Final = 0x08 | 0x10
"""Source: HAProxy's manual for `show servers state`, srv_op_state and srv_admin_state."""
_HEADER: Final = "# "
_STREAM: Final = re.compile(
    r"^(0x[0-9a-f]+): .*\n"
    r"(?:  .*\n)*?  frontend=(\S+) .*\n"
    r"  backend=(\S+) .*\n"
    r"  server=(\S+) .*\n"
    r"  task=.*\n"
    r"  txn=.* status=(-?\d+) ",
    re.MULTILINE,
)
_WORKER: Final = re.compile(r"^(\d+)\s+worker\s", re.MULTILINE)

LINGER_SECONDS: Final = 30
"""For so long a closed circuit still counts as open: longer than the operator's longest pause
between two looks (20 s), so that it misses none, and one that flaps is one piece of news."""


class ServerState(StrEnum):
    """What HAProxy does with a server."""

    UP = "Up"
    DOWN = "Down"
    """Its circuit is open."""
    DRAIN = "Drain"
    MAINTENANCE = "Maintenance"
    """It waits to be removed, or to be switched on."""


@dataclass(frozen=True, slots=True)
class ObservedServer:
    """One line of `show servers state`."""

    address: str
    """`-` for a socket."""
    port: int
    weight: int
    state: ServerState


@dataclass(frozen=True, slots=True)
class ObservedStream:
    """One request, or a part of its way, of `show sess`."""

    id: str
    """HAProxy's pointer, good for as long as the stream lives."""
    frontend: str
    backend: str
    server: str
    status: int
    """Of the answer; -1 until it begins."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One HAProxy worker."""

    structure: str
    servers: Mapping[str, Mapping[str, ObservedServer]]
    """Backend to server."""
    maps: Mapping[str, Mapping[str, str]]
    """Path to entries."""


def structure_of(show_info: str) -> str:
    """The digest that stands in `description`; empty if the file was not ours."""
    for line in show_info.splitlines():
        if line.startswith("description: "):
            return line.removeprefix("description: ").strip()
    return ""


def is_staying(show_info: str) -> bool:
    """Whether this is a worker that was not told to end; without a worker there is no answer."""
    return "Stopping: 0" in show_info.splitlines()


def servers_of(show_servers_state: str) -> dict[str, dict[str, ObservedServer]]:
    """Every server by backend."""
    lines = [line for line in show_servers_state.splitlines() if line.strip()]
    columns: list[str] = []
    found: dict[str, dict[str, ObservedServer]] = {}
    for line in lines:
        if line.startswith(_HEADER):
            columns = line.removeprefix(_HEADER).split()
        elif columns:
            row = dict(zip(columns, line.split(), strict=False))
            if not names.is_placeholder(row["srv_name"]):
                found.setdefault(row["be_name"], {})[row["srv_name"]] = _server(row)
    return found


def entries_of(show_map: str) -> dict[str, str]:
    """The entries of one map; each line is an identity, the key and the value."""
    rows = (line.split(maxsplit=2) for line in show_map.splitlines())
    return {row[1]: row[2] for row in rows if len(row) == 3}  # noqa: PLR2004 - see the docstring


def in_flight_of(show_stat: str) -> dict[str, int]:
    """Sessions of every server by its name; tiers and single upstreams name theirs alike.

    Servers behind a hop are addresses and have names of their own.
    """
    lines = show_stat.removeprefix(_HEADER).splitlines()
    found: dict[str, int] = {}
    for row in csv.DictReader(lines):
        name, count = row["svname"], row["scur"]
        found[name] = found.get(name, 0) + int(count or 0)
    return found


def open_circuits_of(show_stat: str) -> tuple[str, ...]:
    """Upstreams with a circuit that is open, or was within the last half minute.

    HAProxy forgets at a reload what happened before; the circuits that are then opened again count
    as opened there. Servers that are switched off, and those without circuits, are not looked at.
    """
    lines = show_stat.removeprefix(_HEADER).splitlines()
    return tuple(
        sorted(
            {
                row["svname"].partition(".")[0]
                for row in csv.DictReader(lines)
                if names.has_circuits(row["pxname"]) and _is_or_was_open(row)
            }
        )
    )


def streams_of(show_sess: str) -> list[ObservedStream]:
    """The streams of `show sess` in its large format; those without a request are left out."""
    return [
        ObservedStream(pointer, frontend, backend, server, int(status))
        for pointer, frontend, backend, server, status in _STREAM.findall(show_sess)
    ]


def workers_of(show_proc: str) -> tuple[int, ...]:
    """Process ids of all workers, the newest first."""
    return tuple(map(int, _WORKER.findall(show_proc)))


def _is_or_was_open(row: Mapping[str, str]) -> bool:
    if row["status"].startswith("DOWN"):
        return True
    lately = int(row["lastchg"] or 0) < LINGER_SECONDS
    return row["status"].startswith("UP") and lately and int(row["chkdown"] or 0) > 0


def _server(row: Mapping[str, str]) -> ObservedServer:
    admin = int(row["srv_admin_state"])
    if admin & _ADMIN_MAINTENANCE:
        state = ServerState.MAINTENANCE
    elif admin & _ADMIN_DRAIN:
        state = ServerState.DRAIN
    elif int(row["srv_op_state"]) == _DOWN:
        state = ServerState.DOWN
    else:
        state = ServerState.UP
    return ObservedServer(row["srv_addr"], int(row["srv_port"]), int(row["srv_uweight"]), state)
