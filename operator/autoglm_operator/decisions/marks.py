"""Which fields of a child the operator leaves to a healing run that changed them for a while.

A mark binds while its run exists, still has something to undo, and has not been overdue for long. A
mark that promises to last for longer than any lease may is nobody's. Never asks for the run.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from autoglm_api import kinds, labels

if TYPE_CHECKING:
    from datetime import datetime

    from autoglm_api.leases import Mark

Manifest = dict[str, Any]

OVERDUE: Final = timedelta(minutes=5)
"""The healer undoes its own changes; this is for one that is gone for good."""
LONGEST: Final = timedelta(hours=24)
LEFT_ALONE: Final = {
    kinds.DEPLOYMENT.kind: ("replicas",),
    kinds.HORIZONTAL_POD_AUTOSCALER.kind: ("minReplicas", "maxReplicas"),
}
"""Fields below spec that a scale-out changes, by kind. The bounds of an autoscaler go together,
because one of them may push the other."""


def binds(mark: Mark, run: Manifest | None, now: datetime) -> bool:
    """Whether the operator has to leave the marked field alone.

    Args:
        mark: The mark on the object.
        run: The live HealingRun that it names; None if there is none.
        now: The time.
    """
    if run is None or run["metadata"]["uid"] != mark.run_uid:
        return False
    if labels.UNDO not in (run["metadata"].get("finalizers") or ()):
        return False
    return now - OVERDUE <= mark.expires <= now + LONGEST


def respecting(desired: Manifest, live: Manifest) -> Manifest:
    """The desired state with the fields of a marked object as they are.

    They are named and not left out, because a field that an apply leaves out is removed.
    """
    spec = dict(desired["spec"])
    for field in LEFT_ALONE.get(desired["kind"], ()):
        if field in spec and field in live["spec"]:
            spec[field] = live["spec"][field]
    return {**desired, "spec": spec}
