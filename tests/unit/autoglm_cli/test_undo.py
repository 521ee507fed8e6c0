"""What stands and is to be undone, and how a switch is turned without taking somebody's pause."""

import argparse
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from autoglm_api import kinds
from autoglm_api.healingladder import ActionName
from autoglm_api.healingrun import (
    HealingRun,
    HealingRunStatus,
    LeaseRecord,
    LeaseState,
    ObjectRef,
    StepRecord,
)
from autoglm_api.kinds import Kind
from autoglm_api.leases import Mark
from autoglm_cli import leases, undo
from autoglm_operator.clients import errors
from episodes import NOW, a_run

if TYPE_CHECKING:
    from autoglm_operator.clients.kube import KubeClient

Object = dict[str, Any]

WEB = ObjectRef(api_version="apps/v1", kind="Deployment", name="web", uid="u-2")
HEALER: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "healer", "namespace": "system", "uid": "d-1"},
    "status": {"readyReplicas": 1},
}


def record(state: LeaseState = LeaseState.HELD, message: str | None = None) -> LeaseRecord:
    return LeaseRecord(
        object=WEB,
        field="spec.replicas",
        previous="2",
        value="4",
        expires=NOW,
        state=state,
        message=message,
    )


def holding(lease: LeaseRecord | None = None, *, ended: bool = True) -> HealingRun:
    step = StepRecord(action=ActionName.SCALE_OUT, started_at=NOW, lease=lease or record())
    return a_run(HealingRunStatus(steps=(step,), finished_at=NOW if ended else None))


def with_finalizer(run: HealingRun) -> HealingRun:
    meta = run.metadata.model_copy(update={"finalizers": ("autoglm.io/undo",)})
    return run.model_copy(update={"metadata": meta})


def marked(run_uid: str, uid: str = "u-2") -> Object:
    mark = Mark(
        run="crash-1",
        run_uid=run_uid,
        field="spec.replicas",
        previous="2",
        value="4",
        expires=NOW,
    )
    meta = {"name": "web", "namespace": "team-a", "uid": uid}
    meta["annotations"] = {"autoglm.io/lease": mark.text()}  # type: ignore[assignment]
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta}


@dataclass
class Switches:
    """The API server's one ConfigMap, and what was written to it."""

    live: Object | None = None
    created: list[Object] = field(default_factory=list[Object])
    patched: list[Object] = field(default_factory=list[Object])

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        assert (kind, namespace, name) == (kinds.CONFIG_MAP, "system", "autoglm-healing")
        return self.live

    async def create(self, obj: Object) -> None:
        self.created.append(obj)

    async def patch(self, kind: Kind, namespace: str, name: str, body: Object) -> None:
        assert (kind, namespace, name) == (kinds.CONFIG_MAP, "system", "autoglm-healing")
        self.patched.append(body)


def a_switch(owners: list[Object] | None = None, **data: str) -> Switches:
    meta: Object = {"resourceVersion": "7"}
    if owners:
        meta["ownerReferences"] = owners
    return Switches({"metadata": meta, "data": data})


async def turned(switches: Switches) -> Switches:
    await undo.turn(cast("KubeClient", switches), HEALER)
    return switches


def test_what_stands_is_named_with_what_is_in_the_way() -> None:
    stuck = holding(record(message="The API server says no."))
    (standing,) = leases.held_by([stuck, holding(record(LeaseState.REVERTED)), a_run()])
    assert standing.sentence == (
        "HealingRun team-a/crash-1 holds Deployment web: spec.replicas was 2 and is 4,"
        " until 2026-03-01T12:00:00.000Z at the latest. The API server says no."
    )


def test_a_mark_is_an_orphan_unless_its_run_holds_that_very_object() -> None:
    run = holding()
    standing = leases.held_by([run])
    mine = marked(run.metadata.uid)
    assert list(leases.orphans([mine, {**HEALER}], standing)) == []
    for orphan, held in ((marked("other"), standing), (marked(run.metadata.uid, "u-3"), standing)):
        (line,) = leases.orphans([orphan], held)
        assert "Deployment web carries the mark of HealingRun crash-1" in line
        assert line.endswith("kubectl annotate deployments web autoglm.io/lease- -n team-a")


async def test_a_new_switch_goes_with_the_healer() -> None:
    (made,) = (await turned(Switches())).created
    assert made["data"] == {"paused": "true", "revert": "true"}
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Deployment", "healer", "d-1")


async def test_the_pause_of_somebody_else_is_only_asked_to_undo() -> None:
    (body,) = (await turned(a_switch(paused="true"))).patched
    assert body == {"metadata": {"resourceVersion": "7"}, "data": {"revert": "true"}}


async def test_a_switch_that_pauses_nothing_becomes_ours() -> None:
    (body,) = (await turned(a_switch(paused="False "))).patched
    assert body["data"] == {"paused": "true", "revert": "true"}
    assert body["metadata"]["ownerReferences"][0]["uid"] == "d-1"


async def test_a_switch_is_turned_once() -> None:
    again = await turned(a_switch(paused="true", revert="true"))
    assert (again.created, again.patched) == ([], [])


@pytest.mark.parametrize(
    ("switches", "writes"),
    [
        (Switches(), []),
        (a_switch([{"uid": "d-1"}], paused="true", revert="true"), []),
        (
            a_switch(paused="true", revert="true"),
            [{"metadata": {"resourceVersion": "7"}, "data": {"revert": None}}],
        ),
    ],
    ids=["none", "ours", "somebody else's"],
)
async def test_only_a_pause_of_somebody_else_is_handed_back(
    switches: Switches, writes: list[Object]
) -> None:
    await undo.hand_back(cast("KubeClient", switches), "system")
    assert switches.patched == writes


def test_a_run_holds_until_change_and_finalizer_are_gone() -> None:
    over = holding(record(LeaseState.REVERTED))
    assert undo.holds(holding())
    assert undo.holds(with_finalizer(over))
    assert not undo.holds(over)


def test_while_runs_are_open_nothing_is_settled_at_once() -> None:
    settle = undo.SETTLE.total_seconds()
    assert undo.is_settled([holding()], 0)
    assert not undo.is_settled([holding(ended=False)], settle - 1)
    assert undo.is_settled([holding(ended=False)], settle)


def test_a_time_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    undo.configure(parser)
    asked = ["--release-namespace", "system", "--deployment", "healer"]
    assert parser.parse_args(asked).timeout == timedelta(minutes=4)
    with pytest.raises(SystemExit):
        parser.parse_args([*asked, "--timeout", "soon"])
    assert "write one like 30s" in capsys.readouterr().err


@dataclass
class Lists:
    """The API server's runs by namespace; without any the definition is not there."""

    runs: dict[str | None, list[Object]]

    async def list(self, kind: Kind, namespace: str | None) -> list[Object]:
        assert kind == kinds.HEALING_RUN
        if namespace not in self.runs:
            raise errors.NotFound(404, "NotFound", "the server could not find it")
        return self.runs[namespace]


async def test_every_run_is_read_and_one_that_cannot_be_is_named_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = a_run().as_json()
    bad: Object = {**good, "spec": {}}
    kube, told = cast("KubeClient", Lists({"team-a": [good, bad]})), set[str]()
    for _ in range(2):
        found = await leases.runs_in(kube, ("team-a", "team-b"), told)
        assert [run.metadata.name for run in found] == ["crash-1"]
    assert capsys.readouterr().err.count("autoglm: ") == 1
