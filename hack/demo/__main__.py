"""`make demo`, inside the test cluster: the steps in order, the exit code 1 if one falls short."""

import sys
import time

from demo import healing, planning, routing, stage
from demo.telling import StepError, heading, say


def main() -> int:
    """Play the demo."""
    scene = stage.Stage()
    try:
        stage.required_environment()
        _set_up(scene)
        control = healing.break_pod(scene, "untreated")
        _serve(scene)
        _heal(scene, control)
    except StepError as error:
        say(f"FAILED: {error}")
        return 1
    _farewell(scene)
    return 0


def _set_up(scene: stage.Stage) -> None:
    heading(1, "helm install, and Alertmanager pointed at the receiver")
    say(f"helm install took {stage.install():.0f} s")
    stage.connect_alertmanager()
    heading(2, "kubectl apply of docs/samples")
    stage.apply_samples(scene)
    heading(3, "wait for condition Ready")
    say(f"agc/{scene.cluster} is Ready after {stage.wait_ready(scene):.0f} s")


def _serve(scene: stage.Stage) -> None:
    heading(4, f"{routing.REQUESTS} requests, the fallback tier, a planned task")
    sent = routing.shares(scene)
    shares = f"east {sent.share('east'):.2f} %, west {sent.share('west'):.2f} %"
    say(f"{sent.total} requests, none failed: {shares}, fallback untouched")
    sent = routing.fallback(scene)
    say(f"both suspended: {sent.total} requests, all answered by the fallback, none failed")
    answer = planning.planned_task(scene)
    say(f"planned task: {answer.chunks} chunks in {answer.seconds:.1f} s: {answer.text[:60]}...")
    heading(5, "weights turned round under traffic")
    change = routing.change_weight(scene)
    say(f"in force on every router after {change.delay_seconds:.2f} s")
    say(f"{change.sent.total} requests meanwhile, none failed, none unknown to the model servers")


def _heal(scene: stage.Stage, control: str) -> None:
    heading(6, "a failure that only a new pod heals, and a control under a paused policy")
    begin = time.monotonic()
    broken = healing.break_pod(scene, "fragile")
    say(f"broken: {broken}; the control {control} has been broken since step 4")
    story = healing.healed(scene, "fragile", broken, begin)
    for moment, what in story.timeline:
        print(f"        {moment:6.1f} s  {what}")
    held = healing.still_broken(scene, "untreated", control)
    say(f"the control is still broken, its run {held['metadata']['name']} is held")


def _farewell(scene: stage.Stage) -> None:
    heading(7, "yours")
    print(
        f"""
  look around   hack/cluster --name demo kubectl -n {scene.namespace} get autoglm,hr,pods
                hack/cluster --name demo kubectl -n {scene.namespace} describe hr
  break more    hack/cluster --name demo fault --list
                hack/cluster --name demo fault crash node2
  take it down  hack/cluster --name demo down
"""
    )


if __name__ == "__main__":
    sys.exit(main())
