"""How a router shares and limits traffic, as the routing document says it.

Each policy is a part of the document on its own; which upstreams there are stands in `routing`.
"""

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from autoglm_api.routingvalues import Part

HEADER_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]{0,62}[a-z0-9])?$"
HeaderName = Annotated[str, Field(min_length=1, max_length=64, pattern=HEADER_PATTERN)]
"""A header's name in lower case."""
CookieName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,62}$")]
"""A cookie's name."""


class Strategy(StrEnum):
    """How a tier's requests are shared among its servers."""

    ROUND_ROBIN = "RoundRobin"
    LEAST_CONNECTIONS = "LeastConnections"
    SOURCE_IP_HASH = "SourceIPHash"
    CONSISTENT_HASH = "ConsistentHash"
    LOAD_AWARE = "LoadAware"


class AccessLog(StrEnum):
    """Which requests get a line in the router's log."""

    ALL = "All"
    FAILURES = "Failures"
    NONE = "None"


HASHES: Final = frozenset({Strategy.SOURCE_IP_HASH, Strategy.CONSISTENT_HASH})
"""Strategies that send one key to one server always."""


class Sharing(Part):
    """How every tier of the cluster is shared. Reload."""

    strategy: Strategy = Strategy.ROUND_ROBIN
    hash_header: HeaderName | None = None
    """ConsistentHash: the header whose value decides; a request without it is shared in turn."""
    hash_load_percent: Annotated[int, Field(ge=101, le=1000)] | None = None
    """Hashes: a server with more than this part of the average requests in flight hands its keys
    on; without it a key never moves."""
    cookie: CookieName | None = None
    """A cookie that keeps a client at its server while that is usable."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.strategy is Strategy.CONSISTENT_HASH) is not (self.hash_header is not None):
            raise ValueError("a hash header goes with ConsistentHash and with nothing else")
        if self.hash_load_percent is not None and self.strategy not in HASHES:
            raise ValueError("a bound of load goes with a hash")
        return self


class Limits(Part):
    """What one router may ask of one upstream. Reload."""

    max_concurrency: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests in flight at each of its servers; further ones wait."""
    requests_per_minute: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Requests in any minute; further ones go to other members of the tier, else 429."""
