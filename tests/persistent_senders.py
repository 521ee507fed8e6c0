"""Senders that repeat a delivery as Alertmanager does: after 5xx and broken connections only.

Exists so that a test of lost answers needs no Alertmanager. Never repeats what was refused for
good.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from healing_objects import Sender
from healing_processes import HealingProcess
from kubeconfig import Object

PATIENCE_SECONDS = 120.0
"""Longer than any outage of a test."""
PAUSE_SECONDS = 0.5
"""Arbitrary; Alertmanager's first pause is half a second, too."""


@dataclass
class PersistentSender:
    """Repeats until it is answered for good, and starts a receiver again that has ended."""

    sender: Sender
    namespace: str
    """Where its policies are."""
    revived: list[HealingProcess] = field(default_factory=list[HealingProcess])
    attempts: int = 0

    def deliver(self, *alerts: Object) -> httpx.Response:
        """Deliver alerts as one group."""
        return self._repeat(lambda: self.sender.post(*alerts))

    def event(self, event: Object) -> httpx.Response:
        """Post a flat event."""
        return self._repeat(lambda: self.sender.event(event))

    def _repeat(self, post: Callable[[], httpx.Response]) -> httpx.Response:
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            self.attempts += 1
            try:
                answer = post()
            except httpx.TransportError:
                self._revive()
            else:
                if answer.status_code < 500:
                    return answer
            assert time.monotonic() < end, "The delivery was never answered."
            time.sleep(PAUSE_SECONDS)  # noqa: TID251 - the sender's own pause

    def _revive(self) -> None:
        for process in self.revived:
            if process.ended():
                process.start()
