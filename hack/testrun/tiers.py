"""The test tiers as data: where each lies, what it needs, in which order they run."""

import dataclasses

from testrun.cluster import API, NODES, Cluster


@dataclasses.dataclass(frozen=True)
class Tier:
    """One folder of tests."""

    name: str
    path: str
    cluster: Cluster | None = None
    """The cluster inside whose network its pytest runs; None means on this machine."""
    options: tuple[str, ...] = ()
    """Further options for pytest."""
    makes_clusters: bool = False
    """Whether it starts and breaks clusters of its own, and so needs what nodes need."""


# Unit tests alone must cover every branch of the packages that hold only pure code.
_COVERAGE = ("--cov", "--cov-config=hack/testrun/pure.toml", "--cov-report=term", "--cov-branch")
# These mostly wait, each in a namespace and on ports of its own; four leave two cores a third idle.
_SIDE_BY_SIDE = ("-n", "6", "--dist", "worksteal")

TIERS = (
    Tier("unit", "tests/unit", options=_COVERAGE),
    Tier("contract", "tests/contract"),
    Tier("integration", "tests/integration", API, _SIDE_BY_SIDE),
    Tier("e2e", "tests/e2e", NODES, ("--ignore=tests/e2e/cluster",)),
    Tier("cluster", "tests/e2e/cluster", makes_clusters=True),
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
