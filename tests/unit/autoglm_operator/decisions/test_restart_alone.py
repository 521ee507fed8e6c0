"""When the only pod of a workload is evicted."""

from datetime import timedelta

import pytest

from autoglm_api.conditions import Reason
from autoglm_api.healingladder import LadderStep
from autoglm_api.healingrun import Intent, IntentVerb
from autoglm_operator.decisions import restart
from autoglm_operator.decisions.healing import Denial, Seen
from episodes import NOW, RESTART_POD, a_pod, a_sighting, a_workload, seen, stamp

POD = LadderStep.model_validate(RESTART_POD)


def alone_after(exit_code: int, *, minutes: float) -> Seen:
    """The only pod of a workload, whose container ended a while ago and is up again."""
    pod = a_pod(restarts=4)
    end = {"exitCode": exit_code, "finishedAt": stamp(NOW - timedelta(minutes=minutes))}
    pod["status"]["containerStatuses"][0]["lastState"] = {"terminated": end}
    look = a_sighting(pod, workload=a_workload(replicas=1), pods=(pod,))
    return seen(sighting=look)


def test_evicts_it_between_two_crashes() -> None:
    """Seen on real nodes: without a readiness probe a pod that crashes is Ready for a moment."""
    planned = restart.plan(POD, alone_after(1, minutes=9), NOW)

    assert isinstance(planned, Intent)
    assert planned.verb is IntentVerb.EVICT


@pytest.mark.parametrize(
    "look",
    [alone_after(1, minutes=11), alone_after(0, minutes=1)],
    ids=["it has served for long", "it ended as it should"],
)
def test_asks_before_it_takes_one_that_serves(look: Seen) -> None:
    planned = restart.plan(POD, look, NOW)

    assert isinstance(planned, Denial)
    assert planned.reason is Reason.APPROVAL_NEEDED
