"""What changes of runs and policies wake up in the healer."""

import random  # noqa: TID251 - a seeded one, as the queue takes it
from typing import Any

from autoglm_api import kinds
from autoglm_api.healingrun import HealingRunStatus
from autoglm_operator.handlers.healing import TOLD_AFTER_SECONDS, HealingWakeups
from autoglm_operator.reconcilers.ledger import RunLedger
from autoglm_operator.runtime.keys import ObjectKey
from autoglm_operator.runtime.store import ObjectStore
from autoglm_operator.runtime.workqueue import WorkQueue
from episodes import NOW, a_run
from manual_clock import ManualClock

Object = dict[str, Any]
POLICY = ObjectKey("team-a", "crash")


class Scene:
    """Wake-ups over two queues."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        rng = random.Random(0)  # noqa: S311 - jitter, not secrets
        self.runs = WorkQueue[ObjectKey]("HealingRun", self.clock, rng=rng)
        self.policies = WorkQueue[ObjectKey]("HealingPolicy", self.clock, rng=rng)
        self.ledger = RunLedger()
        self.wakeups = HealingWakeups(ObjectStore(), self.ledger, self.runs, self.policies)

    def changed(self, name: str, *, version: str = "1", ended: bool = False) -> None:
        """A run was made or written."""
        status = HealingRunStatus(finished_at=NOW if ended else None)
        run = a_run(name=name)
        meta = {"name": name, "namespace": "team-a", "uid": name, "resourceVersion": version}
        after = {"metadata": meta, "spec": run.spec.as_json(), "status": status.as_json()}
        self.wakeups.on_change(kinds.HEALING_RUN, None, after)


async def test_an_open_run_is_looked_at_and_an_ended_one_is_not() -> None:
    scene = Scene()
    scene.changed("open")
    scene.changed("ended", ended=True)

    assert await scene.runs.get() == ObjectKey("team-a", "open")
    assert len(scene.runs) == 0
    assert scene.ledger.open_runs() == (("team-a", "open"),)


async def test_a_policy_is_told_once_of_a_storm_of_ended_runs() -> None:
    scene = Scene()
    for number in range(100):
        scene.changed(f"run-{number}", ended=True)
    assert len(scene.policies) == 0

    await scene.clock.advance(TOLD_AFTER_SECONDS)

    assert await scene.policies.get() == POLICY
    assert len(scene.policies) == 0


async def test_an_older_event_of_a_run_changes_nothing() -> None:
    scene = Scene()
    scene.changed("run", version="7", ended=True)
    scene.changed("run", version="6")

    assert scene.ledger.open_runs() == ()
    assert len(scene.runs) == 0
