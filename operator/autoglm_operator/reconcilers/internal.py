"""Which internal tokens routers accept while a token is being replaced.

Pods read the token from a mounted Secret, which follows a change within two minutes; so the old one
stays valid for longer than that. What is remembered here is lost with the process; the old token
then ends early, and pods that still use it are refused until their mount follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoglm_operator.runtime.clock import Clock

# Source: the design gives mounted Secrets two minutes; one more for slow kubelets.
OVERLAP_SECONDS = 180.0


class InternalTokens:
    """Remembers the token before the current one, per cluster."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._current: dict[str, str] = {}
        self._previous: dict[str, tuple[str, float]] = {}

    def accepted(self, uid: str, token: str) -> tuple[str, ...]:
        """The current token, and the one before it while pods may still use that."""
        now = self._clock.monotonic()
        before = self._current.get(uid)
        if before is not None and before != token:
            self._previous[uid] = (before, now)
        self._current[uid] = token
        old, since = self._previous.get(uid, ("", float("-inf")))
        if now - since >= OVERLAP_SECONDS:
            self._previous.pop(uid, None)
            return (token,)
        return (token, old)

    def forget(self, uid: str) -> None:
        """Drop a cluster that is gone."""
        self._current.pop(uid, None)
        self._previous.pop(uid, None)
