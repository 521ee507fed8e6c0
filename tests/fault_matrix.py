"""Plays a course of healing against every fault of the API server, and of the healer itself.

Exists so that all actions meet the same faults and are judged alike: whatever breaks, the run ends
once, the API server carries out the writes of an undisturbed course and no other, and whoever dies
at any moment leaves no change without an owner and an undo. Never knows what a course is about.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from healing_objects import Scene
from healing_processes import HealingProcess, running
from node_scenes import revived
from proxy_faults import Drop, FailAfterCommit, Fault, LoseReply, Match, Refuse
from proxy_records import Call, Record
from recording_proxy import Moment, counted, kill
from timeline import Timeline, within

WRITES_LIMIT = 400
"""Numbers of writes that a hook is set for: several times what the longest course takes."""
PATIENCE_SECONDS = 300.0
"""Generous: a course takes 10 s, and 3 s more for each death of the healer."""
JOURNAL = frozenset({"healingruns", "healingpolicies"})
"""Written as often as there is something to say; everything else is written once."""
FAILURES: Mapping[str, Fault] = {
    "409": Refuse(409, "Conflict"),
    "429": Refuse(429, "TooManyRequests"),
    "500 after commit": FailAfterCommit(),
}


class Course(Protocol):
    """One way of healing, which can be taken again and again."""

    @property
    def scene(self) -> Scene:
        """Where it happens."""
        ...

    def begin(self) -> str:
        """Make something sick, store a policy and a run about it, and return the run's name."""
        ...

    def finish(self, run: str) -> None:
        """Wait until nothing of the run is left to do, undo included, and check what it did."""
        ...

    def changes(self) -> Counter[str]:
        """The writes on what is healed that the API server carries out in one course."""
        ...

    def unowned(self) -> str:
        """What was changed at this moment and has no owner or no undo; empty if all is well."""
        ...


def wants(what: str, probe: Callable[[], object]) -> None:
    """Wait for something that takes long while everything breaks."""
    Timeline().want(within(PATIENCE_SECONDS), what, probe)


def shape(call: Call) -> str:
    """The verb and the resource of a write, which tells the kinds of writes apart."""
    return f"{call.verb} {'/'.join(filter(None, (call.resource, call.subresource)))}"


def changed(scene: Scene) -> Counter[str]:
    """The writes on what is healed that the API server carried out."""
    found = scene.proxy.writes()
    return Counter(
        shape(each.call) for each in found if each.applied and each.call.resource not in JOURNAL
    )


def take(course: Course) -> None:
    """Take a course once and hold what was written against an undisturbed one."""
    run = course.begin()
    course.finish(run)
    assert changed(course.scene) == course.changes()
    assert set(course.scene.proxy.destroyed().values()) <= {1}, "nothing is destroyed twice"
    assert course.unowned() == ""
    runs = course.scene.kube.list("HealingRun", course.scene.namespace)
    assert [each["metadata"]["name"] for each in runs if "finishedAt" not in each["status"]] == []
    assert [each["metadata"]["name"] for each in runs].count(run) == 1


def take_undisturbed(course: Course, healer: HealingProcess) -> set[str]:
    """Take a course without faults and return the kinds of its writes."""
    with running(healer):
        take(course)
    return {shape(each.call) for each in course.scene.proxy.writes()}


def take_dying(course: Course, healer: HealingProcess) -> list[str]:
    """Take a course while the healer dies before and after each single write.

    A write that it died before is made anew by the next healer, which dies right after it: so every
    process lives for one write, and goes on from whatever all the others left.
    """
    deaths = _Deaths(course, healer)
    with running(healer), deaths.lurking(), revived(healer):
        take(course)
    assert deaths.unowned == []
    deaths.assert_nothing_was_spared()
    return deaths.died_at


def take_unanswered(course: Course, healer: HealingProcess) -> None:
    """Take a course in which no write is ever answered."""
    rule = course.scene.proxy.inject(LoseReply(), Match(where=counted), times=None)
    with running(healer):
        take(course)
    assert rule.hits == len(course.scene.proxy.writes())
    assert {each.told for each in course.scene.proxy.writes()} == {None}


def take_refused(course: Course, healer: HealingProcess) -> None:
    """Take a course again and again; in each, one failure comes once for every kind of write."""
    with running(healer):
        for name, fault in FAILURES.items():
            course.scene.proxy.reset()
            met = _once_per_kind(course.scene, fault)
            take(course)
            written = {shape(each.call) for each in course.scene.proxy.writes()}
            assert met == written, name


def _once_per_kind(scene: Scene, fault: Fault) -> set[str]:
    """Inject a fault for the first write of every kind; returns the kinds that met it."""
    met = set[str]()

    def is_first(call: Call) -> bool:
        if not counted(call) or shape(call) in met:
            return False
        met.add(shape(call))
        return True

    scene.proxy.inject(fault, Match(where=is_first), times=None)
    return met


@dataclass
class _Deaths:
    """Kills the healer before a write, and after the same one when it comes again."""

    course: Course
    healer: HealingProcess
    died_at: list[str] = field(default_factory=list[str])
    unowned: list[str] = field(default_factory=list[str])
    _seen: Counter[str] = field(default_factory=Counter[str])
    _after: set[int] = field(default_factory=set[int])
    _over: bool = False

    @contextlib.contextmanager
    def lurking(self) -> Generator[None]:
        """Kill until the block ends."""
        proxy = self.course.scene.proxy
        for number in range(1, WRITES_LIMIT + 1):
            proxy.on_write(number, self._before, Moment.RECEIVED)
            proxy.on_write(number, self._behind, Moment.APPLIED)
        try:
            yield
        finally:
            self._over = True

    def _before(self, record: Record) -> Drop | None:
        call = str(record.call)
        self._seen[call] += 1
        if self._seen[call] % 2 == 0:
            self._after.add(record.number)
            return None
        return self._kill(record, "before")

    def _behind(self, record: Record) -> Drop | None:
        return self._kill(record, "after") if record.number in self._after else None

    def _kill(self, record: Record, when: str) -> Drop | None:
        if self._over:
            return None
        kill(self.healer.pid)(record)
        self.died_at.append(f"{when} {shape(record.call)}")
        left = self.course.unowned()
        if left:
            self.unowned.append(f"{self.died_at[-1]}: {left}")
        return Drop()

    def assert_nothing_was_spared(self) -> None:
        """Check that the healer died before and after every kind of write."""
        writes = {shape(each.call) for each in self.course.scene.proxy.writes()}
        expected = {f"{when} {each}" for each in writes for when in ("before", "after")}
        assert set(self.died_at) == expected
