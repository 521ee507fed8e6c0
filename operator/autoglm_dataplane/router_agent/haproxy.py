"""Talks to HAProxy through the socket of its master. The only module that does.

Every command goes to the newest worker (`@1`), but for those about requests in flight, which old
workers have, too (`@!<pid>`). The stats socket is not used, because right after a reload it may
still answer for the old one. This module never decides what to say.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from autoglm_dataplane.router_agent.changes import Command, Removal, ReplaceMap, Step
from autoglm_dataplane.router_agent.observed import (
    Observed,
    ObservedServer,
    ObservedStream,
    entries_of,
    in_flight_of,
    is_staying,
    open_circuits_of,
    servers_of,
    streams_of,
    structure_of,
    workers_of,
)
from autoglm_dataplane.router_agent.rendered import Rendered

ANSWER_SECONDS: Final = 10.0
"""Longest wait for an answer. Arbitrary: answers take milliseconds, a reload tens of them."""
RELOAD_SECONDS: Final = 60.0
"""Longest wait for a reload, which reads every file and certificate."""
GLANCE_SECONDS: Final = 1.0
"""Longest wait for what is only told along: the operator waits 5 s for the whole."""
_SERVERS_STATISTICS: Final = "@1 show stat -1 4 -1"
_PAYLOAD_BYTES: Final = 8 * 1024
"""Per `add map`: HAProxy's CLI takes one buffer at a time."""
_GOOD_ANSWERS: Final = ("New server registered", "IP changed", "port changed", "no need to change")
"""What successful commands say; most say nothing."""
_GONE: Final = ("No such session", "Can't find the target")
"""The stream ended by itself, or its worker did."""
_NOT_REMOVABLE: Final = ("still", "must be in maintenance")


class HAProxyUnreachableError(Exception):
    """No HAProxy answers at the socket."""


class HAProxyRefusedError(Exception):
    """HAProxy said no; the message is its own, without line breaks."""


class HAProxy:
    """The client of one master socket."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def observe(self, wanted: Rendered) -> Observed:
        """Ask the newest worker for everything that can be changed.

        A worker of another structure may not know the maps, and is not asked for them.

        Raises:
            HAProxyUnreachableError: nothing answers, or HAProxy is about to end.
        """
        info = await self.ask("@1 show info")
        if not is_staying(info):
            # A reload would bring up a worker that nobody tells to end any more.
            raise HAProxyUnreachableError("HAProxy is stopping")
        structure = structure_of(info)
        servers = await self.servers()
        if structure != wanted.structure:
            return Observed(structure, servers, {})
        answers = {path: await self.ask(f"@1 show map {path}") for path in wanted.maps}
        return Observed(
            structure, servers, {path: entries_of(answer) for path, answer in answers.items()}
        )

    async def servers(self) -> dict[str, dict[str, ObservedServer]]:
        """Ask the newest worker for its servers, by backend.

        Raises:
            HAProxyUnreachableError: nothing answers.
        """
        return servers_of(await self.ask("@1 show servers state"))

    async def in_flight(self) -> dict[str, int]:
        """Requests that every server works on now, over all backends, by the server's name.

        Raises:
            HAProxyUnreachableError: nothing answers.
        """
        return in_flight_of(await self.ask(_SERVERS_STATISTICS))

    async def open_circuits(self) -> tuple[str, ...]:
        """Upstreams with a circuit that is open, or was a moment ago.

        Raises:
            HAProxyUnreachableError: nothing answers, or not at once.
        """
        return open_circuits_of(await self.ask(_SERVERS_STATISTICS, seconds=GLANCE_SECONDS))

    async def workers(self) -> tuple[int, ...]:
        """Process ids of all workers: the newest, then those that finish what they have.

        Raises:
            HAProxyUnreachableError: nothing answers.
        """
        return workers_of(await self.ask("show proc"))

    async def streams_older(self, worker: int, seconds: int) -> list[ObservedStream]:
        """Streams of a worker whose request arrived so long ago, in whole seconds of its clock.

        A worker that is gone has none.

        Raises:
            HAProxyUnreachableError: nothing answers.
        """
        return streams_of(await self.ask(f"@!{worker} show sess older {seconds}s"))

    async def shut_down(self, worker: int, stream: ObservedStream) -> None:
        """End a stream, unless it has ended by itself.

        Raises:
            HAProxyRefusedError: it goes on.
            HAProxyUnreachableError: nothing answers.
        """
        await self._order(f"!{worker}", f"shutdown session {stream.id}", _GONE)

    async def carry_out(self, steps: Iterable[Step]) -> None:
        """Do the steps in order; a server that cannot be removed yet stays for the next time.

        Raises:
            HAProxyRefusedError: HAProxy did not take a command.
            HAProxyUnreachableError: nothing answers.
        """
        for step in steps:
            match step:
                case Command(text):
                    await self.run(text)
                case ReplaceMap(path, entries):
                    await self._replace(path, entries)
                case Removal(server):
                    await self._remove(server)

    async def reload(self) -> None:
        """Start a new worker from the files, which then takes over from the old one.

        Raises:
            HAProxyRefusedError: HAProxy did not take the files; the old worker goes on.
            HAProxyUnreachableError: nothing answers.
        """
        answer = await self.ask("reload", seconds=RELOAD_SECONDS)
        if not answer.startswith("Success=1"):
            raise HAProxyRefusedError(_alerts(answer))

    async def run(self, command: str) -> None:
        """Have the newest worker do one thing.

        Raises:
            HAProxyRefusedError: it did not.
            HAProxyUnreachableError: nothing answers.
        """
        await self._order("1", command, _GOOD_ANSWERS)

    async def _order(self, worker: str, command: str, good: tuple[str, ...]) -> None:
        """Have a worker do one thing; silence is consent."""
        answer = (await self.ask(f"@{worker} {command}")).strip()
        if answer and not answer.startswith(good):
            raise HAProxyRefusedError(f"{' '.join(command.split()[:3])}: {_line(answer)}")

    async def _remove(self, server: str) -> None:
        answer = (await self.ask(f"@1 del server {server}")).strip()
        if answer and not answer.startswith("Server deleted"):
            if any(word in answer for word in _NOT_REMOVABLE):
                return
            raise HAProxyRefusedError(f"del: {_line(answer)}")

    async def _replace(self, path: str, entries: Mapping[str, str]) -> None:
        answer = await self.ask(f"@1 prepare map {path}")
        version = answer.rpartition(":")[2].strip()
        if not version.isdigit():
            raise HAProxyRefusedError(f"prepare map: {_line(answer)}")
        for payload in _payloads(entries):
            refusal = (await self.ask(f"@1 add map @{version} {path} <<\n{payload}\n")).strip()
            if refusal:
                raise HAProxyRefusedError(f"add map: {_line(refusal)}")
        refusal = (await self.ask(f"@1 commit map @{version} {path}")).strip()
        if refusal:
            raise HAProxyRefusedError(f"commit map: {_line(refusal)}")

    async def ask(self, command: str, seconds: float = ANSWER_SECONDS) -> str:
        """Send one command to the master and return its whole answer.

        Raises:
            HAProxyUnreachableError: nothing answers.
        """
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_unix_connection(self._socket)
                try:
                    writer.write(f"{command}\n".encode())
                    # The master ends its answer only when it sees that nothing more will be asked.
                    writer.write_eof()
                    return (await reader.read()).decode(errors="replace")
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            raise HAProxyUnreachableError(f"HAProxy does not answer: {error!r}") from error


def _payloads(entries: Mapping[str, str]) -> Iterator[str]:
    payload = ""
    for key, value in sorted(entries.items()):
        line = f"{key} {value}\n"
        if payload and len(payload) + len(line) > _PAYLOAD_BYTES:
            yield payload
            payload = ""
        payload += line
    if payload:
        yield payload


def _alerts(answer: str) -> str:
    alerts = [line for line in answer.splitlines() if "[ALERT]" in line]
    return _line(" ".join(alerts) or answer)


def _line(text: str) -> str:
    return " ".join(text.split())[:1000]
