"""Starts `autoglm operator` as a process of its own, with the images that tests name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from control_processes import ControlProcess, running

__all__ = ["MakeOperator", "OperatorProcess", "running"]


@dataclass
class OperatorProcess(ControlProcess):
    """One replica."""

    subcommand: str = field(default="operator", init=False)

    def told(self) -> Mapping[str, str]:
        """Watch the own namespace only, and let endpoints be on this machine."""
        return {
            "image": "registry.local/autoglm:dev",
            "haproxy_image": "registry.local/haproxy:dev",
            "valkey_image": "registry.local/valkey:dev",
            "watch_namespaces": self.namespace,
            "allowed_addresses": "127.0.0.0/8",
        }


MakeOperator = Callable[[str], OperatorProcess]
"""Makes the replica whose pod has this UID."""
