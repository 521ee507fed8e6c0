"""The clockwork of the protocol: who is taken for lost, and when.

Planners and executors must agree on these, so they are no settings. This module only names them.
"""

from datetime import timedelta
from typing import Final

REFRESH: Final = timedelta(seconds=1)
"""How often work under way is refreshed."""
LOST: Final = timedelta(seconds=3)
"""Work that nobody refreshed for so long may be taken over: three refreshes were missed."""
MOST_ATTEMPTS: Final = 3
"""Executors that one task may be lost with. Arbitrary, because two crashes may be bad luck and a
third is the task's doing."""


def milliseconds(duration: timedelta) -> int:
    """A duration as the store wants it."""
    return duration // timedelta(milliseconds=1)
