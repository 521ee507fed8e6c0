"""When an isolation is done, and when the node returns."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

import episodes
from autoglm_api.healingladder import LadderStep
from autoglm_api.healingrun import Intent, IntentVerb
from autoglm_operator.decisions import isolation
from autoglm_operator.decisions.healing import Fleet, Seen
from autoglm_operator.decisions.surroundings import AlertNews
from episodes import NOW, a_pod, a_workload
from isolations import (
    a_fleet,
    a_look,
    a_step,
    a_worker,
    an_intent,
    isolated,
    on,
    terminating,
    web,
    with_condition,
)

DOWN = a_worker(ready=False)
OF_DAEMON = on("node1", a_pod("agent", owner=a_workload("DaemonSet")))


def test_the_lease_is_about_the_taint_and_ends() -> None:
    record = isolation.lease(a_step(expiresAfter="2h"), an_intent(), NOW)

    assert (record.field, record.previous, record.value) == (
        "spec.taints[autoglm.io/isolated]",
        "",
        "crash-1",
    )
    assert record.expires == NOW + timedelta(hours=2)


@pytest.mark.parametrize(
    ("step", "intent"),
    [
        (LadderStep.model_validate({"action": "IsolateNode"}), an_intent()),
        (a_step(), an_intent().model_copy(update={"isolation": None})),
    ],
)
def test_there_is_no_lease_of_what_was_not_planned(step: LadderStep, intent: Intent) -> None:
    with pytest.raises(LookupError):
        isolation.lease(step, intent, NOW)


STEP = a_step(healthyDelay="15m", expiresAfter="6h")
RECORD = isolation.lease(STEP, an_intent(), NOW)


def well_since(minutes: float) -> episodes.Object:
    node = isolated(a_worker())
    moment = episodes.stamp(NOW + timedelta(minutes=minutes))
    node["status"]["conditions"][0]["lastTransitionTime"] = moment
    return node


def test_returns_once_it_was_well_for_the_whole_delay() -> None:
    later = isolation.returns_at(STEP, RECORD, a_look(well_since(5)))

    assert later == NOW + timedelta(minutes=20)


def test_a_relapse_starts_the_delay_anew() -> None:
    node = with_condition(well_since(5), "MemoryPressure", "False")
    relapse = episodes.stamp(NOW + timedelta(minutes=30))
    node["status"]["conditions"][-1]["lastTransitionTime"] = relapse

    assert isolation.returns_at(STEP, RECORD, a_look(node)) == NOW + timedelta(minutes=45)


def test_a_node_that_was_never_ill_waits_from_its_isolation() -> None:
    assert isolation.returns_at(STEP, RECORD, a_look(well_since(-600))) == NOW + timedelta(
        minutes=15
    )


def no_node() -> Seen:
    look = a_look()
    return replace(look, sighting=replace(look.sighting, node=None))


STAYS: dict[str, tuple[LadderStep, Callable[[], Seen]]] = {
    "a node that is down": (STEP, lambda: a_look(DOWN)),
    "a node that is gone": (STEP, no_node),
    "a node of which nobody knows since when": (STEP, lambda: a_look(isolated(a_worker()))),
    "a node whose alert still fires": (
        STEP,
        lambda: a_look(well_since(5), news=AlertNews(firing=True)),
    ),
    "a step without options": (
        LadderStep.model_validate({"action": "IsolateNode"}),
        lambda: a_look(well_since(5)),
    ),
}


@pytest.mark.parametrize(("step", "look"), STAYS.values(), ids=STAYS)
def test_does_not_return(step: LadderStep, look: Callable[[], Seen]) -> None:
    assert isolation.returns_at(step, RECORD, look()) is None


QUARANTINE, DRAIN = an_intent(IntentVerb.QUARANTINE), an_intent()
ELSEWHERE = (web("node2"), OF_DAEMON)
LEAVING = (terminating(web("node1")),)
DONE: dict[str, tuple[Intent, episodes.Object | None, Fleet | None, bool]] = {
    "a quarantine with our mark": (QUARANTINE, isolated(a_worker()), None, True),
    "a quarantine without it": (QUARANTINE, a_worker(), None, False),
    "a quarantine with another's": (QUARANTINE, isolated(a_worker(), "crash-9"), None, False),
    "a node that is gone": (QUARANTINE, None, None, False),
    "an intent that says nothing": (
        QUARANTINE.model_copy(update={"isolation": None}),
        isolated(a_worker()),
        None,
        False,
    ),
    "a drained node": (DRAIN, isolated(a_worker()), a_fleet(pods=ELSEWHERE), True),
    "a node with a pod": (DRAIN, isolated(a_worker()), a_fleet(), False),
    "a node that a pod is leaving": (DRAIN, isolated(a_worker()), a_fleet(pods=LEAVING), False),
    "a dead node that a pod will never leave": (DRAIN, isolated(DOWN), a_fleet(pods=LEAVING), True),
    "a node of which nobody knows the pods": (DRAIN, isolated(a_worker()), None, False),
}


@pytest.mark.parametrize(("intent", "node", "fleet", "done"), DONE.values(), ids=DONE)
def test_knows_whether_it_is_done(
    intent: Intent, node: episodes.Object | None, fleet: Fleet | None, *, done: bool
) -> None:
    sighting = replace(a_look().sighting, node=node, fleet=fleet)

    assert isolation.is_done(intent, sighting) is done
