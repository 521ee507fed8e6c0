"""Sweeps of records, however many a storm left: what is written down, and what is deleted."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from autoglm_api.healingrun import HealingRunStatus
from autoglm_api.kinds import Kind
from autoglm_operator.clients import errors
from autoglm_operator.decisions.retention import Limits
from autoglm_operator.reconcilers.retention import Retention, Sweep
from episodes import Object, a_run
from manual_clock import START, ManualClock

if TYPE_CHECKING:
    from autoglm_operator.clients.alertmanager import AlertmanagerClient
    from autoglm_operator.clients.kube import KubeClient

LIMITS = Limits(ttl=timedelta(days=30), per_policy=1)
LONG_AGO = START - timedelta(days=10)


def a_record(name: str, *, ended: datetime | None = LONG_AGO, **meta: object) -> Object:
    """A run as the API server lists it."""
    run = a_run(name=name)
    status = HealingRunStatus(finished_at=ended).as_json()
    listed = {"spec": run.spec.as_json(), "status": status}
    base = {"name": name, "namespace": "team-a", "uid": f"run-{name}", "resourceVersion": "7"}
    return {**listed, "metadata": {**base, **meta}}


@dataclass
class PagedRuns:
    """Lists runs in pages of two, and keeps what is written and deleted."""

    runs: list[Object]
    written: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    deleted: list[str] = field(default_factory=list[str])
    conflicts: bool = False

    async def pages(self, _: Kind, __: str | None = None) -> AsyncGenerator[list[Object]]:
        for begin in range(0, len(self.runs), 2):
            assert not self.written, "nothing is written while the list goes on"
            yield self.runs[begin : begin + 2]

    async def patch(
        self, _: Kind, __: str | None, name: str, body: Object, *, subresource: str
    ) -> None:
        assert (subresource, body["metadata"]["resourceVersion"]) == ("status", "7")
        if self.conflicts:
            raise errors.Conflict(409, "Conflict", "modified")
        self.written.append((name, body["status"]["alertGoneAt"]))

    async def delete(self, _: Kind, __: str | None, name: str, *, uid: str) -> None:
        assert uid == f"run-{name}"
        if self.conflicts:
            raise errors.Conflict(409, "Conflict", "another one")
        self.deleted.append(name)


@dataclass
class Firing:
    """Alertmanagers that list these fingerprints, or of which one does not answer."""

    fingerprints: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    known: bool = True

    async def alerts(self, *, muted: bool) -> "Firing":
        assert muted
        return self

    @property
    def items(self) -> list[Any]:
        return [type("Alert", (), {"fingerprint": each}) for each in self.fingerprints]


async def swept(api: PagedRuns, firing: Firing | None = None) -> Sweep:
    kube, alertmanager = cast("KubeClient", api), cast("AlertmanagerClient | None", firing)
    return await Retention(kube, alertmanager, ManualClock(), LIMITS, ()).sweep()


async def test_keeps_the_youngest_of_a_policy_over_all_pages() -> None:
    days = {"d": 13, "a": 10, "c": 12, "b": 11, "e": 14}
    api = PagedRuns(
        [a_record(name, ended=START - timedelta(days=ago)) for name, ago in days.items()]
    )

    found = await swept(api)

    assert sorted(api.deleted) == ["b", "c", "d", "e"]
    assert found == Sweep(kept=1, deleted=4)


async def test_leaves_alone_what_is_no_record_yet() -> None:
    others = [
        a_record("open", ended=None),
        a_record("going", deletionTimestamp="2026-01-01T00:00:00Z"),
        a_record("leased", finalizers=["autoglm.io/lease"]),
        {"metadata": {"name": "unreadable"}, "spec": {}},
    ]
    api = PagedRuns([a_record("young"), *others])

    assert await swept(api) == Sweep(kept=1, deleted=0)


async def test_writes_down_that_an_alert_is_gone_after_all_pages_are_read() -> None:
    api = PagedRuns([a_record(name) for name in ("a", "b", "c")])

    assert await swept(api, Firing()) == Sweep(kept=3, deleted=0)
    assert [name for name, _ in api.written] == ["a", "b", "c"]


async def test_an_alert_that_fires_keeps_its_record_for_ever() -> None:
    api = PagedRuns([a_record(name) for name in ("a", "b")])
    fingerprint = str(api.runs[0]["spec"]["alert"]["fingerprint"])

    assert await swept(api, Firing((fingerprint,))) == Sweep(kept=2, deleted=0)
    assert api.written == []


async def test_nothing_is_concluded_while_an_alertmanager_is_silent() -> None:
    api = PagedRuns([a_record("a")])

    await swept(api, Firing(failures=("http://other",)))

    assert api.written == []


async def test_what_changed_meanwhile_waits_for_the_next_sweep() -> None:
    api = PagedRuns([a_record(name) for name in ("a", "b")], conflicts=True)

    assert await swept(api) == Sweep(kept=2, deleted=0)
    assert await swept(api, Firing()) == Sweep(kept=2, deleted=0)
