"""Whether a live object still is what was applied.

Server-side apply is idempotent but not free, so it is skipped when the desired state is the one
applied last and every field of it still stands. Fields that others own are none of our business.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, cast

from autoglm_api.labels import APPLIED_HASH
from autoglm_operator.decisions.quantities import amount

Manifest = dict[str, Any]
Differences = dict[str, str]

_ABSENT = "<absent>"
# Lists of objects are compared by the field that Kubernetes merges them by.
_KEYS = ("uid", "name", "containerPort", "mountPath")
# Quantities, which the API server spells its own way: 2048Mi comes back as 2Gi.
_MAPS_OF_QUANTITIES = ("limits", "requests")
_QUANTITIES = ("sizeLimit", "averageValue")


def desired_hash(manifest: Manifest) -> str:
    """Hash of a desired state."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def stamped(manifest: Manifest) -> Manifest:
    """The manifest with its own hash as an annotation."""
    meta = manifest["metadata"]
    annotations: Manifest = {
        **(meta.get("annotations") or {}),
        APPLIED_HASH: desired_hash(manifest),
    }
    return {**manifest, "metadata": {**meta, "annotations": annotations}}


def differences(desired: object, live: object, path: str = "") -> Differences:
    """Every desired field that the live object lacks or holds differently, with what it holds.

    Args:
        desired: What was applied, or a part of it.
        live: The same part of the live object.
        path: Where the part is.
    """
    if isinstance(desired, dict):
        return _in_maps(cast("Manifest", desired), live, path)
    if isinstance(desired, list):
        return _in_lists(cast("list[object]", desired), live, path)
    return {} if desired == live else {path: _shown(live)}


def controlled_by(obj: Manifest, owner_uid: str) -> bool:
    """Whether an object's controller is the owner with this UID."""
    references: list[Manifest] = obj["metadata"].get("ownerReferences") or []
    return any(ref.get("controller") and ref.get("uid") == owner_uid for ref in references)


def _in_maps(desired: Manifest, live: object, path: str) -> Differences:
    if not isinstance(live, dict):
        return {path: _shown(live)}
    found: Differences = {}
    held = cast("Manifest", live)
    of_quantities = path.rpartition(".")[2] in _MAPS_OF_QUANTITIES
    for key, value in desired.items():
        where = f"{path}.{key}" if path else key
        if key not in held:
            found[where] = _ABSENT
        elif not ((of_quantities or key in _QUANTITIES) and _same_amount(value, held[key])):
            found |= differences(value, held[key], where)
    return found


def _same_amount(one: object, other: object) -> bool:
    try:
        return amount(one) == amount(other)
    except (ValueError, ArithmeticError):
        return False


def _in_lists(desired: list[object], live: object, path: str) -> Differences:
    if not isinstance(live, list):
        return {path: _shown(live)}
    held = cast("list[object]", live)
    key = _key_of(desired, held)
    if key is None:
        if len(desired) != len(held):
            return {path: _shown(held)}
        pairs = [(str(at), each, held[at]) for at, each in enumerate(desired)]
    else:
        by_key = {cast("Manifest", each)[key]: each for each in held}
        wanted = cast("list[Manifest]", desired)
        pairs = [(str(each[key]), cast("object", each), by_key.get(each[key])) for each in wanted]
    found: Differences = {}
    for label, each, counterpart in pairs:
        found |= differences(each, counterpart, f"{path}[{label}]")
    return found


def _key_of(desired: list[object], live: list[object]) -> str | None:
    items = [*desired, *live]
    for key in _KEYS:
        if items and all(isinstance(each, dict) and key in each for each in items):
            return key
    return None


def _shown(value: object) -> str:
    return _ABSENT if value is None else json.dumps(value, sort_keys=True, default=str)
