"""Turns weights of upstreams into HAProxy's weights of servers. Pure."""

from collections.abc import Mapping
from fractions import Fraction
from math import gcd, lcm
from typing import Final

MAX_SERVER_WEIGHT: Final = 256
"""Source: HAProxy's manual, `weight`. 0 would take a server out, so 1 is the least."""


def server_weights(shares: Mapping[str, Fraction]) -> dict[str, int]:
    """Whole numbers in 1..256 in the same proportions, exact where that is possible.

    Shares below 1/256 of the largest are raised to it.
    """
    if not shares:
        return {}
    common = lcm(*(share.denominator for share in shares.values()))
    whole = {name: int(share * common) for name, share in shares.items()}
    divisor = gcd(*whole.values())
    whole = {name: share // divisor for name, share in whole.items()}
    largest = max(whole.values())
    if largest <= MAX_SERVER_WEIGHT:
        return whole
    return {
        name: max(1, round(Fraction(share * MAX_SERVER_WEIGHT, largest)))
        for name, share in whole.items()
    }
