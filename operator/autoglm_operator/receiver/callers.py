"""Which ServiceAccounts may post alerts: those that hold a right which exists for nothing else.

The API server judges token and right; its answers are kept for a short while under a hash of the
token, and few questions are under way at once, so that strangers cannot keep it busy. An alert
makes the healer act, so whatever is unclear is refused. Never logs a token.
"""

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from autoglm_api import kinds, labels
from autoglm_operator.decisions.reading import Manifest, part
from autoglm_operator.runtime.clock import Clock

KEPT_SECONDS: Final = 60.0
"""How long an allowed caller stays so. Arbitrary, because a withdrawn right should end within a
minute while a burst of deliveries must not cost two reviews each."""
REFUSED_SECONDS: Final = 5.0
"""How long a refused caller stays so: a person who repairs a binding waits for it."""
KEPT_CALLERS: Final = 256
"""Callers remembered. Arbitrary, because a cluster has few senders and an attacker many tokens."""
REVIEWS_AT_ONCE: Final = 4
"""Unknown tokens that are judged at once. Arbitrary, because a quarter of the calls to the API
server that may be under way leaves the others to alerts."""
REVIEWS_WAITING: Final = 32
"""Unknown tokens that wait for their turn. Arbitrary, because each takes some milliseconds."""


class Verdict(StrEnum):
    """What is known about a caller."""

    ALLOWED = "Allowed"
    UNAUTHENTICATED = "Unauthenticated"
    UNAUTHORISED = "Unauthorised"
    UNDECIDED = "Undecided"
    """Too many others are being judged, or the caller must show its certificate again."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller and the verdict about it."""

    verdict: Verdict
    name: str = ""


class Reviewer(Protocol):
    """The one call that is needed of the API client."""

    async def review(self, obj: Manifest) -> Manifest:
        """Ask the API server about a token or a right."""
        ...


class Callers:
    """Judges bearer tokens."""

    def __init__(self, kube: Reviewer, clock: Clock, release_namespace: str) -> None:
        self._kube = kube
        self._clock = clock
        self._namespace = release_namespace
        self._known: OrderedDict[str, tuple[float, Caller]] = OrderedDict()
        self._slots = asyncio.Semaphore(REVIEWS_AT_ONCE)
        self._waiting = 0

    async def judge(self, token: str) -> Caller:
        """Find out who shows a token and whether it may post alerts.

        Raises:
            ApiError: the API server could not be asked.
        """
        if not token:
            return Caller(Verdict.UNAUTHENTICATED)
        key = hashlib.sha256(token.encode()).hexdigest()
        known = self._known.get(key)
        if known is not None and self._clock.monotonic() < known[0]:
            return known[1]
        if self._waiting >= REVIEWS_WAITING:
            return Caller(Verdict.UNDECIDED)
        self._waiting += 1
        try:
            async with self._slots:
                caller = await self._ask(token)
        finally:
            self._waiting -= 1
        kept = KEPT_SECONDS if caller.verdict is Verdict.ALLOWED else REFUSED_SECONDS
        self._known[key] = (self._clock.monotonic() + kept, caller)
        self._known.move_to_end(key)
        while len(self._known) > KEPT_CALLERS:
            self._known.popitem(last=False)
        return caller

    async def _ask(self, token: str) -> Caller:
        review = await self._kube.review(
            {
                "apiVersion": kinds.TOKEN_REVIEW.api_version,
                "kind": kinds.TOKEN_REVIEW.kind,
                "metadata": {},
                "spec": {"token": token, "audiences": [labels.RECEIVER]},
            }
        )
        status = part(review, "status")
        audiences: list[str] = status.get("audiences") or []
        if not status.get("authenticated") or labels.RECEIVER not in audiences:
            return Caller(Verdict.UNAUTHENTICATED)
        user = part(status, "user")
        answer = await self._kube.review(_access_review(user, self._namespace))
        allowed = part(answer, "status").get("allowed") is True
        name = str(user.get("username", ""))
        return Caller(Verdict.ALLOWED if allowed else Verdict.UNAUTHORISED, name)


def _access_review(user: Manifest, namespace: str) -> Manifest:
    return {
        "apiVersion": kinds.SUBJECT_ACCESS_REVIEW.api_version,
        "kind": kinds.SUBJECT_ACCESS_REVIEW.kind,
        "metadata": {},
        "spec": {
            "user": user.get("username", ""),
            "uid": user.get("uid", ""),
            "groups": user.get("groups") or [],
            "extra": user.get("extra") or {},
            "resourceAttributes": {
                "namespace": namespace,
                "verb": "create",
                "group": kinds.HEALING_RUN.group,
                "version": kinds.HEALING_RUN.version,
                "resource": kinds.HEALING_RUN.plural,
                "subresource": "alerts",
            },
        },
    }
