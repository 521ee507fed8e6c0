"""Keys of built things: digests of all that went in, so that equal keys mean equal results."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

Value = str | Sequence[str] | Mapping[str, str]
"""What an input may be."""

Inputs = Mapping[str, Value]
"""Named parts that decide a result."""

KEY_LENGTH = 16
"""Hex digits of a key: 64 bits, far more than a cache can hold by chance twice."""

IGNORED_FOLDERS = frozenset({"__pycache__"})
"""What running the sources leaves beside them; it is not part of them."""


def key_of(inputs: Inputs) -> str:
    """Key of named inputs; their order does not matter."""
    canonical = json.dumps(inputs, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:KEY_LENGTH]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_digests(folder: Path) -> dict[str, str]:
    """Digest and execute permission of every file below folder, by its path inside it."""
    found: dict[str, str] = {}
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - IGNORED_FOLDERS)
        for name in files:
            path = Path(where, name)
            mark = "x" if os.access(path, os.X_OK) else "-"
            found[path.relative_to(folder).as_posix()] = mark + file_digest(path)
    return found
