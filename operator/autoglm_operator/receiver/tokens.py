"""Static tokens of senders outside of the cluster, from the files of a mounted Secret.

Every line of every file is a token, so that old and new are accepted while both stand there. The
files are read again when a token is unknown and every few seconds: a rotation takes effect without
a restart. Only hashes are kept. Never logs a token.
"""

import hashlib
import logging
from pathlib import Path
from typing import Final

from autoglm_operator.runtime.clock import Clock

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 5.0
"""Time between two looks at the files, so that a token that was withdrawn ends soon. Arbitrary: a
kubelet needs up to a minute to change them."""
ASKED_SECONDS: Final = 1.0
"""Least time between two looks that unknown tokens cause. Arbitrary, because a stranger must not
keep the disk busy."""
SHORTEST: Final = 16
"""Characters of a token at least. Source: NIST SP 800-63B asks of secrets that are looked up for 64
bits at least; 16 hexadecimal digits hold that many."""
LARGEST_FILE: Final = 64 * 2**10
"""Bytes of a file at most. Arbitrary: hundreds of tokens."""


class StaticTokens:
    """Tokens in the files of a directory; none if there is no directory."""

    def __init__(self, directory: Path | None, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._hashes: frozenset[bytes] = frozenset()
        self._problems: tuple[str, ...] = ()
        self._looked = float("-inf")
        self.reload()

    @property
    def configured(self) -> bool:
        """Whether there is a directory."""
        return self._directory is not None

    def holds(self, token: str) -> bool:
        """Whether a token stands in a file."""
        if not self.configured:
            return False
        # A hash tells nothing about how much of a token was right, however long a look-up takes.
        key = _hash(token)
        if key not in self._hashes and self._clock.monotonic() - self._looked >= ASKED_SECONDS:
            self.reload()
        return key in self._hashes

    def reload(self) -> None:
        """Read the files; those that are in force stay so if they cannot be read."""
        if self._directory is None:
            return
        self._looked = self._clock.monotonic()
        problems: list[str] = []
        try:
            found = frozenset(
                _hash(token)
                for file in _files(self._directory)
                for token in _tokens(file, problems)
            )
        except OSError as error:
            self._say((f"The tokens cannot be read: {error.strerror}.",))
            return
        if not found:
            problems.append("The Secret of static tokens holds none: nobody is let in by one.")
        if found != self._hashes:
            log.info("static tokens loaded", extra={"count": len(found)})
        self._hashes = found
        self._say(tuple(problems))

    async def follow(self) -> None:
        """Read the files again and again."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            self.reload()

    def _say(self, problems: tuple[str, ...]) -> None:
        """Log problems once, until they change."""
        for problem in problems if problems != self._problems else ():
            log.warning("static tokens", extra={"problem": problem})
        self._problems = problems


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _files(directory: Path) -> list[Path]:
    # A kubelet keeps the real files in hidden directories and swaps one link.
    return sorted(
        file for file in directory.iterdir() if not file.name.startswith(".") and file.is_file()
    )


def _tokens(file: Path, problems: list[str]) -> list[str]:
    if file.stat().st_size > LARGEST_FILE:
        problems.append(f"Key {file.name} is longer than {LARGEST_FILE} bytes and is not read.")
        return []
    try:
        lines = [line.strip() for line in file.read_text().splitlines() if line.strip()]
    except UnicodeDecodeError:
        problems.append(f"Key {file.name} is no text and is not read.")
        return []
    good = [line for line in lines if len(line) >= SHORTEST and len(line.split()) == 1]
    if len(good) < len(lines):
        problems.append(
            f"Key {file.name} holds a token that is shorter than {SHORTEST} characters or has"
            " spaces in it: it is not accepted."
        )
    return good
