"""Turns weights of upstreams into HAProxy's weights of servers. Pure."""

from collections.abc import Mapping
from fractions import Fraction
from math import gcd, lcm
from typing import Final

MAX_SERVER_WEIGHT: Final = 256
"""Source: HAProxy's manual, `weight`. 0 would take a server out, so 1 is the least."""


def server_weights(shares: Mapping[str, Fraction], *, largest: bool = False) -> dict[str, int]:
    """Whole numbers in 1..256 in the same proportions, exact where that is possible.

    Shares below 1/256 of the largest are raised to it.

    Args:
        shares: Of every server, in any unit.
        largest: Take the largest weights there are, not the least. Hashes need it: HAProxy puts a
            server on the ring 16 times per unit of its weight, and few places share badly.
    """
    if not shares:
        return {}
    common = lcm(*(share.denominator for share in shares.values()))
    whole = {name: int(share * common) for name, share in shares.items()}
    divisor = gcd(*whole.values())
    whole = {name: share // divisor for name, share in whole.items()}
    most = max(whole.values())
    if most <= MAX_SERVER_WEIGHT and not largest:
        return whole
    return {
        name: max(1, round(Fraction(share * MAX_SERVER_WEIGHT, most)))
        for name, share in whole.items()
    }
