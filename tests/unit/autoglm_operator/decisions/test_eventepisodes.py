"""When a flat event begins an episode, and when it belongs to one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoglm_operator.decisions import eventepisodes
from autoglm_operator.decisions.eventepisodes import EPISODES_LIMIT, TooManyEpisodesError, note

NOW = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)
NOTED = "2026-03-01T12:00:00.123+00:00"


def minutes(number: float) -> datetime:
    return NOW + timedelta(minutes=number)


def test_the_first_event_begins_an_episode_in_milliseconds() -> None:
    noting = note({}, ["a"], NOW)

    assert noting.changes == {"a": f"{NOTED} {NOTED}"}
    assert noting.episodes["a"].started_at == NOW.replace(microsecond=123_000)


def test_a_repetition_within_a_minute_writes_nothing() -> None:
    noting = note({"a": f"{NOTED} {NOTED}"}, ["a"], minutes(0.9))

    assert noting.changes == {}
    assert noting.episodes["a"].started_at == NOW.replace(microsecond=123_000)


def test_a_later_repetition_prolongs_the_episode() -> None:
    noting = note({"a": f"{NOTED} {NOTED}"}, ["a"], minutes(15))

    assert noting.changes == {"a": f"{NOTED} 2026-03-01T12:15:00.123+00:00"}


@pytest.mark.parametrize(("after", "same"), [(15.9, True), (16.1, False)])
def test_an_episode_ends_when_it_was_quiet(after: float, same: bool) -> None:
    episode = note({"a": f"{NOTED} {NOTED}"}, ["a"], minutes(after)).episodes["a"]

    assert (episode.started_at == NOW.replace(microsecond=123_000)) is same


def test_what_is_over_or_cannot_be_read_is_removed_by_the_next_write() -> None:
    entries = {
        "old": f"{NOTED} {NOTED}",
        "torn": "2026-03-01",
        "naive": "2026-03-01T12:00:00 2026-03-01T12:00:00",
        "alive": f"{NOTED} 2026-03-01T12:59:00+00:00",
    }

    noting = note(entries, ["new"], minutes(60))

    removed = {key for key, text in noting.changes.items() if text is None}
    assert removed == {"old", "torn", "naive"}
    assert set(noting.episodes) == {"alive", "new"}


def test_nothing_is_removed_when_nothing_else_is_to_be_written() -> None:
    entries = {"old": f"{NOTED} {NOTED}", "a": f"{NOTED} 2026-03-01T13:00:00+00:00"}

    assert note(entries, ["a"], minutes(60)).changes == {}


def test_there_is_room_for_so_many_and_no_more() -> None:
    entries = {str(number): f"{NOTED} {NOTED}" for number in range(EPISODES_LIMIT)}

    assert note(entries, ["1"], minutes(2)).changes
    with pytest.raises(TooManyEpisodesError, match="4096 events are under way"):
        note(entries, ["new"], minutes(2))


@given(st.lists(st.floats(0.01, 40), min_size=1, max_size=30))
def test_events_share_an_episode_exactly_while_it_was_never_quiet(pauses: list[float]) -> None:
    entries: dict[str, str] = {}
    at, last_noted, started = NOW, NOW, NOW
    for pause in (0.0, *pauses):
        at += timedelta(minutes=pause)
        noting = note(entries, ["a"], at)
        entries |= {key: text for key, text in noting.changes.items() if text is not None}
        episode = noting.episodes["a"]
        if pause >= 16:
            assert episode.started_at > started, "a quiet time ends every episode"
        if pause < 15:
            assert pause == 0.0 or episode.started_at == started, "a short pause ends none"
        started, last_noted = episode.started_at, episode.last_noted
        assert at - last_noted < eventepisodes.NOTED_EVERY
