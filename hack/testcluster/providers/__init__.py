"""Where a cluster comes from.

All providers satisfy one small protocol and know nothing of each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

from testcluster.faults import Fault


@dataclass(frozen=True)
class Wish:
    """What `up` is asked for."""

    nodes: int
    addons: tuple[str, ...] = ()
    node_image: str | None = None
    """Image of kind's nodes, which decides the Kubernetes version."""


class Provider(Protocol):
    """One way to have a cluster. Methods raise `ClusterError` with a sentence for the user."""

    def check(self, wish: Wish) -> None:
        """Raise when this machine or this provider cannot meet the wish; changes nothing."""
        ...

    def up(self, wish: Wish) -> None:
        """Make the cluster be as wished, from whatever state it is in."""
        ...

    def down(self) -> None:
        """Remove it with all leftovers; nothing to remove is fine."""
        ...

    def status(self) -> list[str]:
        """Its state in lines for people."""
        ...

    def kubectl(self, args: Sequence[str]) -> NoReturn:
        """Become kubectl with the administrator's rights."""
        ...

    def execute(self, argv: Sequence[str]) -> NoReturn:
        """Become a command that reaches API server, pods, Services and cluster DNS."""
        ...

    def load_images(self, names: Sequence[str]) -> None:
        """Make images usable in pods."""
        ...

    def logs(self, names: Sequence[str], lines: int) -> None:
        """Print the last lines of the cluster's programs."""
        ...

    def fault(self, fault: Fault, node: str | None, leave_mib: int) -> None:
        """Do one thing of the catalogue, or refuse it with a sentence."""
        ...
