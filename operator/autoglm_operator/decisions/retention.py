"""Which records of ended runs may go: too old or too many, and their alert long gone.

A record is the receiver's memory of an episode: were it deleted while its alert still fires, the
next delivery would begin the episode anew. So only runs whose alert has been gone for a day count.
Never deletes anything.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

GONE_FOR: Final = timedelta(hours=24)
"""How long an alert must be gone before its record may go. Arbitrary, because an Alertmanager that
was away for a day may still deliver what it knew."""
UNKNOWN_FOR: Final = timedelta(hours=120) + GONE_FOR
"""The same where no Alertmanager can be asked, from the run's end. Source: 120 h is how long
Alertmanager remembers by default, and so the longest time between two deliveries of one alert."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many records are kept, and for how long."""

    ttl: timedelta
    """From the run's end."""
    per_policy: int
    """Of one policy, the youngest."""


@dataclass(frozen=True, slots=True)
class Record:
    """What counts of an ended run."""

    uid: str
    policy: tuple[str, str]
    """Namespace and name."""
    finished_at: datetime
    gone_since: datetime | None
    """Since when its alert is known to be gone; None while it fires or nobody could be asked."""
    known: bool
    """Whether an Alertmanager was asked about its alert."""


def expired(records: Iterable[Record], limits: Limits, now: datetime) -> frozenset[str]:
    """UIDs of the runs whose records may be deleted now."""
    by_policy: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        if _is_quiet(record, now):
            by_policy[record.policy].append(record)
    found: set[str] = set()
    for quiet in by_policy.values():
        quiet.sort(key=lambda record: record.finished_at, reverse=True)
        found |= {record.uid for record in quiet[limits.per_policy :]}
        found |= {record.uid for record in quiet if now - record.finished_at >= limits.ttl}
    return frozenset(found)


def _is_quiet(record: Record, now: datetime) -> bool:
    """Whether the alert has been gone for long enough that it cannot come back as this episode."""
    if record.known:
        return record.gone_since is not None and now - record.gone_since >= GONE_FOR
    return now - record.finished_at >= UNKNOWN_FOR
