"""Which provider serves a cluster.

`existing` is never guessed: it may be somebody's real cluster.
"""

from testcluster.commands import succeeds
from testcluster.errors import UsageError
from testcluster.providers import Provider
from testcluster.providers.embedded import Embedded
from testcluster.providers.existing import Existing
from testcluster.providers.kind import Kind
from testcluster.settings import Settings

_PROVIDERS: dict[str, type[Embedded] | type[Kind] | type[Existing]] = {
    "kind": Kind,
    "embedded": Embedded,
    "existing": Existing,
}
NAMES = tuple(_PROVIDERS)


def provider_called(name: str, settings: Settings) -> Provider:
    """The provider of that name."""
    if name not in _PROVIDERS:
        raise UsageError(f"unknown provider {name!r}; choose from {', '.join(NAMES)}")
    return _PROVIDERS[name](settings)


def guess() -> str:
    """What this machine is best at: kind when a Docker engine answers."""
    return "kind" if succeeds(["docker", "version"], timeout_seconds=10) else "embedded"
