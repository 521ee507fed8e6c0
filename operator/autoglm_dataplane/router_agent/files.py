"""Writes files so that a crash leaves either the old or the new one, never a part.

It decides nothing.
"""

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from autoglm_dataplane.router_agent.layout import Layout
from autoglm_dataplane.router_agent.rendered import Rendered, map_text

_PRIVATE = 0o600


def write(path: Path, content: bytes) -> None:
    """Replace a file in one step, readable by its owner alone."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(_PRIVATE)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def write_all(rendered: Rendered, where: Layout) -> None:
    """Write what HAProxy reads: what the configuration names comes before it."""
    for name, text in rendered.files.items():
        if not Path(name).exists():
            write(Path(name), text.encode())
    for name, entries in rendered.maps.items():
        _write_changed(Path(name), map_text(entries).encode())
    _write_changed(where.config, rendered.config().encode())


def snapshot(rendered: Rendered, where: Layout) -> dict[Path, bytes | None]:
    """What stands now where `write_all` would write; None where nothing does."""
    paths = [where.config, *(Path(name) for name in rendered.maps)]
    return {path: path.read_bytes() if path.exists() else None for path in paths}


def restore(before: Mapping[Path, bytes | None]) -> None:
    """Put back what stood there; a rejected file would end the next start of HAProxy."""
    for path, content in before.items():
        if content is None:
            path.unlink(missing_ok=True)
        else:
            _write_changed(path, content)


def remove_unused(rendered: Rendered, where: Layout) -> None:
    """Remove certificates, keys and lists that no configuration names any more."""
    for pattern in ("*-*.pem", "models-*.json"):
        for path in where.run_dir.glob(pattern):
            if str(path) not in rendered.files:
                path.unlink(missing_ok=True)


def _write_changed(path: Path, content: bytes) -> None:
    if not path.exists() or path.read_bytes() != content:
        write(path, content)
