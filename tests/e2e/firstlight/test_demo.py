"""Every step of the demo holds what it says; the demo itself prints the same functions."""

from demo import healing, kubectl, planning, routing
from demo_stage import Scene
from kube import Kube
from statuses import condition
from timeline import Timeline


def test_the_samples_become_ready(kube: Kube, scene: Scene, timeline: Timeline) -> None:
    timeline.lines += scene.lines
    cluster = kube.get("AutoGLMCluster", scene.stage.cluster, scene.namespace)
    assert condition(cluster, "Ready") == "True"
    for name in ("east", "west", "vendor"):
        assert condition(kube.get("ModelEndpoint", name, scene.namespace), "Ready") == "True"


def test_requests_are_shared_by_weight_and_the_fallback_is_untouched(
    scene: Scene, timeline: Timeline
) -> None:
    sent = routing.shares(scene.stage)
    assert len(sent.pods) == routing.REQUESTS
    timeline.note(f"{sent.total} requests: east {sent.share('east'):.2f} %")


def test_the_fallback_serves_when_all_others_are_suspended(
    scene: Scene, timeline: Timeline
) -> None:
    sent = routing.fallback(scene.stage)
    assert sent.upstreams == {"vendor": 100}
    timeline.note("east and west came back")


def test_a_planned_task_is_streamed(scene: Scene, timeline: Timeline) -> None:
    answer = planning.planned_task(scene.stage)
    assert answer.text
    assert answer.chunks > 1
    timeline.note(f"{answer.chunks} chunks")


def test_a_live_change_of_weight_fails_no_request(scene: Scene, timeline: Timeline) -> None:
    change = routing.change_weight(scene.stage)
    assert change.sent.pods
    assert change.sent.failures == []
    assert change.lost == 0
    timeline.note(f"in force on every router after {change.delay_seconds:.2f} s")


def test_only_what_a_policy_treats_is_healed(kube: Kube, scene: Scene, timeline: Timeline) -> None:
    story = healing.healed(scene.stage, "fragile", scene.broken["fragile"], since=_broken_at(scene))
    timeline.lines += [f"{moment:7.1f} s  {what}" for moment, what in story.timeline]
    run = kube.get("HealingRun", story.run, scene.namespace)
    assert run is not None
    assert [step["action"] for step in run["status"]["steps"]] == ["Restart"]
    assert run["status"]["target"]["kind"] == "Deployment"
    healing.still_broken(scene.stage, "untreated", scene.broken["untreated"])
    listed = kubectl.run("-n", scene.namespace, "get", "hr").splitlines()
    healed = next(line for line in listed if story.run in line)
    held = next(line for line in listed if line.startswith("untreated-crashloop-"))
    assert "Succeeded" in healed
    assert "Held" in held
    timeline.lines += listed


def _broken_at(scene: Scene) -> float:
    return scene.timeline.clock() - scene.timeline.now
