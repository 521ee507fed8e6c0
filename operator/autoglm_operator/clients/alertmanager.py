"""Asks Alertmanagers what fires and what is silenced, over version 2 of their API.

Every configured address is asked, because each peer of a cluster may be cut off: what any of them
says holds, and who did not answer is told. An answer is only used whole. The addresses are the
administrator's, so they are not judged; redirects are not followed. Never writes a silence.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import httpx
from pydantic import AwareDatetime, TypeAdapter, ValidationError
from pydantic_core import from_json

from autoglm_api.alerts import PolledAlert, ReceiverRef, Silence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from autoglm_api.base import SpecModel

TIMEOUT_SECONDS: Final = 5.0
"""Limit of one question. Arbitrary, because a healthy Alertmanager answers within milliseconds, and
thousands of alerts take it less than a second."""
REPLY_LIMIT: Final = 64 * 2**20
"""Longest answer in bytes. Arbitrary: some 50,000 alerts."""
OK: Final = 200

T = TypeVar("T", bound="SpecModel")
R = TypeVar("R")

_MOMENT: Final = TypeAdapter(AwareDatetime)
# As httpx declares it, which is more than a text.
Query = list[tuple[str, str | int | float | bool | None]]


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """What all Alertmanagers together said.

    Attributes:
        items: The union of their answers.
        failures: Why an Alertmanager did not answer, by its URL.
        asked: URLs that were asked.
    """

    items: tuple[T, ...]
    failures: Mapping[str, str]
    asked: tuple[str, ...]

    @property
    def reachable(self) -> tuple[str, ...]:
        """URLs of those that answered."""
        return tuple(url for url in self.asked if url not in self.failures)

    @property
    def known(self) -> bool:
        """Whether any of them answered; if not, nothing at all is known."""
        return bool(self.reachable)


@dataclass(frozen=True, slots=True)
class AlertmanagerAccess:
    """Where the Alertmanagers are and how they are trusted.

    Attributes:
        urls: Base URLs, without `/api/v2`; every peer of a cluster.
        ca_file: PEM certificates to trust instead of the system's; read again for every question.
        token_file: File with a bearer token; read again for every question.
    """

    urls: tuple[str, ...]
    ca_file: Path | None = None
    token_file: Path | None = None


@dataclass(slots=True)
class _Trust:
    pem: bytes | None
    client: httpx.AsyncClient


@dataclass(slots=True)
class AlertmanagerClient:
    """Asks every configured Alertmanager; safe to share between tasks.

    Attributes:
        access: Where they are.
        timeout: Limit of one question to one of them, in seconds.
        transport: Stands in for the network in tests.
    """

    access: AlertmanagerAccess
    timeout: float = TIMEOUT_SECONDS
    transport: httpx.AsyncBaseTransport | None = None
    _trust: _Trust | None = field(default=None, init=False)

    async def close(self) -> None:
        """Close all connections."""
        if self._trust is not None:
            await self._trust.client.aclose()
            self._trust = None

    async def alerts(
        self,
        matchers: Sequence[str] = (),
        *,
        receiver: str | None = None,
        muted: bool = False,
    ) -> Answers[PolledAlert]:
        """Alerts that are active: firing, and neither silenced nor inhibited unless `muted`.

        Of one that several Alertmanagers know, the earliest start counts, and the latest update.

        Args:
            matchers: In Alertmanager's own notation, such as `alertname="Watchdog"`.
            receiver: Only alerts that are routed to the receiver of exactly this name.
            muted: Also those that are silenced or inhibited; they fire as well.
        """
        hidden = "true" if muted else "false"
        query: Query = [
            ("active", "true"),
            ("silenced", hidden),
            ("inhibited", hidden),
            ("unprocessed", "false"),
            *(("filter", matcher) for matcher in matchers),
        ]
        replies = await self._ask_all("alerts", query, PolledAlert)
        union: dict[str, PolledAlert] = {}
        for alert in replies.items:
            # Alertmanager's own parameter takes an expression, in which a name may mean more.
            if receiver is None or any(each.name == receiver for each in alert.receivers):
                known = union.get(alert.fingerprint)
                union[alert.fingerprint] = alert if known is None else _merged(known, alert)
        return Answers(tuple(union.values()), replies.failures, replies.asked)

    async def silences(self, now: datetime) -> Answers[Silence]:
        """Silences that are in force."""
        replies = await self._ask_all("silences", [], Silence)
        union = {each.id: each for each in replies.items if each.starts_at <= now < each.ends_at}
        return Answers(tuple(union.values()), replies.failures, replies.asked)

    async def started(self) -> dict[str, datetime]:
        """Since when each has run, by its URL; who does not answer is not there."""
        urls = self.access.urls
        replies = await asyncio.gather(*(self._ask(url, "status", [], _uptime) for url in urls))
        return {
            url: reply
            for url, reply in zip(urls, replies, strict=True)
            if not isinstance(reply, str)
        }

    async def receivers(self) -> Answers[ReceiverRef]:
        """Names of all receivers in the configurations."""
        return await self._ask_all("receivers", [], ReceiverRef)

    async def _ask_all(self, what: str, query: Query, kind: type[T]) -> Answers[T]:
        urls = self.access.urls

        def read(listed: Any) -> list[T]:  # noqa: ANN401 - JSON
            return [kind.model_validate(each) for each in cast("list[Any]", listed)]

        replies = await asyncio.gather(*(self._ask(url, what, query, read) for url in urls))
        items: list[T] = []
        failures: dict[str, str] = {}
        for url, reply in zip(urls, replies, strict=True):
            if isinstance(reply, str):
                failures[url] = reply
            else:
                items += reply
        return Answers(tuple(items), failures, urls)

    async def _ask(self, url: str, what: str, query: Query, read: Callable[[Any], R]) -> R | str:
        """What one Alertmanager answers, or the sentence that says why it does not."""
        try:
            async with asyncio.timeout(self.timeout):
                client = await self._client()
                address = f"{url.rstrip('/')}/api/v2/{what}"
                body = await self._answer(client, address, query)
                return body if isinstance(body, str) else read(from_json(body))
        except TimeoutError:
            return f"It did not answer within {self.timeout:g} s."
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return f"It cannot be asked: {str(error) or type(error).__name__}."
        except (ValidationError, ValueError, TypeError, KeyError):
            return "It does not answer as Alertmanager's API, version 2, does."

    async def _answer(self, client: httpx.AsyncClient, url: str, query: Query) -> bytes | str:
        token_file = self.access.token_file
        token = None if token_file is None else await asyncio.to_thread(token_file.read_text)
        headers = {} if token is None else {"Authorization": f"Bearer {token.strip()}"}
        async with client.stream("GET", url, params=query, headers=headers) as response:
            if response.status_code != OK:
                return f"It answered {response.status_code} instead of 200."
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > REPLY_LIMIT:
                    return f"Its answer is longer than {REPLY_LIMIT} bytes."
        return bytes(body)

    async def _client(self) -> httpx.AsyncClient:
        """The connections, made anew when the authority's certificates have changed."""
        ca_file = self.access.ca_file
        pem = None if ca_file is None else await asyncio.to_thread(ca_file.read_bytes)
        if self._trust is None or self._trust.pem != pem:
            context = ssl.create_default_context(cadata=None if pem is None else pem.decode())
            # The old connections are left to whoever uses them now.
            self._trust = _Trust(
                pem,
                httpx.AsyncClient(
                    verify=context,
                    trust_env=False,
                    follow_redirects=False,
                    timeout=self.timeout,
                    transport=self.transport,
                ),
            )
        return self._trust.client


def _uptime(status: Any) -> datetime:  # noqa: ANN401 - JSON
    return _MOMENT.validate_python(status["uptime"])


def _merged(one: PolledAlert, other: PolledAlert) -> PolledAlert:
    return one.model_copy(
        update={
            "starts_at": min(one.starts_at, other.starts_at),
            "updated_at": max(one.updated_at, other.updated_at),
        }
    )
