"""Asks Prometheus: the samples of an instant query, and whether a query can be parsed at all.

The library blocks, so each call runs in a thread and has a time limit. Nothing is repeated: the
verification looks again anyway. Never decides whether a value is good.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from prometheus_api_client.exceptions import PrometheusApiClientException
from prometheus_api_client.prometheus_connect import PrometheusConnect
from requests import RequestException, Session
from urllib3.util.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Iterable

TIMEOUT_SECONDS: Final = 5.0
"""Limit of one query. Arbitrary, because a query that takes longer is no use for watching."""

_ANSWERED: Final = re.compile(
    r"HTTP Status Code (?P<code>\d+) \(b(?P<quote>['\"])(?P<body>.*)(?P=quote)\)"
)
"""What the library says of an answer that is not 200."""
_REFUSALS: Final = ("400", "422")
"""A query that cannot be parsed, or not be evaluated. Source: Prometheus' HTTP API."""
_STRANGERS: Final = ("401", "403")


class PrometheusError(Exception):
    """There is no answer; the text says why."""


class QueryRefusedError(PrometheusError):
    """Prometheus cannot make sense of the query; the text is its own sentence."""


class _Connection(Protocol):
    def custom_query(self, query: str, params: dict[str, str], timeout: float) -> object: ...


class Prometheus:
    """One Prometheus, or whatever speaks its query API.

    Args:
        url: Its base URL.
        ca_file: PEM certificates to trust instead of the system's.
        token_file: File with a bearer token, read anew for each query.
    """

    def __init__(
        self, url: str, *, ca_file: Path | None = None, token_file: Path | None = None
    ) -> None:
        self._url = url.rstrip("/")
        self._ca_file = ca_file
        self._token_file = token_file

    async def query(self, text: str) -> list[float]:
        """Samples of an instant query; an empty list if there are none.

        Raises:
            QueryRefusedError: the query cannot be parsed or evaluated.
            PrometheusError: there is no answer.
        """
        limit = TIMEOUT_SECONDS + 1
        try:
            async with asyncio.timeout(limit):
                answer = await asyncio.to_thread(self._ask, text)
        except TimeoutError as error:
            raise PrometheusError(f"No answer within {limit:g} s.") from error
        return samples_of(answer)

    async def problem_of(self, text: str) -> str | None:
        """Why a query is none, in Prometheus' own words; None if it can be evaluated.

        Raises:
            PrometheusError: there is no answer.
        """
        try:
            await self.query(text)
        except QueryRefusedError as error:
            return str(error)
        return None

    def _ask(self, text: str) -> object:
        session = Session()
        # A proxy from the environment is meant for the outside world.
        session.trust_env = False
        session.verify = str(self._ca_file) if self._ca_file else True
        headers: dict[str, str] = {}
        if self._token_file is not None:
            headers["Authorization"] = f"Bearer {self._token_file.read_text().strip()}"
        try:
            connection = cast(
                "_Connection",
                PrometheusConnect(self._url, headers, session=session, retry=Retry(total=0)),
            )
            return connection.custom_query(
                text, {"timeout": f"{TIMEOUT_SECONDS:g}s"}, TIMEOUT_SECONDS
            )
        except PrometheusApiClientException as error:
            raise explained(error) from error
        except (RequestException, OSError, ValueError, KeyError) as error:
            raise PrometheusError(f"Prometheus does not answer: {type(error).__name__}.") from error
        finally:
            session.close()


def samples_of(answer: object) -> list[float]:
    """The samples of an answer to an instant query; other answers have none."""
    if not isinstance(answer, list):
        return []
    found = list(cast("Iterable[Any]", answer))
    # A scalar is one pair, a vector a list of series.
    if len(found) == 2 and not isinstance(found[0], dict):  # noqa: PLR2004 - time and value
        return [float(found[1])]
    return [float(each["value"][1]) for each in found if "value" in each]


def explained(error: PrometheusApiClientException) -> PrometheusError:
    """What an answer other than 200 says, which the library gives as text only."""
    found = _ANSWERED.match(str(error))
    if found is None:
        return PrometheusError("Prometheus gave no answer that can be read.")
    if found["code"] in _STRANGERS:
        return PrometheusError(
            f"Prometheus answered {found['code']}: check the chart's"
            " verification.prometheus.tokenSecret."
        )
    if found["code"] not in _REFUSALS:
        return PrometheusError(f"Prometheus answered {found['code']} instead of 200.")
    try:
        body = found["body"].encode().decode("unicode_escape")
        return QueryRefusedError(str(json.loads(body)["error"]))
    except (ValueError, KeyError, TypeError):
        return QueryRefusedError("Prometheus refuses the query.")
