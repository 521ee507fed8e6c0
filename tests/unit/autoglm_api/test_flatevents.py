"""What a flat event says."""

import pytest
from pydantic import ValidationError

from autoglm_api.flatevents import ACTIONS, EventAction, FlatEvent
from autoglm_api.healingladder import ActionName

EVENT = {
    "alert": "HighCPUUsage",
    "instance": "192.168.1.100",
    "severity": "critical",
    "action": "trigger_restart_service",
}


def test_an_event_is_labels_and_a_wish() -> None:
    event = FlatEvent.model_validate(EVENT)

    assert event.labels == {
        "alertname": "HighCPUUsage",
        "instance": "192.168.1.100",
        "severity": "critical",
    }
    assert event.hint is ActionName.RESTART


def test_severity_and_action_may_be_absent() -> None:
    event = FlatEvent.model_validate({"alert": "X", "instance": "::1"})

    assert (event.severity, event.hint) == ("", None)


def test_every_word_means_an_action() -> None:
    assert set(ACTIONS) == set(EventAction)
    assert set(ACTIONS.values()) == set(ActionName) - {ActionName.NOTIFY}


def test_a_fingerprint_is_that_of_all_four_texts() -> None:
    def of(**changes: str) -> str:
        return FlatEvent.model_validate(EVENT | changes).fingerprint

    assert of() == of(further="text")
    assert len(of()) == 16
    others = [
        of(alert="HighCPUUsag", instance="e192.168.1.100"),
        of(instance="192.168.1.101"),
        of(severity="warning"),
        of(action="scale_out"),
    ]
    assert len({of(), *others}) == 5


@pytest.mark.parametrize(
    "change",
    [
        {"alert": ""},
        {"alert": 1},
        {"instance": ""},
        {"instance": "two words"},
        {"instance": None},
        {"action": "reboot"},
        {"severity": "x" * 65},
    ],
    ids=str,
)
def test_refuses(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FlatEvent.model_validate(EVENT | change)
