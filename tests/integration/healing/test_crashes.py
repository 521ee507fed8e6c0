"""The healer is killed around every write of an episode, and one pod is evicted once each time."""

import pytest

from healing_objects import SOON, MakeProcess, Scene
from healing_processes import HealingProcess, running
from recording_proxy import Moment, kill

WRITES = 7
"""Writes of an episode without faults: policy, intent, eviction, outcome, healthy, end, policy."""


@pytest.mark.usefixtures("healer")
def test_an_undisturbed_episode_has_the_writes_that_are_killed_below(scene: Scene) -> None:
    policy, sick = scene.make_policy(), scene.pods.sicken()
    scene.wants_accepted()

    run = scene.start_run(policy, sick)

    scene.wants_phase(run, "Succeeded")
    scene.timeline.want(
        SOON, "the policy names its last run", lambda: "lastRun" in scene.policy()["status"]
    )
    assert len(scene.proxy.writes()) >= WRITES - 1
    assert sum(scene.proxy.destroyed().values()) == 1


@pytest.mark.parametrize("moment", list(Moment), ids=lambda moment: moment.name.lower())
@pytest.mark.parametrize("number", range(2, WRITES + 1))
def test_one_pod_is_evicted_once_whenever_the_healer_dies(
    scene: Scene, make_process: MakeProcess, number: int, moment: Moment
) -> None:
    policy, sick = scene.make_policy(), scene.pods.sicken()
    healer: HealingProcess = make_process("healer")
    with running(healer):
        scene.wants_accepted()
        scene.proxy.on_write(number, kill(healer.pid), moment)

        run = scene.start_run(policy, sick)

        scene.timeline.want(SOON, "the healer is killed", healer.ended)
        healer.start()
        scene.wants_phase(run, "Succeeded")
    assert scene.evicted() == {sick["metadata"]["name"]: 1}
