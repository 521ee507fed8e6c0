"""What a person can do about a volume that fills up: data is never deleted, but a volume may grow.

Never looks anything up, and never changes a claim.
"""

import json
from decimal import ROUND_CEILING, Decimal
from typing import Final

from autoglm_operator.decisions.healing import Sighting
from autoglm_operator.decisions.quantities import amount
from autoglm_operator.decisions.reading import Manifest, name_of, part, title

GROWTH: Final = Decimal("1.5")
"""How much larger the offered size is. Arbitrary, because it outlasts the next few alerts without
doubling the bill."""
GIBIBYTE: Final = 2**30


def advice(sighting: Sighting) -> str | None:
    """The offer to expand the target's volume, or why it cannot grow; None for other targets."""
    claim = sighting.claim
    if claim is None:
        return None
    has, asked = _sizes(claim)
    if asked > has:
        return f"{title(claim)} is being expanded to {_shown(asked)} already."
    storage = sighting.storage_class
    if storage is None:
        return (
            f"Nobody knows whether the volume of {title(claim)} can grow, for its StorageClass does"
            " not exist: ask who made the volume."
        )
    if not storage.get("allowVolumeExpansion"):
        return (
            f"{title(storage)} does not let the volume of {title(claim)} grow: remove what is not"
            " needed, or move the data to a larger claim."
        )
    size = _shown(has * GROWTH)
    body = json.dumps({"spec": {"resources": {"requests": {"storage": size}}}})
    return (
        f"The volume of {title(claim)} can grow from {_shown(has)} to {size}: kubectl patch"
        f" persistentvolumeclaim {name_of(claim)} --namespace {claim['metadata']['namespace']}"
        f" --type merge --patch '{body}'"
    )


def _sizes(claim: Manifest) -> tuple[Decimal, Decimal]:
    """What the volume has and what is asked for, in bytes."""
    asked = amount(part(claim, "spec", "resources", "requests").get("storage", 0))
    has = amount(part(claim, "status", "capacity").get("storage", 0))
    return has or asked, asked


def _shown(size: Decimal) -> str:
    """A size in whole Gi, rounded up."""
    return f"{(size / GIBIBYTE).to_integral_value(ROUND_CEILING)}Gi"
