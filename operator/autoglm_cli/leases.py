"""`autoglm leases`: prints every change that the healer will undo, and marks that nobody will.

What stands is read from the runs, which hold it until it is undone. A mark on an object whose run
is gone, or says that nothing is held, is named as well: only a person can tell what it is worth.
"""

import argparse
import shlex
import sys
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from autoglm_api import kinds, labels
from autoglm_api.healingrun import HealingRun, LeaseRecord
from autoglm_api.leases import Mark
from autoglm_api.resource import UnreadableObject
from autoglm_cli import access
from autoglm_operator.clients import errors
from autoglm_operator.clients.kube import KubeClient
from autoglm_operator.decisions import leases
from autoglm_operator.decisions.reading import Manifest, title

MARKED: Final = (
    kinds.DEPLOYMENT,
    kinds.STATEFUL_SET,
    kinds.HORIZONTAL_POD_AUTOSCALER,
    kinds.AUTOGLM_CLUSTER,
    kinds.MODEL_ENDPOINT,
    kinds.NODE,
)
"""What the healer may change for a while."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One change that is still to be undone."""

    run: HealingRun
    record: LeaseRecord

    @property
    def sentence(self) -> str:
        """What stands, since when of whom, and what is in the way."""
        meta, record = self.run.metadata, self.record
        where = f"HealingRun {meta.namespace}/{meta.name}"
        about = f"{record.object.kind} {record.object.name}"
        expires = record.as_json()["expires"]
        said = f" {record.message}" if record.message else ""
        return (
            f"{where} holds {about}: {record.field} was {record.previous or 'unset'} and is"
            f" {record.value}, until {expires} at the latest.{said}"
        )


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("-n", "--namespace", help="only runs of this namespace; default: all")


def run(options: argparse.Namespace) -> int:
    """Print what stands; 0 also if nothing does."""
    return access.call(_print, options)


async def _print(kube: KubeClient, options: argparse.Namespace) -> int:
    runs = await runs_in(kube, (options.namespace,), set())
    standing = held_by(runs)
    for each in standing:
        print(each.sentence)
    found = 0
    async for obj in _marked(kube, options.namespace):
        for line in orphans([obj], standing):
            found += 1
            print(line)
    if not standing and not found:
        print("Nothing stands that would have to be undone.")
    return 0


async def runs_in(
    kube: KubeClient, namespaces: Iterable[str | None], told: set[str]
) -> list[HealingRun]:
    """Every run that can be read; one that cannot is named.

    Args:
        kube: Lists runs.
        namespaces: Where; None stands for all of them.
        told: What was said before, which is not said again; what is said now is added.
    """
    found: list[HealingRun] = []
    for namespace in namespaces:
        try:
            listed = await kube.list(kinds.HEALING_RUN, namespace)
        except errors.NotFound:
            # Without the definition there are no runs either.
            continue
        for obj in listed:
            try:
                found.append(HealingRun.read(obj))
            except UnreadableObject as error:
                if str(error) not in told:
                    told.add(str(error))
                    print(f"autoglm: {error}", file=sys.stderr)
    return found


def held_by(runs: Iterable[HealingRun]) -> list[Standing]:
    """The changes that runs hold."""
    return [
        Standing(run, record)
        for run in runs
        for index in leases.held(run.status)
        if (record := run.status.steps[index].lease) is not None
    ]


def orphans(objects: Iterable[Manifest], standing: Iterable[Standing]) -> Iterator[str]:
    """One line for each marked object that no run holds, with what takes the mark away."""
    known = {(each.run.metadata.uid, each.record.object.uid) for each in standing}
    for obj in objects:
        mark = Mark.of(obj)
        kind, meta = kinds.kind_of(obj), obj["metadata"]
        if mark is None or (mark.run_uid, meta["uid"]) in known:
            continue
        words = ["kubectl", "annotate", kind.plural, meta["name"], f"{labels.LEASE}-"]
        words += ["-n", meta["namespace"]] if kind.namespaced else []
        yield (
            f"{title(obj)} carries the mark of HealingRun {mark.run}, which holds it no more:"
            f" {mark.field} was {mark.previous or 'unset'} and became {mark.value}. Once it is as"
            f" you want it, take the mark away: {shlex.join(words)}"
        )


async def _marked(kube: KubeClient, namespace: str | None) -> AsyncGenerator[Manifest]:
    for kind in MARKED:
        if namespace is not None and not kind.namespaced:
            # Whether runs of other namespaces hold a node was not asked.
            continue
        try:
            found = await kube.list(kind, namespace)
        except errors.ApiError as error:
            print(f"autoglm: {kind.plural} were not looked at: {error}", file=sys.stderr)
            continue
        for obj in found:
            yield obj
