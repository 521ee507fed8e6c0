"""kill -9 of each process of the data plane, while requests are answered and tasks are planned.

What a client may lose is a connection to the killed process; repeated, its request is answered
within 10 s. A task that was accepted is answered, once.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import pytest

import processes_of_pods
from demo import routing
from demo_stage import Scene
from kube import Kube
from kubeconfig import Object
from patient_clients import Experience, Tasks, traffic
from simulators import faulty
from statuses import condition, is_ready
from timeline import Timeline, within

SLOWLY = "400ms"
"""So long that runs are under way when something is killed."""
BACK = within(60)
"""Generous: a killed container is back after a few seconds on an idle machine."""


@pytest.fixture
def _slow_models(kube: Kube, scene: Scene) -> Generator[None]:
    pods = kube.list("Pod", scene.namespace, "autoglm.io/endpoint")
    with faulty(pods, latency=SLOWLY):
        yield


@dataclass(frozen=True)
class Play:
    """A test of this module: whom it kills, and how it waits."""

    kube: Kube
    scene: Scene
    tasks: Tasks
    timeline: Timeline

    def pods(self, role: str) -> list[Object]:
        """The pods of one role of the cluster, the oldest name first."""
        selector = f"autoglm.io/cluster={self.scene.stage.cluster},autoglm.io/role={role}"
        found = self.kube.list("Pod", self.scene.namespace, selector)
        return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))

    def pod(self, name: str) -> Object:
        """One pod."""
        found = self.kube.get("Pod", name, self.scene.namespace)
        assert found is not None
        return found

    def working(self, who: Callable[[Object], str | None]) -> str:
        """Wait until a run is under way; return who works on it."""
        seen: list[str] = []

        def found() -> bool:
            names = [who(run) for run in self.tasks.runs()]
            seen[:] = [name for name in names if name]
            return bool(seen)

        self.timeline.want(within(20), "a run is under way", found)
        return seen[0]

    def kill(self, pod: Object, container: str) -> None:
        """Kill a container; tasks are sent before, meanwhile and after."""
        name = str(pod["metadata"]["name"])
        before = processes_of_pods.restarts(pod, container)
        processes_of_pods.kill(pod, container)
        self.timeline.start(f"kill -9 of {container} in {name}")
        self.tasks.submit(3)

        def back() -> bool:
            now = self.pod(name)
            return processes_of_pods.restarts(now, container) == before + 1 and is_ready(now)

        self.timeline.want(BACK, "its container is back and the pod is ready", back)
        self.tasks.submit(1)

    def wants_answers(self) -> None:
        """Every accepted task is answered, and none twice."""
        assert len(set(self.tasks.accepted)) == len(self.tasks.accepted)

        def ended() -> bool:
            return all(run["status"] in {"succeeded", "failed"} for run in self.tasks.runs())

        self.timeline.want(within(60), f"{len(self.tasks.accepted)} tasks are answered", ended)
        assert [run for run in self.tasks.runs() if run["status"] != "succeeded"] == []
        assert {self.tasks.answers(run_id) for run_id in self.tasks.accepted} == {1}
        assert self.tasks.experience.unanswered == []
        self.timeline.note(f"tasks: {self.tasks.experience}")


@pytest.fixture
def play(
    kube: Kube, scene: Scene, tasks: Tasks, timeline: Timeline, _slow_models: None
) -> Generator[Play]:
    """Three tasks are on their way; in the end the cluster is Ready again."""
    tasks.submit(3)
    yield Play(kube, scene, tasks, timeline)

    def whole() -> bool:
        cluster = kube.get("AutoGLMCluster", scene.stage.cluster, scene.namespace)
        return condition(cluster, "Ready") == "True"

    timeline.want(BACK, "the cluster is Ready", whole)


def nothing_failed(requests: Experience) -> None:
    assert requests.answered
    assert requests.failures == []


def test_a_killed_router_agent_costs_nothing(play: Play) -> None:
    before = routing.version(play.scene.stage)
    with traffic(play.scene.stage.client()) as requests:
        pod = play.pods("router")[0]
        processes_of_pods.kill(pod, "agent")
        play.timeline.start("kill -9 of agent")
        took = routing.weigh(play.scene.stage, {"east": 2}, before, seconds=60)
        play.timeline.note(f"a new weight is in force on every router after {took:.1f} s")
        routing.weigh(play.scene.stage, {"east": 3}, routing.version(play.scene.stage))
        play.wants_answers()
    nothing_failed(requests)
    assert play.tasks.experience.failures == []
    name = str(pod["metadata"]["name"])
    assert processes_of_pods.restarts(play.pod(name), "agent") == 1


def test_a_killed_haproxy_costs_its_own_connections(play: Play) -> None:
    with traffic(play.scene.stage.client()) as requests:
        play.kill(play.pods("router")[0], "haproxy")
        play.wants_answers()
    assert requests.unanswered == []
    play.timeline.note(f"requests: {requests}")


def test_a_killed_planner_loses_no_task(play: Play) -> None:
    with traffic(play.scene.stage.client()) as requests:
        name = play.working(lambda run: run["planner"] if run["status"] == "running" else None)
        play.kill(play.pod(name), "planner")
        play.wants_answers()
    nothing_failed(requests)


def test_a_killed_executor_loses_no_task(play: Play) -> None:
    def executor(run: Object) -> str | None:
        working = [node["executor"] for node in run["nodes"] if node["status"] == "running"]
        return working[0] if working else None

    with traffic(play.scene.stage.client()) as requests:
        play.kill(play.pod(play.working(executor)), "executor")
        play.wants_answers()
    nothing_failed(requests)


def test_a_killed_store_loses_no_task(play: Play) -> None:
    with traffic(play.scene.stage.client()) as requests:
        play.working(lambda run: run["planner"] if run["status"] == "running" else None)
        (pod,) = play.pods("store")
        play.kill(pod, str(pod["spec"]["containers"][0]["name"]))
        play.wants_answers()
    nothing_failed(requests)
