"""When a flat event begins an episode and when it belongs to one.

Senders of flat events say neither when something began nor that it is over: an episode ends when
nothing was heard for a while. What is known stands as texts in one ConfigMap, so that all receivers
agree. Never reads or writes it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

QUIET: Final = timedelta(minutes=15)
"""An episode never ends before it was quiet for so long. Source: the contract of flat events."""
NOTED_EVERY: Final = timedelta(minutes=1)
"""Time between two notes that an episode goes on, so that a sender that repeats itself every second
costs one write per minute; an episode ends so much later. Arbitrary."""
EPISODES_LIMIT: Final = 4096
"""Episodes that may be open at once: some 300 KiB of the 1 MiB that a ConfigMap holds."""


class TooManyEpisodesError(Exception):
    """No further episode can be noted until others end."""


@dataclass(frozen=True, slots=True)
class EventEpisode:
    """A row of equal events.

    Attributes:
        started_at: When the first came; with the fingerprint it names the run.
        last_noted: When one of them was last noted.
    """

    started_at: datetime
    last_noted: datetime

    def is_over(self, now: datetime) -> bool:
        """Whether the next event begins another episode."""
        return now - self.last_noted >= QUIET + NOTED_EVERY

    def is_noted(self, now: datetime) -> bool:
        """Whether an event at this time needs no further note."""
        return now - self.last_noted < NOTED_EVERY


@dataclass(frozen=True, slots=True)
class Noting:
    """What follows from events.

    Attributes:
        episodes: All that are open afterwards.
        changes: Entries to write; None for those to remove. Empty if nothing must be written.
    """

    episodes: Mapping[str, EventEpisode]
    changes: Mapping[str, str | None]


def read(entries: Mapping[str, str]) -> dict[str, EventEpisode]:
    """The episodes that are written down, by fingerprint; what cannot be read is left out."""
    found: dict[str, EventEpisode] = {}
    for fingerprint, text in entries.items():
        first, _, last = text.partition(" ")
        try:
            moments = datetime.fromisoformat(first), datetime.fromisoformat(last)
        except ValueError:
            continue
        if all(moment.tzinfo is not None for moment in moments):
            found[fingerprint] = EventEpisode(*moments)
    return found


def note(entries: Mapping[str, str], fingerprints: Iterable[str], now: datetime) -> Noting:
    """Let events begin or go on with their episodes.

    Args:
        entries: What is written down.
        fingerprints: Those of the events.
        now: When they came.

    Raises:
        TooManyEpisodesError: there is no room for a new one.
    """
    known = read(entries)
    alive = {key: episode for key, episode in known.items() if not episode.is_over(now)}
    changes: dict[str, str | None] = {}
    for fingerprint in fingerprints:
        episode = alive.get(fingerprint)
        if episode is not None and episode.is_noted(now):
            continue
        # Milliseconds, as the name of a run counts them.
        moment = now.astimezone(UTC).replace(microsecond=now.microsecond // 1000 * 1000)
        alive[fingerprint] = EventEpisode(episode.started_at if episode else moment, moment)
        changes[fingerprint] = _text(alive[fingerprint])
    if len(alive) > EPISODES_LIMIT:
        raise TooManyEpisodesError(
            f"{EPISODES_LIMIT} events are under way already: repeat this one when some have ended"
        )
    if changes:
        changes |= dict.fromkeys(entries.keys() - alive.keys())
    return Noting(alive, changes)


def _text(episode: EventEpisode) -> str:
    moments = (episode.started_at, episode.last_noted)
    return " ".join(moment.isoformat(timespec="milliseconds") for moment in moments)
