"""The rules about our own processes: each is scaled to nothing, and said to be down."""

import pytest

from expected_alerts import STOPPED, Expected
from rules_stage import RulesStage
from timeline import Timeline, within


@pytest.fixture(scope="module")
def stopped(scene: RulesStage) -> RulesStage:
    """The stage without operator, receiver and healer."""
    assert not any(scene.fired(each.name) for each in STOPPED.values())
    for component in STOPPED:
        scene.stop(component)
    return scene


@pytest.mark.parametrize("expected", STOPPED.values(), ids=lambda each: each.name)
def test_it_fires(expected: Expected, stopped: RulesStage, timeline: Timeline) -> None:
    timeline.want(within(60), f"{expected.name} fires", lambda: expected.seen(stopped))
