"""Telling people: each place once, again while it is away, and nobody waits for one that hangs."""

import asyncio
import base64
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from autoglm_api import kinds
from autoglm_api.conditions import Reason
from autoglm_api.healingrun import Intent, IntentVerb, ObjectRef
from autoglm_api.kinds import Kind
from autoglm_operator.actions import notify
from autoglm_operator.actions.notify import Notify
from autoglm_operator.clients.notices import Delivery
from autoglm_operator.decisions.healing import ActionIO, Outcome, OutcomeKind
from episodes import a_policy, a_run

Object = dict[str, Any]

TOLD = Delivery(delivered=True, repeat=False)
AWAY = Delivery(delivered=False, repeat=True, problem="It answered 500.")
NEVER = Delivery(delivered=False, repeat=False, problem="It answered 404.")
RUN = ObjectRef(api_version="autoglm.io/v1alpha1", kind="HealingRun", name="crash-1", uid="r-1")
INTENT = Intent(verb=IntentVerb.NOTIFY, object=RUN)


@dataclass
class Places:
    """Answers by URL; one without an answer hangs."""

    answers: dict[str, list[Delivery]]
    posts: list[tuple[str, str, str | None]] = field(
        default_factory=list[tuple[str, str, str | None]]
    )

    async def post(
        self, url: str, body: Object, *, namespace: str, key: str, ca: str | None = None
    ) -> Delivery:
        assert (bool(body), namespace) == (True, "team-a")
        self.posts.append((url, key, ca))
        answers = self.answers[url]
        if not answers:
            await asyncio.Event().wait()
        return answers.pop(0)


@dataclass
class Objects:
    """The API server's answers by kind and name."""

    found: dict[tuple[Kind, str], Object]

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        assert namespace == "team-a"
        return self.found.get((kind, name))


def a_place(name: str, **ca: str) -> Object:
    """A webhook whose URL is its name."""
    refs: Object = {"urlSecretRef": {"name": name, "key": "url"}}
    if ca:
        refs["caSecretRef"] = {"name": name, "key": "ca.crt"}
    return {"type": "Webhook", "webhook": refs}


def a_secret(name: str, **more: str) -> Object:
    """A labelled Secret with a URL."""
    data = {"url": f" https://{name}/ ", **{key.replace("_", "."): more[key] for key in more}}
    coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"metadata": {"labels": {"autoglm.io/credential": "true"}}, "data": coded}


def stored(*places: Object, **secrets: Object) -> Objects:
    """A run, its policy, and Secrets."""
    policy = a_policy(ladder=[{"action": "Notify"}], notify=list(places))
    run = a_run(policy=policy)
    found: dict[tuple[Kind, str], Object] = {
        (kinds.HEALING_RUN, "crash-1"): run.as_json(),
        (kinds.HEALING_POLICY, "crash"): policy.as_json(),
    }
    return Objects(found | {(kinds.SECRET, name): each for name, each in secrets.items()})


async def told(action: Notify, objects: Objects) -> Outcome:
    """One call."""
    return await action.execute("team-a", INTENT, cast("ActionIO", objects))


async def test_every_place_is_told() -> None:
    places = Places({"https://one/": [TOLD], "https://two/": [TOLD]})
    objects = stored(a_place("one"), a_place("two"), one=a_secret("one"), two=a_secret("two"))
    outcome = await told(Notify(places), objects)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.SUCCEEDED, Reason.NOTIFIED)
    assert outcome.message == "Told 2 of 2 places."
    assert sorted(url for url, _, _ in places.posts) == ["https://one/", "https://two/"]


async def test_a_place_that_was_told_is_not_told_again_because_another_was_not() -> None:
    places = Places({"https://one/": [TOLD], "https://two/": [AWAY, TOLD]})
    objects = stored(a_place("one"), a_place("two"), one=a_secret("one"), two=a_secret("two"))
    action = Notify(places)
    first = await told(action, objects)
    assert first.kind is OutcomeKind.RETRYABLE
    assert first.message == "Told 1 of 2 places. It answered 500."
    assert (await told(action, objects)).kind is OutcomeKind.SUCCEEDED
    assert [url for url, _, _ in places.posts].count("https://one/") == 1
    assert len({key for url, key, _ in places.posts if url == "https://two/"}) == 1


async def test_a_place_that_refuses_for_good_is_given_up() -> None:
    outcome = await told(
        Notify(Places({"https://one/": [NEVER]})), stored(a_place("one"), one=a_secret("one"))
    )
    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, Reason.NOTICE_NOT_DELIVERED)


async def test_nobody_waits_for_a_place_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "PATIENCE_SECONDS", 0.01)
    places = Places({"https://one/": []})
    objects, action = stored(a_place("one"), one=a_secret("one")), Notify(places)
    for _ in range(3):
        outcome = await told(action, objects)
        assert outcome.kind is OutcomeKind.UNDER_WAY
        assert outcome.message == "Told 0 of 1 places. The others have not answered yet."
    assert len(places.posts) == 1, "one post is on its way, however often it is asked for"


async def test_what_is_forgotten_is_posted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(notify, "REMEMBERED", 1)
    places = Places({"https://one/": [], "https://two/": []})
    one = stored(a_place("one"), one=a_secret("one"))
    two = stored(a_place("two"), two=a_secret("two"))
    action = Notify(places)
    assert (await told(action, one)).kind is OutcomeKind.UNDER_WAY
    assert (await told(action, two)).kind is OutcomeKind.UNDER_WAY
    places.answers["https://one/"] = [TOLD]
    assert (await told(action, one)).kind is OutcomeKind.SUCCEEDED
    assert [url for url, _, _ in places.posts] == ["https://one/", "https://two/", "https://one/"]


async def test_certificates_come_from_the_secret_that_is_named_for_them() -> None:
    places = Places({"https://one/": [TOLD]})
    objects = stored(a_place("one", ca="yes"), one=a_secret("one", ca_crt="PEM"))
    assert (await told(Notify(places), objects)).kind is OutcomeKind.SUCCEEDED
    assert [ca for _, _, ca in places.posts] == ["PEM"]


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ({}, "Secret one does not exist"),
        ({"one": {"metadata": {}, "data": {}}}, "its owner must label it"),
        ({"one": a_secret("one")}, "no value under the key ca.crt"),
    ],
)
async def test_a_secret_that_cannot_be_used_is_named(secrets: Object, said: str) -> None:
    objects = stored(a_place("one", ca="yes"), **secrets)
    outcome = await told(Notify(Places({})), objects)
    assert outcome.kind is OutcomeKind.FAILED
    assert said in outcome.message


async def test_a_policy_that_names_nobody_any_more_has_failed() -> None:
    objects = stored(a_place("one"), one=a_secret("one"))
    del objects.found[kinds.HEALING_POLICY, "crash"]
    assert "names nobody" in (await told(Notify(Places({})), objects)).message


async def test_a_run_that_is_gone_has_failed() -> None:
    outcome = await told(Notify(Places({})), Objects({}))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, Reason.TARGET_GONE)
