"""The test tiers as data: where each lies, what it needs, in which order they run."""

import dataclasses
import enum


class Place(enum.Enum):
    """Where a tier's pytest process runs."""

    HOST = "on this machine"
    CLUSTER = "inside the test cluster's network"


@dataclasses.dataclass(frozen=True)
class Tier:
    """One folder of tests."""

    name: str
    paths: tuple[str, ...]
    place: Place
    options: tuple[str, ...] = ()
    """Further options for pytest."""
    needs_nodes: bool = False


# Unit tests alone must cover every branch of the packages that hold only pure code.
_COVERAGE = ("--cov", "--cov-config=hack/testrun/pure.toml", "--cov-report=term", "--cov-branch")

_SIDE_BY_SIDE = ("-n", "2", "--dist", "worksteal")

TIERS = (
    Tier("unit", ("tests/unit",), Place.HOST, _COVERAGE),
    Tier("contract", ("tests/contract",), Place.HOST),
    # These mostly wait, each in a namespace and on ports of its own.
    Tier("integration", ("tests/integration",), Place.CLUSTER, _SIDE_BY_SIDE, needs_nodes=True),
    Tier("e2e", ("tests/e2e",), Place.CLUSTER, ("--ignore=tests/e2e/cluster",), needs_nodes=True),
    # These start and break clusters of their own, so they run beside the shared one, not inside it.
    Tier("cluster", ("tests/e2e/cluster",), Place.HOST, needs_nodes=True),
)


def chosen(names: list[str]) -> tuple[Tier, ...]:
    """The tiers of these names in running order; all of them for no name.

    Raises:
        ValueError: A name is unknown; the message lists the known ones.
    """
    known = [tier.name for tier in TIERS]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"there is no tier {unknown[0]!r}; choose from {', '.join(known)}")
    return tuple(tier for tier in TIERS if not names or tier.name in names)
