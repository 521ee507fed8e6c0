r"""The digest of a directory of files, or of a single file.

It is what a shell computes with tools that everybody has, inside the directory:

    find -L . -type f | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum

That is: sha256 over one line per file, in the byte order of their paths; a line is the file's own
sha256, two blanks, `./` and its path, and a newline. Links count as what they lead to. A single
file counts as the only one of its directory. Dates, owners, rights and empty directories do not
count.
"""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

ALGORITHM: Final = "sha256"
_CHUNK: Final = 1 << 20
"""Arbitrary, because anything above some 100 KiB reads as fast as the volume allows."""
_ODD: Final = frozenset("\\\n\r")
"""sha256sum writes names with these in another form."""


class UnreadableError(Exception):
    """The files cannot be read; the message is one sentence for a person."""


def digest_of(place: Path, volume: Path, *, readers: int | None = None) -> str:
    """The digest, as `sha256:` and 64 hexadecimal digits.

    Args:
        place: A directory or a file.
        volume: What links may lead to: elsewhere, the server would find other files than we do.
        readers: Files that are read at once; None means one per processor.

    Raises:
        UnreadableError: There is nothing at this place, or something in it cannot be read.
    """
    try:
        single = place.is_file()
        files = [place] if single else sorted(_files(place), key=os.fsencode)
        names = [_name(file, place.parent if single else place) for file in files]
        for file in files:
            _check(file, volume.resolve(strict=True))
        with ThreadPoolExecutor(readers or os.cpu_count()) as pool:
            sums = list(pool.map(_sum, files))
    except FileNotFoundError as error:
        raise UnreadableError(f"{error.filename} does not exist: check uri and volume.") from error
    except OSError as error:
        raise UnreadableError(f"{error.filename} cannot be read: {error.strerror}.") from error
    if not files:
        raise UnreadableError(f"{place} holds no file: check uri and volume.")
    lines = (f"{each}  {name}\n" for each, name in zip(sums, names, strict=True))
    whole = hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape"))
    return f"{ALGORITHM}:{whole.hexdigest()}"


def _files(root: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(root, onerror=fail, followlinks=True):
        here = Path(folder)
        above = {parent.resolve() for parent in (here, *here.parents)}
        for name in folders:
            # Such a link would never end.
            if (here / name).resolve() in above:
                raise UnreadableError(f"{here / name} leads back to a directory above it.")
        yield from (here / name for name in names)


def _check(file: Path, volume: Path) -> None:
    real = file.resolve(strict=True)
    if not real.is_relative_to(volume):
        raise UnreadableError(f"{file} leads out of its volume: put the file itself there.")
    if not real.is_file():
        raise UnreadableError(f"{file} is no regular file.")


def _name(file: Path, root: Path) -> str:
    name = str(file.relative_to(root))
    if _ODD & set(name):
        raise UnreadableError("A file's name has a backslash or a line break: rename it.")
    return f"./{name}"


def _sum(file: Path) -> str:
    found = hashlib.sha256()
    with file.open("rb", buffering=0) as content:
        while chunk := content.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()
