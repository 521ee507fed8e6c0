"""What the answers of several Alertmanagers say about one alert."""

from datetime import timedelta
from typing import Any

import pytest

from autoglm_api.alerts import Silence
from autoglm_api.healingrun import AlertSource, HealingRun
from autoglm_operator.decisions import alertnews
from autoglm_operator.decisions.surroundings import AlertNews
from episodes import NOW, a_run

SETTLE = timedelta(minutes=3)


def a_silence(name: str = "pod", value: str = "web-1", **changes: Any) -> Silence:  # noqa: ANN401 - any field
    return Silence.model_validate(
        {
            "id": "s",
            "matchers": [{"name": name, "value": value}],
            "startsAt": NOW,
            "endsAt": NOW + timedelta(hours=1),
            "createdBy": "jane",
            "comment": "upgrade of\n the rack",
            **changes,
        }
    )


def from_an_event() -> HealingRun:
    run = a_run()
    alert = run.spec.alert.model_copy(update={"source": AlertSource.EVENT})
    return run.model_copy(update={"spec": run.spec.model_copy(update={"alert": alert})})


def test_fires_when_anybody_has_it() -> None:
    told = alertnews.news_of(a_run(), ["other", "a1b2"], [], vouched=True)
    assert told == AlertNews(firing=True)


def test_fires_no_more_when_somebody_vouches_for_that() -> None:
    assert alertnews.news_of(a_run(), ["other"], [], vouched=True) == AlertNews(firing=False)


def test_nobody_knows_when_nobody_vouches() -> None:
    assert alertnews.news_of(a_run(), [], [], vouched=False) == AlertNews()


def test_an_event_is_unknown_to_alertmanager_but_may_be_silenced() -> None:
    told = alertnews.news_of(from_an_event(), [], [a_silence()], vouched=True)
    assert told == AlertNews(silence="jane (upgrade of the rack)")


def test_says_whose_silence_it_is() -> None:
    told = alertnews.news_of(a_run(), ["a1b2"], [a_silence("pod", "x"), a_silence()], vouched=True)
    assert told == AlertNews(firing=True, silence="jane (upgrade of the rack)")


def test_a_silence_without_author_and_comment_is_somebodys() -> None:
    silence = a_silence(createdBy="", comment=" ")
    assert alertnews.news_of(a_run(), [], [silence], vouched=False).silence == "somebody"


@pytest.mark.parametrize(
    ("started", "answered", "vouched"),
    [
        ({"a": 4, "b": 1}, ["a", "b"], True),
        ({"a": 4, "b": 1}, ["b"], False),
        ({"b": 4}, ["a"], False),
        ({"a": 3}, ["a"], True),
        ({}, ["a"], False),
        ({"a": 9}, [], False),
    ],
)
def test_only_who_has_run_for_a_while_is_believed(
    started: dict[str, int], answered: list[str], vouched: bool
) -> None:
    since = {url: NOW - timedelta(minutes=minutes) for url, minutes in started.items()}
    assert alertnews.is_vouched(answered, since, NOW, SETTLE) is vouched


def test_asks_for_few_alerts_in_alertmanagers_notation() -> None:
    run = a_run(labels={"alertname": 'A"b\\c\nd', "namespace": "team-a", "other": "x"})
    assert alertnews.matchers_of(run) == (
        'alertname="A\\"b\\\\c\\nd"',
        'namespace="team-a"',
    )
    assert alertnews.matchers_of(a_run()) == ('namespace="team-a"', 'pod="web-1"')
