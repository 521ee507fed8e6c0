"""What the container runtime says of its images and containers, and the two removals we ask for.

Source: api.proto of k8s.io/cri-api, package runtime.v1, which every runtime serves.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from autoglm_dataplane.cleaner import wire

_RUNTIME: Final = "runtime.v1.RuntimeService"
_IMAGES: Final = "runtime.v1.ImageService"


class State(IntEnum):
    """ContainerState."""

    CREATED = 0
    RUNNING = 1
    EXITED = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Image:
    """An image on the node."""

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    size_bytes: int
    pinned: bool


@dataclass(frozen=True, slots=True)
class Container:
    """A container on the node, running or not."""

    id: str
    name: str
    attempt: int
    image: str
    """What it was asked to run."""
    image_ref: str
    """What that was resolved to."""
    image_id: str
    """Empty with older runtimes."""
    state: int
    created: float
    """Seconds since 1970."""
    pod: str
    """UID of its pod; empty if the kubelet did not make it."""


class Caller(Protocol):
    """A gRPC channel."""

    def call(self, method: str, request: bytes) -> bytes:
        """Make one call."""
        ...


def images(channel: Caller) -> list[Image]:
    """Every image."""
    answer = channel.call(f"{_IMAGES}/ListImages", b"")
    return [_image(part) for field, part in wire.fields(answer) if field == 1 and _is(part)]


def containers(channel: Caller) -> list[Container]:
    """Every container, in whatever state."""
    answer = channel.call(f"{_RUNTIME}/ListContainers", b"")
    return [_container(part) for field, part in wire.fields(answer) if field == 1 and _is(part)]


def remove_image(channel: Caller, image: str) -> None:
    """Remove an image with all its names; an absent one is fine."""
    channel.call(f"{_IMAGES}/RemoveImage", wire.message(1, wire.text(1, image)))


def remove_container(channel: Caller, container: str) -> None:
    """Remove a container; an absent one is fine."""
    channel.call(f"{_RUNTIME}/RemoveContainer", wire.text(1, container))


def _is(value: wire.Value) -> bool:
    return isinstance(value, bytes)


def _image(data: wire.Value) -> Image:
    parts = _Parts(data)
    return Image(
        id=parts.text(1),
        tags=parts.texts(2),
        digests=parts.texts(3),
        size_bytes=parts.number(4),
        pinned=bool(parts.number(8)),
    )


def _container(data: wire.Value) -> Container:
    parts = _Parts(data)
    metadata = _Parts(parts.last(3))
    labels = {_Parts(each).text(1): _Parts(each).text(2) for each in parts.all(8)}
    return Container(
        id=parts.text(1),
        name=metadata.text(1),
        attempt=metadata.number(2),
        image=_Parts(parts.last(4)).text(1),
        image_ref=parts.text(5),
        image_id=parts.text(10),
        state=parts.number(6),
        created=parts.number(7) / 1e9,
        # Source: k8s.io/kubelet/pkg/types, KubernetesPodUIDLabel.
        pod=labels.get("io.kubernetes.pod.uid", ""),
    )


class _Parts:
    """The fields of one message by number; absent ones are empty, as the protocol has it."""

    def __init__(self, data: wire.Value) -> None:
        self._fields: dict[int, list[wire.Value]] = {}
        for field, value in wire.fields(data if isinstance(data, bytes) else b""):
            self._fields.setdefault(field, []).append(value)

    def all(self, field: int) -> list[wire.Value]:
        return self._fields.get(field, [])

    def last(self, field: int) -> wire.Value:
        return self._fields.get(field, [b""])[-1]

    def texts(self, field: int) -> tuple[str, ...]:
        return tuple(
            each.decode("utf-8", "replace") for each in self.all(field) if isinstance(each, bytes)
        )

    def text(self, field: int) -> str:
        return "".join(self.texts(field)[-1:])

    def number(self, field: int) -> int:
        found = self.last(field)
        return found if isinstance(found, int) else 0
