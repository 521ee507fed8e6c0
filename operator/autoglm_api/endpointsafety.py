"""Which network addresses an endpoint of a user may have. Pure.

The operator asks before it probes and the router agent before it connects, each about what it
resolved itself: a name server may answer differently the next time.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

METADATA: Final = (
    "169.254.0.0/16",  # AWS, Azure, Google and others: 169.254.169.254, inside link-local
    "fd00:ec2::/32",  # AWS: fd00:ec2::254 and its neighbours
    "fd20:ce::/32",  # Google: fd20:ce::254
    "100.100.100.200/32",  # Alibaba Cloud
    "168.63.129.16/32",  # Azure's platform channel
    "192.0.0.192/32",  # Oracle Cloud, older images
)
"""Source: the clouds' own documentation of their instance metadata services."""
_METADATA_NETWORKS: Final = tuple(ip_network(network) for network in METADATA)
_NAT64: Final = IPv6Network("64:ff9b::/96")
_IPV4_BITS: Final = 0xFFFFFFFF

Address = IPv4Address | IPv6Address


def refusal(address: str, *, denied: Sequence[str] = (), allowed: Sequence[str] = ()) -> str | None:
    """Why an address must not be connected to, in a few words; None if it may.

    An explicitly allowed address is allowed whatever else is said.
    """
    found = _plain(ip_address(address))
    if _inside(found, allowed):
        return None
    if reason := _never(found):
        return reason
    return "an address in a denied range" if _inside(found, denied) else None


def _never(address: Address) -> str | None:
    kinds = {
        "an unspecified address": address.is_unspecified,
        "a loopback address": address.is_loopback,
        "a metadata address": any(address in network for network in _METADATA_NETWORKS),
        "a link-local address": address.is_link_local,
        "a multicast address": address.is_multicast,
        "a reserved address": address.is_reserved,
    }
    return next((name for name, true in kinds.items() if true), None)


def _plain(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, where the network would unwrap it."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & _IPV4_BITS)
    return address.ipv4_mapped or address.sixtofour or address


def _inside(address: Address, networks: Iterable[str]) -> bool:
    return any(address in ip_network(network) for network in networks)
