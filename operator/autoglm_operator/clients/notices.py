"""Posts notices to the URLs that owners of policies wrote into Secrets.

Whoever may write such a Secret makes us connect somewhere, so the rule for endpoints holds here as
well: names are resolved here, every address is judged, and the connection goes to the judged one.
Redirects are not followed, and nothing of a reply but its status is looked at. Never logs a URL,
for it is a secret.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx

from autoglm_operator.clients.probe import DEFAULT_PORTS, Address, resolve

TIMEOUT_SECONDS: Final = 10.0
"""Limit of one notice. Arbitrary, because a receiver of notices has nothing to compute."""
TOO_MANY_REQUESTS: Final = 429
SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one notice."""

    delivered: bool
    repeat: bool
    """Whether it may be delivered a little later."""
    problem: str = ""
    """One sentence without the URL."""


class NoticePoster:
    """Posts JSON documents.

    Args:
        judge: Says why an address must not be connected to; None if it may.
        judge_name: The same for a host name, as a policy of this namespace uses it.
    """

    def __init__(
        self,
        judge: Callable[[Address], str | None],
        judge_name: Callable[[str, str], str | None],
    ) -> None:
        self._judge = judge
        self._judge_name = judge_name

    async def post(
        self, url: str, body: dict[str, Any], *, namespace: str, key: str, ca: str | None = None
    ) -> Delivery:
        """Post once; every failure is a delivery that failed, never an exception.

        Args:
            url: Where to; http or https.
            body: What.
            namespace: Whose policy it is.
            key: The same for every repetition, sent as `Idempotency-Key`.
            ca: PEM certificates to trust instead of the system's.
        """
        try:
            trust = ssl.create_default_context(cadata=ca)
        except (ssl.SSLError, ValueError):
            return _never("The CA certificates cannot be read: write PEM into the Secret.")
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._post(url, body, namespace, key, trust)
        except TimeoutError:
            return _later("The receiver of notices did not answer in time.")

    async def _post(
        self, url: str, body: dict[str, Any], namespace: str, key: str, trust: ssl.SSLContext
    ) -> Delivery:
        try:
            parts = httpx.URL(url)
        except httpx.InvalidURL:
            return _never("The URL cannot be read: write https://host/path into the Secret.")
        if parts.scheme not in DEFAULT_PORTS or not parts.host or parts.userinfo:
            return _never(
                "The URL must start with https:// or http://, name a host and hold no credentials."
            )
        refused = self._judge_name(parts.host.lower(), namespace)
        if refused is not None:
            return _never("The URL names a host that notices must not be sent to.")
        address = await self._address(parts)
        if isinstance(address, Delivery):
            return address
        return await _send(parts, address, body, key, trust)

    async def _address(self, url: httpx.URL) -> Address | Delivery:
        port = url.port or DEFAULT_PORTS[url.scheme]
        try:
            found = await resolve(url.host, port)
        except (OSError, UnicodeError):
            return _later("The host of the URL has no address in DNS.")
        allowed = next((each for each in found if self._judge(each) is None), None)
        if allowed is None:
            return _never("The URL leads to an address that is refused.")
        return allowed


async def _send(
    url: httpx.URL, address: Address, body: dict[str, Any], key: str, trust: ssl.SSLContext
) -> Delivery:
    headers = {"Host": url.netloc.decode("ascii"), "Idempotency-Key": key}
    pinned = url.copy_with(host=str(address))
    try:
        async with (
            httpx.AsyncClient(
                verify=trust, trust_env=False, follow_redirects=False, timeout=TIMEOUT_SECONDS
            ) as client,
            client.stream(
                "POST", pinned, json=body, headers=headers, extensions={"sni_hostname": url.host}
            ) as response,
        ):
            return _judged(response.status_code)
    except httpx.HTTPError:
        return _later("No connection to the receiver of notices could be made.")


def _judged(code: int) -> Delivery:
    if httpx.codes.is_success(code):
        return Delivery(delivered=True, repeat=False)
    sentence = f"The receiver of notices answered {code}."
    if code == TOO_MANY_REQUESTS or code >= SERVER_ERROR:
        return _later(sentence)
    return _never(sentence)


def _later(problem: str) -> Delivery:
    return Delivery(delivered=False, repeat=True, problem=problem)


def _never(problem: str) -> Delivery:
    return Delivery(delivered=False, repeat=False, problem=problem)
