"""`autoglm undo`: has everything undone that the healer changed for a while, and waits for it.

The chart runs it before a release is uninstalled. It turns the switch that pauses all healing, and
asks in the same place that all changes are undone; the healer, and nobody else, undoes them. The
switch goes with the healer's Deployment, so that the next installation is not paused. Whatever is
left when time is up is named.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from autoglm_api import kinds, labels
from autoglm_api.durations import parse_duration
from autoglm_api.healingrun import HealingRun
from autoglm_cli import access
from autoglm_cli.leases import held_by, runs_in
from autoglm_operator.clients import errors
from autoglm_operator.clients.kube import KubeClient
from autoglm_operator.decisions import leases
from autoglm_operator.decisions.reading import Manifest, part

LOOK: Final = timedelta(seconds=2)
"""Time between two looks. Arbitrary, because a person waits."""
SETTLE: Final = timedelta(seconds=20)
"""How long nothing may have been held while runs are open. A healer that had looked at the switch
just before it was turned may still begin a step; it looks at a held run every 15 s."""
RETRIED: Final = (errors.Conflict, errors.TooManyRequests, errors.Unavailable)
"""What the next look may overcome."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--release-namespace", required=True, help="namespace in which the healer runs"
    )
    parser.add_argument(
        "--deployment", required=True, help="the healer's Deployment, with which the switch goes"
    )
    parser.add_argument(
        "-n",
        "--namespace",
        action="append",
        help="namespace that the healer works in; repeat it for more; default: all",
    )
    parser.add_argument(
        "--timeout",
        type=_duration,
        default="4m",
        help="how long to wait, as a duration such as 4m; default: 4m",
    )


def run(options: argparse.Namespace) -> int:
    """Pause, undo and wait; 1 if something is left."""
    return access.call(_undo, options)


async def _undo(kube: KubeClient, options: argparse.Namespace) -> int:
    loop = asyncio.get_running_loop()
    now = loop.time()
    end, quiet_since = now + options.timeout.total_seconds(), now
    told: set[str] = set()
    while True:
        try:
            owner = await kube.get(kinds.DEPLOYMENT, options.release_namespace, options.deployment)
            if owner is not None:
                await turn(kube, owner)
            runs = await runs_in(kube, options.namespace or (None,), told)
            left, now = [each for each in runs if holds(each)], loop.time()
            _tell(left, told)
            quiet_since = now if left else quiet_since
            if not left and (owner is None or is_settled(runs, now - quiet_since)):
                await hand_back(kube, options.release_namespace)
                print("Nothing is left that would have to be undone.")
                return 0
            if owner is None or now >= end:
                return _give_up(left, owner, options)
        except RETRIED as error:
            if loop.time() >= end:
                raise
            print(f"autoglm: once more: {error}", file=sys.stderr)
        await asyncio.sleep(LOOK.total_seconds())


async def turn(kube: KubeClient, owner: Manifest) -> None:
    """Pause all healing and ask that everything is undone; does nothing if that was done before.

    Args:
        kube: Reads and writes the switch.
        owner: The healer's Deployment, with which a switch of ours goes.

    Raises:
        ApiError: the switch could not be read or written.
    """
    namespace = str(owner["metadata"]["namespace"])
    live = await kube.get(kinds.CONFIG_MAP, namespace, labels.PAUSE_CONFIG_MAP)
    wanted = switch(owner)
    if live is None:
        await kube.create(wanted)
        return
    if part(live, "data").get(labels.REVERT) == labels.TRUE:
        return
    meta: dict[str, Any] = {"resourceVersion": live["metadata"]["resourceVersion"]}
    change: Manifest = {"metadata": meta, "data": {labels.REVERT: labels.TRUE}}
    if not pauses(live):
        # It says what an absent one would say, and may go as one of ours.
        meta["ownerReferences"] = wanted["metadata"]["ownerReferences"]
        change["data"] = wanted["data"]
    await kube.patch(kinds.CONFIG_MAP, namespace, labels.PAUSE_CONFIG_MAP, change)


async def hand_back(kube: KubeClient, namespace: str) -> None:
    """Leave the pause of somebody else as it was; one of ours stays until it goes by itself."""
    live = await kube.get(kinds.CONFIG_MAP, namespace, labels.PAUSE_CONFIG_MAP)
    if live is None or live["metadata"].get("ownerReferences"):
        return
    change: Manifest = {
        "metadata": {"resourceVersion": live["metadata"]["resourceVersion"]},
        "data": {labels.REVERT: None},
    }
    await kube.patch(kinds.CONFIG_MAP, namespace, labels.PAUSE_CONFIG_MAP, change)


def switch(owner: Manifest) -> Manifest:
    """The ConfigMap that pauses all healing and has everything undone, until its owner goes."""
    meta = owner["metadata"]
    reference = {
        "apiVersion": kinds.DEPLOYMENT.api_version,
        "kind": kinds.DEPLOYMENT.kind,
        "name": meta["name"],
        "uid": meta["uid"],
    }
    return {
        "apiVersion": kinds.CONFIG_MAP.api_version,
        "kind": kinds.CONFIG_MAP.kind,
        "metadata": {
            "name": labels.PAUSE_CONFIG_MAP,
            "namespace": meta["namespace"],
            "ownerReferences": [reference],
        },
        "data": {labels.PAUSED: labels.TRUE, labels.REVERT: labels.TRUE},
    }


def pauses(live: Manifest) -> bool:
    """Whether a switch holds all healing already; whoever writes anything but false means it."""
    said = str(part(live, "data").get(labels.PAUSED, "false"))
    return said.strip().lower() != "false"


def holds(run: HealingRun) -> bool:
    """Whether something of a run may still stand."""
    return bool(leases.held(run.status)) or labels.UNDO in run.metadata.finalizers


def is_settled(runs: Iterable[HealingRun], quiet_seconds: float) -> bool:
    """Whether nothing can begin any more after nothing has been held for so long."""
    is_open = any(run.status.finished_at is None for run in runs)
    return not is_open or quiet_seconds >= SETTLE.total_seconds()


def _tell(left: Iterable[HealingRun], told: set[str]) -> None:
    """Print each change once, and again when something new is said of it."""
    for each in held_by(left):
        if each.sentence not in told:
            told.add(each.sentence)
            print(each.sentence, flush=True)


def _give_up(left: list[HealingRun], owner: Manifest | None, options: argparse.Namespace) -> int:
    where = f"Deployment {options.deployment} in namespace {options.release_namespace}"
    healer = f"see the log of {where}"
    if owner is None:
        healer = f"{where} does not exist, so nobody can undo it: install the chart again"
    elif not part(owner, "status").get("readyReplicas"):
        healer = f"{where} has no ready pod that could undo it: see why"
    names = ", ".join(f"{run.metadata.namespace}/{run.metadata.name}" for run in left)
    print(
        f"autoglm: {names or 'Open runs'} could not be undone in time: {healer}, and try again."
        " docs/healing.md says how to undo it by hand; helm uninstall --no-hooks leaves it as it"
        f" is. To go on healing instead, delete ConfigMap {labels.PAUSE_CONFIG_MAP} in namespace"
        f" {options.release_namespace}.",
        file=sys.stderr,
    )
    return 1


def _duration(text: str) -> timedelta:
    """A duration, or the sentence that argparse shows."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
