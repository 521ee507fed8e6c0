"""The lease by which those who maintain nodes keep out of each other's way.

It is a coordination Lease that is called after the node and lies in a namespace of its own; the
medik8s operators take it before they touch a node, and so do we. Never reads a clock.

Source: pkg/lease of github.com/medik8s/common.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from autoglm_api import kinds
from autoglm_operator.decisions.reading import Manifest, part, uid_of

NAMESPACE: Final = "medik8s-leases"
"""Where the leases of nodes lie."""
NOBODY: Final = "somebody who gives no name"


def name(node: str) -> str:
    """The name of a node's lease."""
    return f"node-{node}".lower()


def holder(lease: Manifest | None, now: datetime) -> str | None:
    """Who holds a node, None if nobody does (any more)."""
    spec = part(lease, "spec")
    renewed, seconds = spec.get("renewTime"), spec.get("leaseDurationSeconds")
    if not renewed or not seconds:
        return None
    since = datetime.fromisoformat(str(renewed))
    if not since <= now <= since + timedelta(seconds=int(seconds)):
        return None
    return str(spec.get("holderIdentity") or NOBODY)


def new(node: Manifest, by: str, now: datetime, lasts: timedelta) -> Manifest:
    """The lease to create; the node owns it, so that it goes with the node."""
    meta = node["metadata"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": meta["name"], "uid": uid_of(node)}
    return {
        "apiVersion": kinds.LEASE.api_version,
        "kind": kinds.LEASE.kind,
        "metadata": {
            "name": name(str(meta["name"])),
            "namespace": NAMESPACE,
            "ownerReferences": [owner],
        },
        "spec": _held(by, now, lasts),
    }


def taken(lease: Manifest, by: str, now: datetime, lasts: timedelta) -> Manifest:
    """The change that takes a free lease, on exactly this version of it."""
    return {"metadata": _version(lease), "spec": _held(by, now, lasts)}


def given_up(lease: Manifest) -> Manifest:
    """The change that gives a lease up, on exactly this version of it."""
    return {"metadata": _version(lease), "spec": {"holderIdentity": None, "renewTime": None}}


def _held(by: str, now: datetime, lasts: timedelta) -> dict[str, Any]:
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "holderIdentity": by,
        "leaseDurationSeconds": max(int(lasts.total_seconds()), 1),
        "acquireTime": stamp,
        "renewTime": stamp,
    }


def _version(lease: Manifest) -> dict[str, Any]:
    return {key: lease["metadata"][key] for key in ("uid", "resourceVersion")}
