"""Talks to Valkey: typed replies, our own errors, no retries of its own.

Whether a step may be sent again is for those who know the step. This module never knows what a
stream holds.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from valkey import exceptions
from valkey.asyncio import Valkey
from valkey.credentials import CredentialProvider

CALL_SECONDS: Final = 5.0
"""Longest wait for a reply. With `appendfsync always` a busy disk may take a second or two."""
Argument = str | int | float


class StoreUnavailableError(Exception):
    """The store does not answer, or refuses to work; the message says which."""


class GroupMissingError(Exception):
    """A consumer group is not there: the stream is new, or the store lost its data."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream."""

    id: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Held:
    """One entry that was delivered and not acknowledged."""

    id: str
    consumer: str
    idle_milliseconds: int


class _FilePassword(CredentialProvider):
    """Reads the password anew for every connection, so that a changed file is heeded."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_credentials(self) -> tuple[str]:
        return (self._path.read_text(encoding="utf-8").strip(),)


class Connection:
    """A pool of connections to one store."""

    def __init__(self, url: str, password_file: Path | None = None) -> None:
        """Connects at the first call; nothing is sent yet."""
        provider = None if password_file is None else _FilePassword(password_file)
        self._client = cast(
            "Any",
            Valkey.from_url(  # pyright: ignore[reportUnknownMemberType]
                url,
                decode_responses=True,
                socket_timeout=CALL_SECONDS,
                socket_connect_timeout=2.0,
                credential_provider=provider,
            ),
        )

    async def close(self) -> None:
        """Give all connections back."""
        await self._client.aclose()

    async def ping(self) -> None:
        """Ask whether the store answers.

        Raises:
            StoreUnavailableError: it does not.
        """
        await self._call("PING")

    async def now_milliseconds(self) -> int:
        """The store's clock, which all processes share."""
        seconds, microseconds = cast("tuple[int, int]", await self._call("TIME"))
        return seconds * 1000 + microseconds // 1000

    async def script(self, text: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:  # noqa: ANN401  # as each script documents
        """Run a script at once or not at all."""
        return await self._call("EVAL", text, len(keys), *keys, *arguments)

    async def get(self, key: str) -> str | None:
        """A string."""
        return cast("str | None", await self._call("GET", key))

    async def get_many(self, keys: Sequence[str]) -> list[str | None]:
        """Several strings; absent ones are None."""
        return cast("list[str | None]", await self._call("MGET", *keys)) if keys else []

    async def members(self, key: str) -> list[str]:
        """The members of a set, sorted."""
        return sorted(cast("set[str]", await self._call("SMEMBERS", key)))

    async def length(self, stream: str) -> int:
        """How many entries a stream has."""
        return cast("int", await self._call("XLEN", stream))

    async def drop(self, key: str) -> None:
        """Delete a key."""
        await self._call("DEL", key)

    async def acknowledge(self, stream: str, group: str, entry: str) -> None:
        """Take an entry off a queue for good."""
        await self._call("XACK", stream, group, entry)
        await self._call("XDEL", stream, entry)

    async def entries(self, stream: str, after: str = "-") -> list[Entry]:
        """The entries after an id, or all."""
        start = after if after == "-" else f"({after}"
        return _entries(await self._call("XRANGE", stream, start, "+"))

    async def make_group(self, stream: str, group: str) -> None:
        """Make a group that gets everything the stream holds, unless it is there already."""
        try:
            await self._call("XGROUP", "CREATE", stream, group, "0", "MKSTREAM")
        except StoreUnavailableError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def read_group(
        self, stream: str, group: str, consumer: str, *, count: int, block_milliseconds: int
    ) -> list[Entry]:
        """New entries of a stream; empty when none came in time."""
        reader = ("XREADGROUP", "GROUP", group, consumer, "COUNT", count)
        reply = await self._call(*reader, "BLOCK", block_milliseconds, "STREAMS", stream, ">")
        streams = cast("list[tuple[str, object]]", reply or [])
        return [entry for _, raw in streams for entry in _entries(raw)]

    async def claim_idle(
        self, stream: str, group: str, consumer: str, *, idle_milliseconds: int, count: int
    ) -> list[Entry]:
        """Take over entries that nobody has worked on for so long."""
        reply = await self._call(
            *("XAUTOCLAIM", stream, group, consumer, idle_milliseconds, "0", "COUNT", count)
        )
        return _entries(cast("Sequence[object]", reply)[1])

    async def held(self, stream: str, group: str, *, idle_milliseconds: int) -> list[Held]:
        """Entries that were delivered, and idle for so long."""
        reply = await self._call(
            *("XPENDING", stream, group, "IDLE", idle_milliseconds, "-", "+", 1000),
            parse_detail=True,
        )
        return [_held(row) for row in cast("Sequence[Mapping[str, Any]]", reply)]

    @asynccontextmanager
    async def subscription(self, channel: str) -> AsyncGenerator[AsyncIterator[str]]:
        """The messages of a channel, for as long as the store answers."""
        pubsub = self._client.pubsub(ignore_subscribe_messages=True)
        try:
            with _translated():
                await pubsub.subscribe(channel)
            yield _messages(pubsub)
        finally:
            await pubsub.aclose()

    async def _call(self, *command: Argument, **parsing: bool) -> object:
        with _translated():
            return await self._client.execute_command(*command, **parsing)


class _translated:  # noqa: N801  # used like a function
    """Turns the library's errors into ours."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        match error:
            case exceptions.ResponseError() if str(error).startswith("NOGROUP"):
                raise GroupMissingError(str(error)) from error
            case exceptions.ValkeyError() | OSError() | asyncio.TimeoutError():
                raise StoreUnavailableError(f"The task store cannot be used: {error}") from error
            case _:
                return


async def _messages(pubsub: Any) -> AsyncIterator[str]:  # noqa: ANN401  # the library is untyped
    while True:
        with _translated():
            message = await pubsub.get_message(timeout=1.0)
        if message is not None:
            yield str(message["data"])


def _entries(reply: object) -> list[Entry]:
    rows = cast("Sequence[tuple[str | None, Mapping[str, str] | None]]", reply)
    # A claimed entry that was deleted meanwhile comes without content.
    return [Entry(row[0], row[1]) for row in rows if row[0] is not None and row[1] is not None]


def _held(row: Mapping[str, Any]) -> Held:
    return Held(str(row["message_id"]), str(row["consumer"]), int(row["time_since_delivered"]))
