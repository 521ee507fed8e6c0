"""What the recording proxy can do to a request, as data.

Exists so that a scenario lists its faults and the proxy only carries them out. Pure: chooses,
never sends.
"""

import random  # noqa: TID251 - seeded below, so that a share of faults is the same in every run
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from proxy_records import Call


@dataclass(frozen=True)
class Refuse:
    """Answer with an error instead of asking the server."""

    status: int
    reason: str = ""
    message: str = "refused by the test"
    retry_after_seconds: int | None = None


@dataclass(frozen=True)
class FailAfterCommit:
    """Let the server carry the request out, then answer with an error."""

    status: int = 500


@dataclass(frozen=True)
class LoseReply:
    """Let the server carry the request out, then drop the connection."""


@dataclass(frozen=True)
class Drop:
    """Drop the connection before the server sees the request."""


@dataclass(frozen=True)
class Delay:
    """Hold the request back before the server sees it."""

    seconds: float


@dataclass(frozen=True)
class SendTwice:
    """Send the request to the server twice and answer with the second reply."""


@dataclass(frozen=True)
class RepeatReply:
    """Answer a read with the reply that the same read got first: a stale cache in between."""


@dataclass(frozen=True)
class RepeatEvents:
    """Deliver every event of a watch twice."""


Fault = Refuse | FailAfterCommit | LoseReply | Drop | Delay | SendTwice | RepeatReply | RepeatEvents


@dataclass(frozen=True)
class Match:
    """Which requests: every field that is set must be equal."""

    verb: str | None = None
    resource: str | None = None
    subresource: str | None = None
    namespace: str | None = None
    name: str | None = None
    writes: bool | None = None
    destroys: bool | None = None
    where: Callable[[Call], bool] | None = None

    def __call__(self, call: Call) -> bool:
        """Tell whether the request is meant."""
        wanted = (
            (self.verb, call.verb),
            (self.resource, call.resource),
            (self.subresource, call.subresource),
            (self.namespace, call.namespace),
            (self.name, call.name),
            (self.writes, call.writes),
            (self.destroys, call.destroys),
        )
        return all(want is None or want == is_ for want, is_ in wanted) and (
            self.where is None or self.where(call)
        )


@dataclass
class Rule:
    """One fault, for which requests, how often."""

    fault: Fault
    match: Match = field(default_factory=Match)
    times: int | None = 1
    """None for as long as the rule stands."""
    share: float = 1.0
    """Part of the matching requests that are hit, chosen by the plan's seed."""
    hits: int = 0


class Plan:
    """The rules in force. Safe to change while requests are under way."""

    def __init__(self, seed: int = 0) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311 - not a secret

    def add(self, rule: Rule) -> Rule:
        """Put a rule in force after those that stand."""
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Withdraw every rule."""
        with self._lock:
            self._rules.clear()

    def choose(self, call: Call) -> Fault | None:
        """Return the fault of the first rule that applies, and count it."""
        with self._lock:
            for rule in self._rules:
                exhausted = rule.times is not None and rule.hits >= rule.times
                if exhausted or not rule.match(call):
                    continue
                if rule.share < 1 and self._random.random() >= rule.share:
                    continue
                rule.hits += 1
                return rule.fault
        return None
