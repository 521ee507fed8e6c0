"""Every write of the way there and back, in its order, and once, whichever of them breaks."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from autoglm_api import labels
from autoglm_api.conditions import Reason
from autoglm_api.healingladder import ActionName
from autoglm_api.healingrun import Intent, LeaseState
from autoglm_operator.actions.restart import Restart
from autoglm_operator.actions.scaleout import ScaleOut
from autoglm_operator.clients import errors
from autoglm_operator.decisions import leases
from autoglm_operator.decisions.healing import (
    ActionIO,
    OutcomeKind,
)
from episodes import NOW, Object, a_run
from fake_objects import LOST
from lease_stages import LEAVING, Stage


async def test_finalizer_and_mark_come_before_the_change() -> None:
    stage = Stage()

    run, forbidden = await stage.leasing.prepare(stage.run)

    assert forbidden is None
    assert run.metadata.finalizers == (labels.UNDO,)
    assert stage.server.writes == ["patch HealingRun", "patch Deployment"]
    assert stage.is_marked()
    await stage.leasing.prepare(run)
    assert len(stage.server.writes) == 2


async def test_a_step_without_a_lease_needs_neither() -> None:
    stage = Stage()
    del stage.stored["status"]["steps"][0]["lease"]

    assert await stage.leasing.prepare(stage.run) == (stage.run, None)
    assert stage.server.writes == []


def gone(stage: Stage) -> None:
    stage.server.objects.pop(("Deployment", "web"))


def made_anew(stage: Stage) -> None:
    stage.workload["metadata"].update(uid="new")


def held_by_another(stage: Stage) -> None:
    stage.workload["metadata"].update(annotations=a_foreign_mark())


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (gone, Reason.TARGET_GONE),
        (made_anew, Reason.TARGET_GONE),
        (held_by_another, Reason.LEASE_HELD),
    ],
)
async def test_is_forbidden_where_the_object_is(
    spoil: Callable[[Stage], None], reason: Reason
) -> None:
    stage = Stage()
    spoil(stage)

    _, forbidden = await stage.leasing.prepare(stage.run)

    assert forbidden is not None
    assert (forbidden.kind, forbidden.reason) == (OutcomeKind.FAILED, reason)


def a_foreign_mark() -> Object:
    record = Stage().run.status.steps[0].lease
    assert record is not None
    return {labels.LEASE: leases.lease_of(a_run(name="crash-2"), record).mark.text()}


async def test_a_refused_mark_fails_and_an_unanswered_one_is_asked_again() -> None:
    stage = Stage()
    stage.server.broken[2] = (errors.Forbidden(403, "Forbidden", "No."), False)
    _, forbidden = await stage.leasing.prepare(stage.run)
    assert forbidden is not None
    assert forbidden.message == "No."

    stage.server.broken[3] = (LOST, True)
    with pytest.raises(errors.Unavailable):
        await stage.leasing.prepare(stage.run)
    assert (await stage.leasing.prepare(stage.run))[1] is None


@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize("applied", [False, True])
async def test_every_write_of_the_way_back_may_break(number: int, *, applied: bool) -> None:
    stage = Stage()
    await stage.raise_it()
    stage.end()
    done = len(stage.server.writes)
    stage.server.broken[done + number] = (LOST, applied)

    for _ in range(3):
        try:
            await stage.tend(pauses=LEAVING)
        except errors.Unavailable:
            continue

    assert (stage.replicas, stage.is_marked(), stage.state) == (2, False, LeaseState.REVERTED)
    assert stage.run.metadata.finalizers == ()
    scaled = stage.server.writes[done:].count("scale Deployment")
    assert scaled == (2 if number == 2 and not applied else 1)


async def test_what_the_server_refuses_for_good_stands_in_the_journal() -> None:
    stage = Stage()
    await stage.raise_it()
    stage.end()
    stage.server.broken[len(stage.server.writes) + 2] = (
        errors.Forbidden(403, "Forbidden", "Not you."),
        False,
    )

    with pytest.raises(errors.Forbidden):
        await stage.tend(pauses=LEAVING)

    record = stage.run.status.steps[0].lease
    assert record is not None
    assert (record.state, record.message) == (LeaseState.HELD, "Not you.")


async def test_another_hand_s_number_stays_and_only_the_mark_goes() -> None:
    stage = Stage()
    await stage.raise_it()
    stage.end()
    stage.workload["spec"]["replicas"] = 9

    await stage.tend(pauses=LEAVING)

    assert (stage.replicas, stage.is_marked(), stage.state) == (9, False, LeaseState.LOST)


async def test_a_vanished_object_ends_the_lease() -> None:
    stage = Stage()
    await stage.raise_it()
    stage.end()
    del stage.server.objects["Deployment", "web"]

    assert await stage.tend() == leases.LOOK
    assert await stage.tend(pauses=LEAVING) is None

    assert (stage.state, stage.run.metadata.finalizers) == (LeaseState.LOST, ())


async def test_an_object_that_vanishes_on_the_way_back_ends_the_lease() -> None:
    stage = Stage()
    await stage.raise_it()
    stage.end()

    class Vanishing(ScaleOut):
        async def undo(self, *args: object, **kwargs: object) -> None:
            del stage.server.objects["Deployment", "web"]

    stage.actions[ActionName.SCALE_OUT] = Vanishing()
    stage.now = NOW + timedelta(hours=1)
    await stage.tend()
    await stage.tend()

    assert stage.state is LeaseState.LOST


async def test_a_lease_that_nobody_here_can_undo_keeps_its_run() -> None:
    stage = Stage()
    await stage.raise_it()
    stage.end()
    stage.actions[ActionName.SCALE_OUT] = Restart()

    assert await stage.tend(pauses=LEAVING) == leases.LOOK
    assert stage.run.metadata.finalizers == (labels.UNDO,)


async def test_an_open_run_keeps_its_finalizer() -> None:
    stage = Stage()
    await stage.raise_it()
    stage.stored["status"]["steps"][0] |= {"outcome": "Succeeded", "helped": False}

    assert await stage.tend() is None

    assert (stage.replicas, stage.state) == (2, LeaseState.REVERTED)
    assert stage.run.metadata.finalizers == (labels.UNDO,)


async def test_an_open_run_lets_go_when_the_release_is_being_uninstalled() -> None:
    """Nobody would come back to it, and the uninstall waits for nothing but finalizers."""
    stage = Stage()
    await stage.raise_it()

    await stage.tend(pauses=LEAVING)

    assert stage.run.status.finished_at is None
    assert stage.state is LeaseState.REVERTED
    assert not stage.run.metadata.finalizers


async def test_a_kind_that_nobody_knows_is_as_good_as_gone() -> None:
    stage = Stage()
    stage.stored["status"]["steps"][0]["lease"]["object"]["apiVersion"] = "acme.io/v1"
    stage.end()

    await stage.tend(pauses=LEAVING)

    assert stage.state is LeaseState.LOST


class Borrowing(ScaleOut):
    """A scale-out that needs something else while it is under way."""

    settled = 0

    async def settle(self, namespace: str, intent: Intent, io: ActionIO) -> None:
        assert (namespace, intent.replicas) == ("team-a", 6)
        self.settled += 1


@pytest.mark.parametrize(
    ("action", "step", "settled"),
    [
        (Borrowing(), {"outcome": "Succeeded"}, 1),
        (Borrowing(), {"outcome": "Failed"}, 1),
        (Borrowing(), {"message": "Still under way."}, 0),
        (ScaleOut(), {"outcome": "Succeeded"}, 0),
    ],
)
async def test_what_a_step_borrowed_is_given_back_before_its_end_is_journaled(
    action: ScaleOut, step: Object, settled: int
) -> None:
    stage = Stage(actions={ActionName.SCALE_OUT: action})
    before = stage.run
    stage.stored["status"]["steps"][0] |= step

    await stage.leasing.settle(before, stage.run.status)
    # A step of the past borrows nothing any more.
    await stage.leasing.settle(stage.run, stage.run.status)

    assert getattr(action, "settled", 0) == settled
    assert stage.server.writes == []


async def test_a_step_without_an_intent_has_borrowed_nothing() -> None:
    action = Borrowing()
    stage = Stage(actions={ActionName.SCALE_OUT: action})
    del stage.stored["status"]["steps"][0]["intent"]
    before = stage.run
    stage.stored["status"]["steps"][0]["outcome"] = "Failed"

    await stage.leasing.settle(before, stage.run.status)

    assert action.settled == 0
