"""Which provider serves a cluster. `existing` is never guessed: it may be somebody's real cluster."""

from testcluster.commands import succeeds
from testcluster.errors import UsageError
from testcluster.providers import Provider
from testcluster.providers.embedded import Embedded
from testcluster.settings import Settings

NAMES = ("kind", "embedded", "existing")


def provider_called(name: str, settings: Settings) -> Provider:
    """The provider of that name."""
    if name == "embedded":
        return Embedded(settings)
    raise UsageError(f"unknown provider {name!r}; choose from {', '.join(NAMES)}")


def guess() -> str:
    """What this machine is best at: kind when a Docker engine answers."""
    return "kind" if succeeds(["docker", "version"], timeout_seconds=10) else "embedded"
