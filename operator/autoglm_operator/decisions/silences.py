"""Which silence mutes an alert, judged as Alertmanager judges it.

A silence is somebody's word that nothing shall happen, so one that cannot be judged holds. Never
asks anybody: the silences are given.
"""

from collections.abc import Iterable, Mapping

from autoglm_api.alerts import Silence, SilenceMatcher
from autoglm_operator.decisions import matching


def silenced_by(silences: Iterable[Silence], labels: Mapping[str, str]) -> Silence | None:
    """The first silence that mutes an alert with these labels; None if none does.

    Args:
        silences: Those in force.
        labels: The alert's labels; an absent one counts as empty.
    """
    return next((each for each in silences if _mutes(each, labels)), None)


def _mutes(silence: Silence, labels: Mapping[str, str]) -> bool:
    # Alertmanager stores no silence without matchers; from elsewhere it would mute everything.
    return bool(silence.matchers) and all(
        _fits(matcher, labels.get(matcher.name, "")) for matcher in silence.matchers
    )


def _fits(matcher: SilenceMatcher, value: str) -> bool:
    if not matcher.is_regex:
        return (matcher.value == value) is matcher.is_equal
    try:
        return matching.covers(matcher.value, value) is matcher.is_equal
    except matching.BAD_EXPRESSION:
        return True
