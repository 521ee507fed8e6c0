"""Who gets a task: an auction among the executors that live.

Bids are computed here from what executors say about themselves, so no network round is needed. A
bid is the inverse of the expected wait, divided by the bidders' median so that it has no unit.
Pure: it never awards anything.
"""

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from autoglm_dataplane.taskstore.tasks import Bidder

SOFTENER: Final = 1e-5
"""Keeps a bid finite. Source: the article's formula, 1/(cost + 1e-5)."""


def bids(bidders: Sequence[Bidder], capability: str) -> Mapping[str, float]:
    """The bid of every executor that is able."""
    costs = {
        bidder.name: (bidder.tasks + 1) / bidder.ability.slots
        for bidder in bidders
        if capability in bidder.ability.capabilities
    }
    if not costs:
        return {}
    usual = statistics.median(costs.values())
    return {name: round(1 / (cost / usual + SOFTENER), 4) for name, cost in costs.items()}


def winner(offers: Mapping[str, float], lot: str) -> str | None:
    """The executor with the highest bid; equals are told apart by the lot, so that they take turns.

    `lot` names what is auctioned, so every planner comes to the same winner.
    """
    if not offers:
        return None

    def rank(name: str) -> tuple[float, str]:
        return offers[name], hashlib.sha256(f"{lot}:{name}".encode()).hexdigest()

    return max(offers, key=rank)


def loaded(bidders: Sequence[Bidder], name: str) -> list[Bidder]:
    """The bidders after one of them won another task."""
    return [Bidder(each.name, each.ability, each.tasks + (each.name == name)) for each in bidders]
