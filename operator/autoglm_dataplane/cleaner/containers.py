"""Which images and exited containers are rubbish, and their removal through the runtime.

An image is rubbish when no container of any state refers to it. An exited container is rubbish only
when a newer one has taken its place in the same pod: the kubelet reads the newest one to know
whether it ran at all, and would run a finished one again if that were gone.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from autoglm_dataplane.cleaner import cri
from autoglm_dataplane.cleaner.cri import Caller, Container, Image, State
from autoglm_dataplane.cleaner.grpc import RuntimeRefusedError

_SANDBOX_NAMES: Final = ("pause", "pause-amd64", "pause-arm64")
"""Images of pod sandboxes, which containers never name; newer runtimes pin them themselves."""


@dataclass(slots=True)
class RuntimeTally:
    """What was removed through the runtime."""

    removed: int = 0
    removed_bytes: int = 0
    kept: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    """Names and sizes of what is in use."""
    refused: list[str] = field(default_factory=list[str])
    """What the runtime said where it refused."""


def superseded(containers: Iterable[Container], before: float) -> list[Container]:
    """Exited containers whose successor was made before that time, in seconds since 1970."""
    known = list(containers)
    newest: dict[tuple[str, str], Container] = {}
    for each in known:
        key = (each.pod, each.name)
        if key not in newest or each.attempt > newest[key].attempt:
            newest[key] = each
    return [
        each
        for each in known
        if each.state == State.EXITED
        and each.pod
        and newest[each.pod, each.name].attempt > each.attempt
        and newest[each.pod, each.name].created <= before
    ]


def unused(images: Iterable[Image], containers: Iterable[Container]) -> list[Image]:
    """Images that no container refers to in any way, and that nobody pinned."""
    used: set[str] = set()
    for each in containers:
        used |= {each.image, each.image_ref, each.image_id}
    used.discard("")
    return [
        image
        for image in images
        if image.id
        and not image.pinned
        and not used & {image.id, *image.tags, *image.digests}
        and not any(_repository(tag) in _SANDBOX_NAMES for tag in (*image.tags, *image.digests))
    ]


def remove_superseded(channel: Caller, before: float, enough: Callable[[], bool]) -> RuntimeTally:
    """Remove every exited container with a successor made before that time."""
    tally = RuntimeTally()
    for each in superseded(cri.containers(channel), before):
        if enough():
            break
        if _asked(partial(cri.remove_container, channel, each.id), tally):
            tally.removed += 1
    return tally


def remove_unused(channel: Caller, enough: Callable[[], bool]) -> RuntimeTally:
    """Remove every image that is in use neither at first nor just before its removal."""
    tally = RuntimeTally()
    found = cri.images(channel)
    rubbish = unused(found, cri.containers(channel))
    for image in rubbish:
        # Somebody may have begun to use it while the one before was being removed.
        if enough() or not unused([image], cri.containers(channel)):
            continue
        if _asked(partial(cri.remove_image, channel, image.id), tally):
            tally.removed += 1
            tally.removed_bytes += image.size_bytes
    ids = {image.id for image in rubbish}
    tally.kept = [(_title(image), image.size_bytes) for image in found if image.id not in ids]
    return tally


def _asked(ask: Callable[[], None], tally: RuntimeTally) -> bool:
    try:
        ask()
    except RuntimeRefusedError as error:
        tally.refused.append(str(error))
        return False
    return True


def _title(image: Image) -> str:
    return next(iter((*image.tags, *image.digests)), image.id)


def _repository(reference: str) -> str:
    name = reference.rpartition("/")[2]
    return name.partition("@")[0].partition(":")[0]
