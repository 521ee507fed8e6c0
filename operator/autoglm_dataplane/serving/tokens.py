"""A token in a mounted file, read anew as it changes.

Kubernetes swaps mounted Secrets under a running process, and not everywhere at once. So a token
that was good a moment ago stays good for a while. This module never writes a token anywhere.
"""

import hmac
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

from autoglm_dataplane.serving.settings import read_secret

OLD_TOKEN_LIFE: Final = timedelta(minutes=2)
"""How long the token before is accepted: within it every pod has seen a changed Secret."""


class TokenFile:
    """The token of one file."""

    def __init__(
        self, path: Path, variable: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Reads the file once.

        Raises:
            SettingsError: it cannot be read or is empty.
        """
        self._path = path
        self._clock = clock
        self._current = read_secret(path, variable)
        self._before: str | None = None
        self._changed_at = 0.0

    def current(self) -> str:
        """The token to show to others; the last one while the file cannot be read."""
        try:
            text = self._path.read_text(encoding="utf-8").strip()
        except OSError:
            return self._current
        if text and text != self._current:
            self._before, self._current = self._current, text
            self._changed_at = self._clock()
        return self._current

    def accepts(self, shown: str) -> bool:
        """Whether somebody's token is good."""
        good = [self.current()]
        if self._before and self._clock() - self._changed_at < OLD_TOKEN_LIFE.total_seconds():
            good.append(self._before)
        return any(hmac.compare_digest(shown.encode(), each.encode()) for each in good)
