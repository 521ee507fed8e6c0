"""Which network addresses an endpoint of a user may have. Pure.

The operator asks before it probes and the router agent before it connects, each about what it
resolved itself: a name server may answer differently the next time. Both ask here, so that no
address passes in one place and not in the other. Never resolves a name.
"""

from collections.abc import Iterable
from enum import StrEnum
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

METADATA: Final[tuple[Network, ...]] = tuple(
    ip_network(network)
    for network in (
        "169.254.169.254/32",  # AWS, Azure, Google and others
        "fd00:ec2::/32",  # AWS: fd00:ec2::254 and its neighbours
        "fd20:ce::/32",  # Google: fd20:ce::254
        "100.100.100.200/32",  # Alibaba Cloud
        "168.63.129.16/32",  # Azure's platform channel
        "192.0.0.192/32",  # Oracle Cloud, older images
    )
)
"""Source: the clouds' own documentation of their instance metadata services. Further ones lie in
169.254.0.0/16, which is refused as link-local."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""Source: RFC 6052, section 2.1. Python counts all of ::/8 as reserved, where others would lie."""
_IPV4_BITS: Final = 0xFFFFFFFF


class Refusal(StrEnum):
    """What is wrong with an address, in a few words."""

    UNSPECIFIED = "an unspecified address"
    LOOPBACK = "a loopback address"
    METADATA = "a metadata address"
    LINK_LOCAL = "a link-local address"
    MULTICAST = "a multicast address"
    RESERVED = "a reserved address"
    DENIED = "an address in a denied range"


def refusal(
    address: str | Address,
    *,
    denied: Iterable[str | Network] = (),
    allowed: Iterable[str | Network] = (),
) -> Refusal | None:
    """Why an address must not be connected to; None if it may.

    An explicitly allowed address is allowed whatever else is said. An IPv4 address inside an IPv6
    one is judged as what it is; a denied range counts in either form.
    """
    written = ip_address(address)
    found = _plain(written)
    if _inside(found, allowed):
        return None
    if reason := _never(found):
        return reason
    ranges = tuple(denied)
    refused = _inside(found, ranges) or _inside(written, ranges)
    return Refusal.DENIED if refused else None


def _never(address: Address) -> Refusal | None:
    kinds = {
        Refusal.UNSPECIFIED: address.is_unspecified,
        Refusal.LOOPBACK: address.is_loopback,
        Refusal.METADATA: _inside(address, METADATA),
        Refusal.LINK_LOCAL: address.is_link_local,
        Refusal.MULTICAST: address.is_multicast,
        Refusal.RESERVED: address.is_reserved,
    }
    return next((name for name, true in kinds.items() if true), None)


def _plain(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, where the network would unwrap it."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & _IPV4_BITS)
    return address.ipv4_mapped or address.sixtofour or address


def _inside(address: Address, networks: Iterable[str | Network]) -> bool:
    return any(address in ip_network(network) for network in networks)
