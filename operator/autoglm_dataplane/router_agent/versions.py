"""Which of two routing documents wins. Pure."""

from enum import Enum, auto

from autoglm_api.routing import RoutingDocument


class Offer(Enum):
    """What becomes of a document that somebody offers."""

    NEWER = auto()
    """To be applied."""
    SAME = auto()
    """In force already."""
    STALE = auto()
    """A newer one is in force."""
    CONTRADICTION = auto()
    """Another document of the same version is in force."""


def judge(offered: RoutingDocument, current: RoutingDocument | None) -> Offer:
    """Compare an offered document with the one in force; the highest version wins."""
    if current is None or offered.version > current.version:
        return Offer.NEWER
    if offered.version < current.version:
        return Offer.STALE
    return Offer.SAME if offered.hash == current.hash else Offer.CONTRADICTION
