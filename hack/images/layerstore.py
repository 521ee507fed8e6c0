"""Layers in the cache: each is made once and lies under a key of all it was made from."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from buildcache import keys, places, progress, publishing
from images import debian, layers, oci

FORM = (Path(debian.__file__), Path(layers.__file__))
"""Our own sources that decide what every layer holds."""

Fill = Callable[[Path], Mapping[str, str]]
"""Fills an empty root, or one that holds what is below; returns versions of what it put there."""


@dataclasses.dataclass(frozen=True)
class Order:
    """A layer as it is asked for."""

    name: str
    inputs: keys.Inputs
    """All that decides the layer, beside what is below."""
    fill: Fill
    below: "Layer | None" = None
    """The layer that this one is a change to; None for one that stands alone."""
    keep_root: bool = False
    """Keep the root file system too, for others to run programs in."""
    refresh: bool = False
    """Make it anew although the cache holds it."""


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer in the cache."""

    folder: Path
    blob: oci.Blob
    versions: Mapping[str, str]
    """Versions of the packages in it and below it."""

    @property
    def marks(self) -> layers.Marks:
        """What the root file system holds up to this layer."""
        marks: layers.Marks = json.loads((self.folder / "marks.json").read_text())
        return marks

    @property
    def root(self) -> Path:
        """The root file system up to this layer, when it was kept."""
        return self.folder / "root"


def layer(order: Order) -> Layer:
    """The ordered layer, made when the cache does not hold it.

    Raises:
        BuildError: It cannot be made.
    """
    folder = places.folder("images/layers")
    below = order.below.blob.digest if order.below else ""
    form = [keys.file_digest(path) for path in FORM]
    key = keys.key_of({**order.inputs, "name": order.name, "below": below, "form": form})
    target = publishing.thing(
        folder, order.name, key, lambda part: _make(order, part), anew=order.refresh
    )
    found = json.loads((target / "layer.json").read_text())
    blob = oci.Blob(target / "layer.tar", found["digest"], found["size"])
    return Layer(target, blob, found["versions"])


def _make(order: Order, part: Path) -> None:
    progress.say(f"layer {order.name}: making it")
    root, file = part / "root", part / "layer.tar"
    root.mkdir()
    versions = order.fill(root)
    marks = layers.pack(root, file, order.below.marks if order.below else None)
    if not order.keep_root:
        shutil.rmtree(root)
    size = file.stat().st_size
    found = {"digest": f"sha256:{keys.file_digest(file)}", "size": size, "versions": dict(versions)}
    (part / "layer.json").write_text(json.dumps(found, indent=1))
    (part / "marks.json").write_text(json.dumps(marks))
    progress.say(f"layer {order.name}: {size / 1e6:.1f} MB")
