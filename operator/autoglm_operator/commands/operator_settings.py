"""What `autoglm operator` is told by its environment."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from pydantic import Field

from autoglm_operator.runtime.settings import ProcessSettings

Network = IPv4Network | IPv6Network


class OperatorSettings(ProcessSettings):
    """Settings of the operator; every one is a variable `AUTOGLM_<NAME>`."""

    image: str = Field(min_length=1, max_length=512)
    """Reference of our own image, which planner, executor, agent and simulator pods run."""

    haproxy_image: str = Field(min_length=1, max_length=512)
    """Reference of the HAProxy image of router pods."""

    valkey_image: str = Field(min_length=1, max_length=512)
    """Reference of the Valkey image of store pods."""

    image_pull_policy: str = Field("", pattern="^(|Always|IfNotPresent|Never)$")
    """Pull policy of all these images; empty leaves it to Kubernetes."""

    watch_namespaces: tuple[str, ...] = ()
    """Namespaces to work in; empty means all."""

    denied_cidrs: tuple[Network, ...] = ()
    """Networks that no endpoint may be in, besides the built-in ones."""

    allowed_addresses: tuple[Network, ...] = ()
    """Networks that endpoints may be in whatever else is said."""

    allowed_namespaces: tuple[str, ...] = ()
    """Namespaces whose Services endpoints of other namespaces may name."""

    lease_name: str = Field("autoglm-operator", min_length=1, max_length=63)
    """Name of the Lease in the pod's namespace."""

    receiver_service: str = Field("", max_length=54)
    """Name of the receiver's Service in the pod's namespace, for which a certificate is made and
    renewed; empty means that somebody else provides one."""

    workers: int = Field(8, ge=1, le=64)
    """Reconciles of one kind that may be under way at once."""

    probe_workers: int = Field(32, ge=1, le=256)
    """Endpoint probes that may be under way at once."""

    sweep_seconds: float = Field(300.0, ge=5, le=3600)
    """Time between two lists that find what the watches missed, in seconds."""
