"""One run of the cleaner: measure, remove sort by sort, measure again, report.

What cannot be done is a problem in the report, never the end of the run: on a full disk every sort
that does work counts.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from autoglm_api import cleaning
from autoglm_api.cleaning import CleaningReport, Consumer, Removed
from autoglm_api.healingladder import Rubbish
from autoglm_dataplane.cleaner import containers, disks
from autoglm_dataplane.cleaner.containers import RuntimeTally
from autoglm_dataplane.cleaner.cri import Caller
from autoglm_dataplane.cleaner.disks import Place
from autoglm_dataplane.cleaner.grpc import RuntimeRefusedError, RuntimeUnreachableError
from autoglm_dataplane.cleaner.removal import Fate
from autoglm_dataplane.cleaner.sweeping import Floors, Tally, sweep
from autoglm_dataplane.cleaner.wire import MalformedError

JOURNAL: Final = "journal"
SETTLE_LOOKS: Final = 10
SETTLE_SECONDS: Final = 0.5
"""Some file systems give space back a moment after a file is gone; that is waited for, 5 s at most.
Arbitrary, because it is seen within one look."""


@dataclass(frozen=True, slots=True)
class Node:
    """Where the node's folders are found here."""

    logs: Place
    temporary: tuple[Place, ...]
    volumes: Place
    """On the kubelet's disk."""
    images: Place
    """On the disk of images."""


NODE: Final = Node(
    logs=Place(cleaning.HOST_LOGS, Path(cleaning.LOGS)),
    temporary=(
        Place(cleaning.HOST_TEMPORARY, Path(cleaning.TEMPORARY)),
        Place(cleaning.HOST_KEPT_TEMPORARY, Path(cleaning.KEPT_TEMPORARY)),
    ),
    volumes=Place("/var/lib/kubelet", Path(cleaning.VOLUMES)),
    # A container's root lies on the disk that holds images and what containers write.
    images=Place("the disk of images", Path("/")),
)
"""As the Job mounts them."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to remove, and until when."""

    remove: frozenset[Rubbish]
    floors: Floors
    enough: Callable[[], bool]
    """Whether the time is over."""
    pause: Callable[[float], None]
    """Waits that many seconds."""


@dataclass(slots=True)
class _Book:
    """What the report will say."""

    removed: list[Removed] = field(default_factory=list[Removed])
    kept: list[Consumer] = field(default_factory=list[Consumer])
    problems: list[str] = field(default_factory=list[str])


Connect = Callable[[], AbstractContextManager[Caller]]


def clean(node: Node, order: Order, connect: Connect) -> CleaningReport:
    """Remove what the order asks for and say what became of it.

    Args:
        node: Where the node's folders are.
        order: What to remove.
        connect: Opens a channel to the container runtime.

    Raises:
        OSError: the node's disk cannot be measured.
    """
    watched = disks.on_disk(_places(node, order.remove))
    before = [disks.measure(place) for place in watched]
    book = _Book()
    if Rubbish.LOGS in order.remove:
        _sweep(Rubbish.LOGS, [node.logs], order, book)
    if Rubbish.JOURNAL in order.remove:
        journal = Place(f"{node.logs.shown}/{JOURNAL}", node.logs.here / JOURNAL)
        # Without that folder the journal lives in memory, and there is nothing to remove.
        _sweep(Rubbish.JOURNAL, [journal] if journal.here.is_dir() else [], order, book)
    if Rubbish.TEMPORARY_FILES in order.remove:
        _sweep(Rubbish.TEMPORARY_FILES, list(node.temporary), order, book)
    if order.remove & {Rubbish.CONTAINERS, Rubbish.IMAGES}:
        _ask_runtime(order, connect, book)
    _settle(watched, order)
    if order.enough():
        book.problems.append("The time was over before everything was looked at.")
    book.kept.sort(key=lambda each: each.size_bytes, reverse=True)
    return CleaningReport(
        disks=tuple(disks.report(place, old) for place, old in zip(watched, before, strict=True)),
        removed=tuple(book.removed),
        kept=tuple(book.kept[:8]),
        problems=tuple(each[:200] for each in book.problems[:8]),
    )


def _places(node: Node, remove: frozenset[Rubbish]) -> list[Place]:
    places = [node.volumes, node.images]
    if remove & {Rubbish.LOGS, Rubbish.JOURNAL}:
        places.append(node.logs)
    if Rubbish.TEMPORARY_FILES in remove:
        places += node.temporary
    return places


def _sweep(sort: Rubbish, places: list[Place], order: Order, book: _Book) -> None:
    count, size = 0, 0
    for place in places:
        try:
            tally = sweep(sort, place.here, place.shown, order.floors, enough=order.enough)
        except OSError as error:
            book.problems.append(f"{place.shown} cannot be read: {error.strerror}.")
            continue
        count, size = count + tally.removed, size + tally.removed_bytes
        _note(sort, place, tally, book)
    book.removed.append(Removed(rubbish=sort, count=count, size_bytes=size))


def _note(sort: Rubbish, place: Place, tally: Tally, book: _Book) -> None:
    for shown, size in tally.largest():
        if size:
            why = "active, young, small or not on the list"
            book.kept.append(Consumer(what=_printable(shown), size_bytes=size, why=why))
    for fate in (Fate.OPEN, Fate.REFUSED):
        if tally.spared[fate]:
            book.problems.append(f"{sort} in {place.shown}: {tally.spared[fate]} {fate.value}.")
    if tally.unread:
        first = _printable(tally.unread[0])
        book.problems.append(f"{place.shown}: {len(tally.unread)} folders unread, first {first}.")


def _ask_runtime(order: Order, connect: Connect, book: _Book) -> None:
    before = order.floors.now - order.floors.age_seconds
    try:
        with connect() as channel:
            if Rubbish.CONTAINERS in order.remove:
                done = containers.remove_superseded(channel, before, order.enough)
                _note_runtime(Rubbish.CONTAINERS, done, book)
            if Rubbish.IMAGES in order.remove:
                done = containers.remove_unused(channel, order.enough)
                _note_runtime(Rubbish.IMAGES, done, book)
    except (RuntimeUnreachableError, RuntimeRefusedError, MalformedError) as error:
        book.problems.append(_printable(str(error)))


def _note_runtime(sort: Rubbish, tally: RuntimeTally, book: _Book) -> None:
    book.removed.append(Removed(rubbish=sort, count=tally.removed, size_bytes=tally.removed_bytes))
    for name, size in sorted(tally.kept, key=lambda item: item[1], reverse=True)[:3]:
        book.kept.append(Consumer(what=_printable(name), size_bytes=size, why="image in use"))
    if tally.refused:
        first = _printable(tally.refused[0])
        book.problems.append(f"{sort}: {len(tally.refused)} refused, first: {first}")


def _settle(watched: list[Place], order: Order) -> None:
    """Wait until free space stops to grow."""
    last = -math.inf
    for _ in range(SETTLE_LOOKS):
        free = sum(disks.measure(place).free_bytes for place in watched)
        if free <= last:
            return
        last = free
        order.pause(SETTLE_SECONDS)


def _printable(name: str) -> str:
    """A name that anybody may have chosen, as harmless text of at most 200 characters."""
    shown = "".join(each if each.isprintable() and each.isascii() else "?" for each in name)
    return shown[:200]
