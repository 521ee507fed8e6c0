"""Records of ended runs: kept while their alert may come back, and never lost with a change.

Times are written into the records, for nobody waits for a day; each sweep is the first one of a
healer that was just started.
"""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import alertmanagers
from alertmanagers import Alertmanager
from autoglm_api.alerts import Alert
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_operator.decisions import matching
from autoglm_operator.runtime.clock import SystemClock
from healing_objects import SOON, MakePolicy, MakeProcess, Scene, an_alert
from healing_processes import HealingProcess, running
from kube import Kube
from kubeconfig import Object
from played_nodes import a_played_node
from timeline import Timeline

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MORE = {"action": "ScaleOut", "scaleOut": {"maxReplicas": 5, "step": 2, "revertAfter": "23h"}}
QUIET: Object = {"labels": {"alertname": "Watchdog"}}


@dataclass
class Archive:
    """Records of one policy, of the ages that a test needs."""

    kube: Kube
    namespace: str
    policy: HealingPolicy
    now: datetime

    def store(
        self,
        name: str,
        *,
        ended: timedelta,
        gone: timedelta | None = None,
        **alert: Any,  # noqa: ANN401 - any field of an alert
    ) -> str:
        """Store the record of a run that ended long ago; returns the run's name.

        Args:
            name: The pod that its alert named.
            ended: How long ago it ended.
            gone: Since when its alert is known to be gone; None if nobody knows.
            alert: What its alert says otherwise.
        """
        source = alert.pop("source", None)
        fired = an_alert(name, self.namespace, **alert)
        run = matching.run_for(self.policy, Alert.model_validate(fired))
        if source:
            run["spec"]["alert"]["source"] = source
        stored = str(self.kube.create(run, self.namespace)["metadata"]["name"])
        self.end(stored, ended=ended, gone=gone)
        return stored

    def end(self, run: str, *, ended: timedelta, gone: timedelta | None = None) -> None:
        """Write into a record when it ended."""
        status: Object = {"phase": "Skipped", "finishedAt": self._before(ended)}
        if gone is not None:
            status["alertGoneAt"] = self._before(gone)
        self.kube.patch("HealingRun", run, self.namespace, {"status": status}, subresource="status")

    def kept(self) -> set[str]:
        """Names of the records that are there."""
        return {each["metadata"]["name"] for each in self.kube.list("HealingRun", self.namespace)}

    def gone_at(self, run: str) -> str:
        """Since when the record says that its alert is gone, empty if it does not."""
        found = self.kube.get("HealingRun", run, self.namespace)
        assert found is not None
        return str(found["status"].get("alertGoneAt", ""))

    def _before(self, age: timedelta) -> str:
        return (self.now - age).isoformat(timespec="milliseconds")


@pytest.fixture
def archive(kube: Kube, namespace: str, make_policy: MakePolicy) -> Archive:
    """No records yet."""
    return Archive(kube, namespace, make_policy(), SystemClock().now())


@pytest.fixture
def alerting(tmp_path: Path) -> Generator[Alertmanager]:
    """An Alertmanager that knows of one alert that is nobody's."""
    one = Alertmanager(alertmanagers.root(), tmp_path, "alertmanager")
    one.configure(None)
    with alertmanagers.running(one):
        one.push(QUIET)
        yield one


@contextlib.contextmanager
def sweeping(make_process: MakeProcess, *peers: str, **limits: str) -> Generator[HealingProcess]:
    """A healer that has just been started and asks these Alertmanagers."""
    told = {"alertmanager_urls": ",".join(peers), "alertmanager_settle": "0s", **limits}
    with running(make_process("healer", **told)) as process:
        yield process


def fingerprint(alertmanager: Alertmanager, pod: str, namespace: str) -> str:
    """Let an alert about a pod fire, and return what Alertmanager calls it."""
    alertmanager.push({"labels": an_alert(pod, namespace)["labels"]})
    known = alertmanager.alerts()
    return next(str(each["fingerprint"]) for each in known if each["labels"].get("pod") == pod)


def test_old_records_go_once_their_alert_has_been_gone_for_a_day(
    archive: Archive, make_process: MakeProcess, alerting: Alertmanager, timeline: Timeline
) -> None:
    firing = fingerprint(alerting, "firing", archive.namespace)
    old = archive.store("old", ended=31 * DAY, gone=25 * HOUR)
    event = archive.store("event", ended=31 * DAY, source="Event")
    stay = {
        "young": archive.store("young", ended=29 * DAY, gone=28 * DAY),
        "just gone": archive.store("just-gone", ended=90 * DAY, gone=23 * HOUR),
        "unknown": archive.store("unknown", ended=90 * DAY),
        "firing": archive.store("firing", ended=90 * DAY, gone=48 * HOUR, fingerprint=firing),
    }
    with sweeping(make_process, alerting.url):
        timeline.want(SOON, "the old ones are deleted", lambda: not {old, event} & archive.kept())
        timeline.want(
            SOON, "what is now known is written down", lambda: archive.gone_at(stay["unknown"])
        )
        timeline.want(
            SOON, "an alert that came back counts anew", lambda: not archive.gone_at(stay["firing"])
        )
    assert archive.kept() == set(stay.values())


def test_of_many_records_the_youngest_stay_and_firing_ones_do_not_count(
    archive: Archive, make_process: MakeProcess, alerting: Alertmanager, timeline: Timeline
) -> None:
    quiet = [
        archive.store(f"quiet-{age}", ended=age * DAY, gone=age * DAY - HOUR) for age in range(2, 7)
    ]
    firing = {
        archive.store(
            f"firing-{age}",
            ended=age * DAY,
            fingerprint=fingerprint(alerting, f"firing-{age}", archive.namespace),
        )
        for age in range(7, 10)
    }
    with sweeping(make_process, alerting.url, retention_per_policy="2"):
        wanted = {*quiet[:2], *firing}
        timeline.want(SOON, "the oldest quiet ones go", lambda: archive.kept() == wanted)
        timeline.stays(5, "the rest stays", lambda: archive.kept() == wanted)


def test_while_an_alertmanager_cannot_be_asked_nothing_new_is_believed(
    archive: Archive, make_process: MakeProcess, alerting: Alertmanager, timeline: Timeline
) -> None:
    known = archive.store("known", ended=90 * DAY, gone=48 * HOUR)
    unknown = archive.store("unknown", ended=90 * DAY)
    nobody = "http://127.0.0.1:9"
    with sweeping(make_process, alerting.url, nobody):
        timeline.want(SOON, "what was known counts", lambda: known not in archive.kept())
        timeline.stays(5, "nothing new is noted", lambda: not archive.gone_at(unknown))
    assert archive.kept() == {unknown}


def test_without_any_alertmanager_the_longest_repetition_is_waited_for(
    archive: Archive, make_process: MakeProcess, timeline: Timeline
) -> None:
    early = archive.store("early", ended=143 * HOUR)
    late = archive.store("late", ended=145 * HOUR)
    with running(make_process("healer", retention_ttl="1h")):
        timeline.want(SOON, "the late one goes", lambda: late not in archive.kept())
        timeline.stays(5, "the early one stays", lambda: early in archive.kept())


def test_a_record_is_not_lost_before_its_change_is_undone(
    scene: Scene, make_process: MakeProcess
) -> None:
    """Its alert has been gone for long, and it is far too old: all the same it stays."""
    policy = scene.make_policy(ladder=[MORE])
    archive = Archive(scene.kube, scene.namespace, policy, SystemClock().now())
    bystander = archive.store("bystander", ended=90 * DAY)
    with a_played_node(scene.kube, f"node-{scene.namespace}"):
        with running(make_process("healer", retention_ttl="1h")) as healer:
            run = scene.start_run(policy, scene.pods.live()[0])
            scene.wants_phase(run, "Succeeded")
            healer.stop()
        archive.end(run, ended=90 * DAY)
        again = archive.store("bystander-2", ended=90 * DAY)
        with running(make_process("healer", retention_ttl="1h")) as healer:
            scene.timeline.want(SOON, "the others go", lambda: archive.kept() == {run})
            scene.timeline.stays(5, "it stays", lambda: archive.kept() == {run})
            assert {bystander, again}.isdisjoint(archive.kept())
            assert _replicas(scene) == 4
            scene.kube.delete("HealingPolicy", "crash", scene.namespace)
            scene.timeline.want(
                SOON,
                "the change is undone and nothing holds the record",
                lambda: not scene.run(run)["metadata"].get("finalizers"),
            )
            healer.stop()
        assert _replicas(scene) == 2
        with running(make_process("healer", retention_ttl="1h")):
            scene.timeline.want(SOON, "now it goes", lambda: archive.kept() == set())


def _replicas(scene: Scene) -> int:
    found = scene.kube.get("Deployment", "web", scene.namespace)
    assert found is not None
    return int(found["spec"]["replicas"])
