"""One outage of the API server that everything meets at once: no act is lost, none is done twice.

It lasts the 60 s of the contract. All courses share it, for each of them only waits meanwhile.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

import customresources
from autoglm_api.healingpolicy import HealingPolicy
from cleaning_scenes import CleaningScene, PlayedCleaner
from fault_matrix import JOURNAL, Course, changed, wants
from healing_courses import Approving, Cleaning, Isolating, Restarting, ScalingOut, Telling
from healing_objects import (
    READY_SECONDS,
    MakeProcess,
    Scene,
    Sender,
    Trust,
    allow,
    an_alert,
    token_of,
)
from healing_processes import HealingProcess, running
from kube import Kube
from node_scenes import LEASES, NodeScene, revived
from notice_desks import Desk
from persistent_senders import PersistentSender
from played_fleet import PlayedFleet, a_placed_workload
from played_nodes import a_played_node
from proxy_faults import Drop, Match
from proxy_records import Call
from recording_proxy import RecordingProxy, counted
from sick_pods import SickPods, a_web_deployment
from statuses import is_available
from timeline import Timeline, within

if TYPE_CHECKING:
    from kubeconfig import Object

OUTAGE_SECONDS = 60.0
"""Source: the contract of the tests; longer than a Lease, and than Alertmanager's first
repetitions."""
EPISODES = "autoglm-event-episodes"
ALERTS = 5
COURSES = ("eviction", "roll-out", "approval", "notice", "scale-out", "isolation", "cleaning")


@pytest.fixture
def stage(
    request: pytest.FixtureRequest, kube: Kube, make_namespace: Callable[[str], str], jobs: str
) -> Generator[dict[str, Course]]:
    """Every course, each in a namespace of its own."""
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LEASES}})
    with ExitStack() as stack:
        made: dict[str, Course] = {}
        for kind in COURSES:
            scene = a_scene(request, kube, make_namespace("restricted"))
            made[kind] = stack.enter_context(raised(kind, scene, jobs))
        for each in made.values():
            wants("the workload is available", partial(has_pods, each.scene))
        yield made


def a_scene(request: pytest.FixtureRequest, kube: Kube, namespace: str) -> Scene:
    """A namespace with nothing in it yet."""

    def make(**spec: object) -> HealingPolicy:
        whole: Object = {
            "mode": "Enforce",
            "target": {"kind": "Workload", "selector": {"matchLabels": {"app": "web"}}},
            "guards": {"cooldown": "0s", "maxWait": "10m"},
            **spec,
        }
        policy = customresources.a_policy("crash", **whole)
        return HealingPolicy.read(kube.create(policy, namespace))

    return Scene(
        kube=kube,
        namespace=namespace,
        release=request.getfixturevalue("release"),
        timeline=Timeline(),
        proxy=request.getfixturevalue("proxy"),
        pods=SickPods(kube, namespace),
        make_policy=make,
    )


def has_pods(scene: Scene) -> bool:
    """Whether what the course needs is there: pods, or nodes alone."""
    found = scene.kube.get("Deployment", "web", scene.namespace)
    return found is None or is_available(found)


@contextlib.contextmanager
def raised(kind: str, scene: Scene, jobs: str) -> Generator[Course]:
    """One course, with everything that it needs."""
    kube, namespace = scene.kube, scene.namespace
    with ExitStack() as stack:
        if kind in ("isolation", "cleaning"):
            fleet = stack.enter_context(PlayedFleet(kube, namespace).playing())
            if kind == "isolation":
                kube.create(a_placed_workload(namespace), namespace)
                yield Isolating(NodeScene(scene, fleet))
                return
            cleaner = PlayedCleaner(kube, jobs, fleet=fleet)
            stack.enter_context(cleaner.playing())
            yield Cleaning(CleaningScene(scene, fleet, cleaner))
            for job in kube.list("Job", jobs):
                kube.delete("Job", job["metadata"]["name"], jobs)
            return
        stack.enter_context(scene.pods.playing())
        kube.create(a_web_deployment(), namespace)
        if kind == "scale-out":
            stack.enter_context(a_played_node(kube, f"node-{namespace}"))
            yield ScalingOut(scene)
        elif kind == "notice":
            yield Telling(scene, desk=stack.enter_context(Desk().open()))
        elif kind == "approval":
            yield Approving(scene)
        else:
            yield Restarting(scene, "Pod" if kind == "eviction" else "Workload")


@pytest.fixture
def process(
    make_process: MakeProcess, namespace: str, stage: dict[str, Course], jobs: str
) -> HealingProcess:
    """A healer for all of them at once."""
    namespaces = ",".join([namespace, *(each.scene.namespace for each in stage.values())])
    return make_process(
        "healer",
        watch_namespaces=namespaces,
        trusted_namespaces=namespaces,
        node_healing="true",
        node_jobs_namespace=jobs,
        image="autoglm:1",
        allowed_addresses="127.0.0.0/8",
        budget_max_concurrent="20",
        budget_max_node_actions="2",
    )


@pytest.fixture
def senders(
    make_process: MakeProcess, kube: Kube, release: str, trust: Trust, namespace: str
) -> Generator[tuple[PersistentSender, PersistentSender]]:
    """One who sends alerts, and one who sends flat events, about what is not there."""
    body: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": EPISODES}}
    kube.create(body, release)
    kube.create(customresources.a_policy("told"), namespace)
    allow(kube, release, "alertmanager")
    receiver = make_process(
        "receiver",
        tls_directory=str(trust.directory),
        event_namespaces=namespace,
    )
    with running(receiver):
        receiver.keep_port = True
        Timeline().want(within(READY_SECONDS), "the receiver is ready", receiver.ready)
        Timeline().want(within(READY_SECONDS), "the policy is known", receiver.knows_a_policy)
        sender = Sender(receiver, trust, token_of(kube, release, "alertmanager"))
        yield (PersistentSender(sender, namespace), PersistentSender(sender, namespace))


def acts(call: Call) -> bool:
    """Whether a write changes what is healed."""
    return counted(call) and call.resource not in JOURNAL


def has_begun(course: Course, run: str) -> bool:
    """Whether the run is about to act, or asks somebody first."""
    status = course.scene.run(run).get("status", {})
    return bool(status.get("steps")) or status.get("phase") == "AwaitingApproval"


def test_everything_that_an_outage_interrupts_is_done_once_when_it_ends(
    kube: Kube,
    stage: dict[str, Course],
    process: HealingProcess,
    senders: tuple[PersistentSender, PersistentSender],
    proxy: RecordingProxy,
) -> None:
    """Each intent is journaled and no act was made when the server goes away."""
    alerts = [
        [an_alert(f"web-{group}-{index}", senders[0].namespace) for index in range(3)]
        for group in range(ALERTS)
    ]
    events: list[Object] = [
        {"alert": "KubePodCrashLooping", "instance": f"10.0.0.{number}"} for number in range(3)
    ]
    # Both have been judged before, so that only their runs are missing.
    assert senders[0].deliver(an_alert("x", "elsewhere")).json()["outcomes"] == {"Unmatched": 1}
    proxy.reset()
    proxy.inject(Drop(), Match(where=acts), times=None)
    with running(process), revived(process), ThreadPoolExecutor(20) as threads:
        runs = {kind: course.begin() for kind, course in stage.items()}
        for kind, course in stage.items():
            wants(f"{kind} has begun", partial(has_begun, course, runs[kind]))
        with proxy.outage():
            proxy.clear()
            answers = [
                *(threads.submit(replace(senders[0]).deliver, *group) for group in alerts),
                *(threads.submit(replace(senders[1]).event, event) for event in events),
            ]
            threading.Event().wait(OUTAGE_SECONDS)
            assert not any(answer.done() for answer in answers)
        assert [answer.result(90).status_code for answer in answers] == [200] * len(answers)
        ends = [threads.submit(course.finish, runs[kind]) for kind, course in stage.items()]
        for end in ends:
            end.result()
        said = 3 * ALERTS + len(events)
        wants("each has an outcome", lambda: told_of(kube, senders[0].namespace) == said)

    expected = sum((course.changes() for course in stage.values()), Counter[str]())
    written = changed(stage["eviction"].scene)
    assert {what: written[what] for what in written if "configmaps" not in what} == expected
    assert set(proxy.destroyed().values()) <= {1}
    assert [course.unowned() for course in stage.values()] == [""] * len(stage)


def told_of(kube: Kube, namespace: str) -> int:
    """How many runs of alerts and events have ended; each is about something else."""
    runs = kube.list("HealingRun", namespace)
    about = {str(sorted(run["spec"]["alert"]["labels"].items())) for run in runs}
    assert len(about) == len(runs), "nothing has two runs"
    assert {run.get("status", {}).get("phase", "Skipped") for run in runs} == {"Skipped"}
    return sum("finishedAt" in run.get("status", {}) for run in runs)
