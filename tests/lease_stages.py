"""A run that holds a lease on a workload, for unit tests of the way there and back.

Exists so that such tests share one server that may break. Never used where a real one can be had.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from autoglm_api import kinds, labels
from autoglm_api.healingladder import ActionName
from autoglm_api.healingrun import HealingRun, HealingRunStatus, LeaseState
from autoglm_operator.actions.scaleout import ScaleOut
from autoglm_operator.decisions.healing import Denial, HealingAction, Pauses, Seen, Sighting
from autoglm_operator.reconcilers.leasing import Leasing
from episodes import NOW, a_policy, a_run, a_workload, seen
from fake_objects import FakeObjects

POLICY = a_policy(ladder=[{"action": "ScaleOut", "scaleOut": {"maxReplicas": 10, "step": 4}}])

LEAVING = Pauses(reverting=True)


@dataclass
class Stage:
    """A run that holds a lease on a workload, in an API server that may break."""

    now: datetime = NOW
    server: FakeObjects = field(default_factory=FakeObjects)
    actions: dict[ActionName, HealingAction] = field(
        default_factory=lambda: {ActionName.SCALE_OUT: ScaleOut()}
    )

    def __post_init__(self) -> None:
        self.workload = self.server.put(a_workload(replicas=2))
        sighting = Sighting(workload=self.workload, chain=(self.workload,), key="k")
        look = seen(sighting=sighting, policy=POLICY)
        step = POLICY.spec.ladder[0]
        intent = ScaleOut().plan(step, look, NOW)
        assert not isinstance(intent, Denial)
        record = {
            "action": "ScaleOut",
            "startedAt": NOW,
            "intent": intent,
            "lease": ScaleOut().lease(step, intent, look, NOW),
        }
        run = a_run(HealingRunStatus.model_validate({"steps": [record]}), policy=POLICY)
        self.stored = self.server.put(
            {
                "apiVersion": "autoglm.io/v1alpha1",
                "kind": "HealingRun",
                "metadata": run.metadata.as_json(),
                "spec": run.spec.as_json(),
                "status": run.status.as_json(),
            }
        )
        self.leasing = Leasing(self.server, self.actions, self.journal, lambda: self.now)

    @property
    def run(self) -> HealingRun:
        return HealingRun.read(self.stored)

    async def journal(self, run: HealingRun, status: HealingRunStatus) -> HealingRun:
        if status == run.status:
            return run
        assert run.metadata.resource_version == self.stored["metadata"]["resourceVersion"]
        written = await self.server.patch(
            kinds.HEALING_RUN, "team-a", run.metadata.name, {"status": status.as_json()}
        )
        return HealingRun.read(written)

    async def raise_it(self) -> None:
        await self.leasing.prepare(self.run)
        intent = self.run.status.steps[0].intent
        assert intent is not None
        await ScaleOut().execute("team-a", intent, self.server)

    def end(self, **step: object) -> None:
        self.stored["status"]["finishedAt"] = "2026-03-01T12:02:00Z"
        self.stored["status"]["steps"][0] |= {"outcome": "Succeeded", "helped": True, **step}

    def look(self, **changes: Any) -> Seen:  # noqa: ANN401 - any field of Seen
        return seen(self.run, policy=POLICY, **changes)

    async def tend(self, **changes: Any) -> timedelta | None:  # noqa: ANN401 - any field of Seen
        _, wait = await self.leasing.tend(self.look(**changes))
        return wait

    @property
    def replicas(self) -> int:
        return int(self.workload["spec"]["replicas"])

    @property
    def state(self) -> LeaseState:
        record = self.run.status.steps[0].lease
        assert record is not None
        return record.state

    def is_marked(self) -> bool:
        return labels.LEASE in self.workload["metadata"].get("annotations", {})
