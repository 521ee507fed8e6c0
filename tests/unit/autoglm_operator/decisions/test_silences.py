"""Which silences mute an alert."""

from datetime import UTC, datetime, timedelta

import pytest

from autoglm_api.alerts import Silence, SilenceMatcher
from autoglm_operator.decisions.silences import silenced_by

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LABELS = {"alertname": "Crash", "pod": "web-1"}


def a_silence(*matchers: SilenceMatcher) -> Silence:
    return Silence(id="s-1", matchers=matchers, starts_at=NOW, ends_at=NOW + timedelta(hours=1))


def matcher(name: str, value: str, *, regex: bool = False, equal: bool = True) -> SilenceMatcher:
    return SilenceMatcher(name=name, value=value, is_regex=regex, is_equal=equal)


CASES: dict[str, tuple[list[SilenceMatcher], bool]] = {
    "an equal value": ([matcher("pod", "web-1")], True),
    "another value": ([matcher("pod", "web-2")], False),
    "a value that shall differ": ([matcher("pod", "web-2", equal=False)], True),
    "a value that shall differ but does not": ([matcher("pod", "web-1", equal=False)], False),
    "an expression": ([matcher("pod", "web-.+", regex=True)], True),
    "a part of the value": ([matcher("pod", "web", regex=True)], False),
    "an expression that shall not fit": (
        [matcher("pod", "db-.+", regex=True, equal=False)],
        True,
    ),
    "an expression that shall not fit but does": (
        [matcher("pod", "web-.+", regex=True, equal=False)],
        False,
    ),
    "an absent label that shall be empty": ([matcher("team", "")], True),
    "two, of which one does not fit": (
        [matcher("pod", "web-1"), matcher("alertname", "Stuck")],
        False,
    ),
    "no expression": ([matcher("pod", "(", regex=True)], True),
    "no matcher": ([], False),
}


@pytest.mark.parametrize(("matchers", "muted"), CASES.values(), ids=CASES)
def test_matchers_mute(matchers: list[SilenceMatcher], muted: bool) -> None:
    assert (silenced_by([a_silence(*matchers)], LABELS) is not None) is muted


def test_any_silence_is_enough_and_is_named() -> None:
    other = a_silence(matcher("pod", "web-2")).model_copy(update={"id": "s-0"})

    found = silenced_by([other, a_silence(matcher("pod", "web-1"))], LABELS)

    assert found is not None
    assert found.id == "s-1"
    assert silenced_by([], LABELS) is None
