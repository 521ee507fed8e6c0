"""What becomes of each alert, and what the API server's answers mean for it."""

from datetime import timedelta

import pytest

from autoglm_api.alerts import Alert
from autoglm_api.flatevents import FlatEvent
from autoglm_api.healingrun import AlertSource
from autoglm_operator.receiver.storing import REFUSED_SECONDS, REMEMBERED_SECONDS
from customresources import a_policy
from fake_runs import refused
from intake_scene import STARTS, IntakeScene, a_group, an_alert


async def test_every_alert_has_its_own_outcome() -> None:
    scene = IntakeScene(None, refused(403, "Forbidden", "exceeded quota: runs"))
    alerts = [
        an_alert("web-1"),
        an_alert("web-2", status="resolved"),
        an_alert("web-3", startsAt="yesterday"),
        an_alert("web-4"),
        an_alert("web-5", labels={"alertname": "Other", "namespace": "team-a"}),
    ]

    answer = (await scene.intake.deliver(a_group(*alerts))).as_json()

    (run,) = scene.api.runs
    assert [(each["index"], each["outcome"]) for each in answer["alerts"]] == [
        (0, "Stored"),
        (1, "Resolved"),
        (2, "Malformed"),
        (3, "Refused"),
        (4, "Unmatched"),
    ]
    assert answer["alerts"][0] == {
        "index": 0,
        "fingerprint": "f-web-1",
        "outcome": "Stored",
        "run": run,
    }
    assert "reason" not in answer["alerts"][1]
    assert answer["alerts"][3]["reason"] == "exceeded quota: runs"
    assert answer["problems"][0].startswith("alerts[2].startsAt")
    assert answer["problems"][1:] == ["exceeded quota: runs"]
    assert [event["reason"] for event in scene.api.events] == ["AlertRefused"]
    assert scene.counted("autoglm_alerts", "Stored") == 1


ANSWERS: dict[str, tuple[Exception, str, bool]] = {
    "patience": (refused(429, "TooManyRequests"), "Unavailable", False),
    "an error": (refused(500, "InternalError"), "Unavailable", False),
    "no answer": (refused(503, "ServiceUnavailable"), "Unavailable", False),
    "a conflict": (refused(409, "Conflict"), "Unavailable", False),
    "a known name": (refused(409, "AlreadyExists"), "Known", False),
    "our token expired": (refused(401, "Unauthorized"), "Unavailable", False),
    "our right is missing": (
        refused(403, "Forbidden", 'User "r" cannot create resource "healingruns"'),
        "Unavailable",
        False,
    ),
    "the kind is missing": (
        refused(404, "NotFound", "the server could not find the requested resource"),
        "Unavailable",
        False,
    ),
    "the namespace is gone": (
        refused(404, "NotFound", 'namespaces "x" not found'),
        "Refused",
        True,
    ),
    "the namespace ends": (
        refused(403, "Forbidden", "namespace team-a is being terminated"),
        "Refused",
        True,
    ),
    "a quota": (refused(403, "Forbidden", "exceeded quota"), "Refused", True),
    "an invalid run": (refused(422, "Invalid"), "Refused", True),
    "a body too large": (refused(413, "RequestEntityTooLarge"), "Refused", True),
}


@pytest.mark.parametrize(("answer", "outcome", "told"), ANSWERS.values(), ids=ANSWERS)
async def test_an_answer_of_the_api_server_means(
    answer: Exception, outcome: str, told: bool
) -> None:
    scene = IntakeScene(answer)

    delivery = await scene.intake.deliver(a_group(an_alert()))

    assert [result.outcome for result in delivery.results] == [outcome]
    assert delivery.repeat is (outcome == "Unavailable")
    assert bool(scene.api.events) is told


async def test_an_alert_that_fits_into_no_run_is_refused() -> None:
    scene = IntakeScene()
    labels = an_alert()["labels"] | {"x": "y" * 2000}

    delivery = await scene.intake.deliver(a_group(an_alert(labels=labels)))

    assert [result.outcome for result in delivery.results] == ["Refused"]
    assert (scene.api.runs, len(scene.api.events)) == ({}, 1)


async def test_what_was_left_out_is_asked_for_once_the_rest_is_stored() -> None:
    scene = IntakeScene(refused(503, "ServiceUnavailable"))
    asked: list[str] = []
    scene.intake.on_truncated = lambda group: asked.append(group.receiver)
    group = a_group(an_alert(), truncated=7)

    await scene.intake.deliver(group)
    before = list(asked)
    await scene.intake.deliver(group)

    assert (before, asked) == ([], ["ours"])
    assert scene.registry.get_sample_value("autoglm_alerts_truncated_total") == 14


async def test_a_poll_does_not_ask_for_what_is_surely_stored() -> None:
    scene = IntakeScene()
    found = [Alert.model_validate(an_alert())]
    await scene.intake.deliver(a_group(an_alert()))
    calls = scene.api.calls

    quiet = await scene.intake.poll(found)
    await scene.clock.advance(REMEMBERED_SECONDS)
    later = await scene.intake.poll(found)

    assert (quiet.results, [each.outcome for each in later.results]) == ([], ["Known"])
    assert scene.api.calls == calls + 1
    assert scene.counted("autoglm_alerts_polled", "Known") == 1


async def test_a_poll_tries_again_later_what_was_refused() -> None:
    scene = IntakeScene(refused(403, "Forbidden", "exceeded quota"))
    await scene.intake.deliver(a_group(an_alert()))
    alerts = [Alert.model_validate(an_alert())]

    soon = await scene.intake.poll(alerts)
    await scene.clock.advance(REFUSED_SECONDS)
    delivery = await scene.intake.poll(alerts)

    assert soon.results == []
    assert [result.outcome for result in delivery.results] == ["Stored"]
    (run,) = scene.api.runs.values()
    assert run["spec"]["alert"]["source"] == AlertSource.POLLER


async def test_many_runs_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoglm_operator.receiver.storing.REMEMBERED", 2)
    scene = IntakeScene()
    alerts = [
        an_alert(startsAt=(STARTS + timedelta(seconds=number)).isoformat()) for number in range(4)
    ]
    for alert in alerts:
        await scene.intake.deliver(a_group(alert))

    polled = await scene.intake.poll(Alert.model_validate(alert) for alert in alerts)

    assert len(polled.results) == 2


async def test_only_policies_of_event_namespaces_match_events() -> None:
    scene = IntakeScene()
    other = a_policy("other")
    meta = {"namespace": "team-b", "uid": "p-2", "generation": 1, "name": "other"}
    scene.policies.put({**other, "metadata": meta})
    event = FlatEvent(alert="KubePodCrashLooping", instance="10.0.0.1")

    found = scene.policies.matching_event(event)

    assert [policy.metadata.namespace for policy in found] == ["team-a"]
