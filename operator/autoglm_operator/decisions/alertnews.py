"""What the answers of all Alertmanagers together say about the alert of one run.

That an alert fires is believed to anybody; that it fires no more only to an Alertmanager that has
run long enough to have been told everything. Never asks anybody.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from autoglm_api.alerts import Silence
from autoglm_api.healingrun import AlertSource, HealingRun
from autoglm_operator.decisions import silences as judging
from autoglm_operator.decisions.surroundings import AlertNews

COMMENT_LIMIT: Final = 200
"""Characters of a silence's comment that a condition repeats. Arbitrary."""


def news_of(
    run: HealingRun, firing: Iterable[str], silences: Iterable[Silence], *, vouched: bool
) -> AlertNews:
    """What is said of a run's alert.

    Args:
        run: The run.
        firing: Fingerprints of the alerts that any Alertmanager has, muted or not.
        silences: Silences in force at any of them.
        vouched: Whether one that answered can be believed that an alert fires no more.
    """
    alert = run.spec.alert
    by = judging.silenced_by(silences, alert.labels)
    silence = None if by is None else _shown(by)
    if alert.source is AlertSource.EVENT:
        return AlertNews(silence=silence)
    if alert.fingerprint in set(firing):
        return AlertNews(firing=True, silence=silence)
    return AlertNews(firing=False if vouched else None, silence=silence)


def is_vouched(
    answered: Iterable[str], started: Mapping[str, datetime], now: datetime, settle: timedelta
) -> bool:
    """Whether one of those that answered has run for long enough.

    Args:
        answered: URLs of those that answered.
        started: Since when each has run, by its URL.
        now: The time of the answers.
        settle: How long Prometheus may take to tell a new one everything.
    """
    return any(url in started and now - started[url] >= settle for url in answered)


def matchers_of(run: HealingRun) -> tuple[str, ...]:
    """Matchers in Alertmanager's own notation that a run's alert fits, and few others do."""
    labels, target = run.spec.alert.labels, run.spec.policy.target
    names = dict.fromkeys(("alertname", target.source.namespace_label, target.name_label))
    return tuple(f'{name}="{_quoted(labels[name])}"' for name in names if labels.get(name))


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return escaped.replace("\n", "\\n")


def _shown(silence: Silence) -> str:
    comment = " ".join(silence.comment.split())[:COMMENT_LIMIT]
    author = silence.created_by or "somebody"
    return f"{author} ({comment})" if comment else author
