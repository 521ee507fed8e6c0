"""Folders of the cache; never the checkout."""

import os
from pathlib import Path


def root() -> Path:
    """The cache's root: `AUTOGLM_CACHE`, else the user's cache folder."""
    own = os.environ.get("AUTOGLM_CACHE")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "autoglm-operator"


def folder(name: str) -> Path:
    """The part of the cache called name, made when it is missing."""
    path = root() / name
    path.mkdir(parents=True, exist_ok=True)
    return path
