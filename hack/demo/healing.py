"""A failure that the kubelet cannot cure, and how it is healed; beside it one that nobody heals."""

import contextlib
import time
import urllib.request
from dataclasses import dataclass
from typing import Any

from demo import kubectl
from demo.stage import Stage
from demo.telling import StepError

BAD_FILE = "import pathlib; pathlib.Path('/state/faults.json').write_text('this does not parse')"
FINISHED = ("Succeeded", "Failed", "Escalated", "Skipped")


def break_pod(stage: Stage, app: str) -> str:
    """Put a bad file into the emptyDir of the app's pod, crash it; return the pod's name.

    From then on its container ends at every start, and only a new pod has a new emptyDir.
    """
    pod = _pod(stage, app)
    name, address = str(pod["metadata"]["name"]), pod["status"]["podIP"]
    kubectl.run("-n", stage.namespace, "exec", name, "--", "python3", "-c", BAD_FILE)
    crash = urllib.request.Request(f"http://{address}:8000/admin/crash", method="POST")
    with contextlib.suppress(OSError):  # it died before it could answer, as asked
        urllib.request.urlopen(crash, timeout=5)  # noqa: S310 - our own pod
    return name


@dataclass(frozen=True)
class Healed:
    """The story of one healing, in seconds since the failure."""

    run: str
    timeline: tuple[tuple[float, str], ...]


def healed(stage: Stage, app: str, broken: str, since: float, seconds: float = 300) -> Healed:
    """Wait until the app's broken pod is replaced and the run about it has succeeded.

    Raises:
        StepError: the run ended otherwise, or nothing happened in time.
    """
    seen: dict[str, float] = {}

    def over() -> bool:
        run = _run_about(stage, broken)
        pod = _pod(stage, app)
        phase = run.get("status", {}).get("phase", "")
        fresh = pod.get("metadata", {}).get("name") not in {None, broken}
        now = {
            "HealingRun stored": bool(run),
            "action begun": bool(run.get("status", {}).get("steps")),
            "new pod": fresh,
            "new pod ready": fresh and _ready(pod),
            f"run {phase}": phase in FINISHED,
        }
        for what in (what for what, happened in now.items() if happened):
            seen.setdefault(what, time.monotonic() - since)
        return phase in FINISHED

    kubectl.until(f"healing of {app}", seconds, over)
    run = _run_about(stage, broken)
    phase = run["status"]["phase"]
    if phase != "Succeeded":
        raise StepError(f"the run ended {phase}, see: kubectl describe hr {_name(run)}")
    timeline = sorted((moment, what) for what, moment in seen.items())
    return Healed(_name(run), tuple(timeline))


def still_broken(stage: Stage, app: str, broken: str) -> dict[str, Any]:
    """Hold that the paused policy's patient was left alone; return its held run.

    Raises:
        StepError: somebody healed it, or its alert left no record.
    """
    pod = _pod(stage, app)
    if pod["metadata"]["name"] != broken or _ready(pod):
        raise StepError(f"{app} is not broken any more although its policy is paused")
    run = _run_about(stage, broken)
    phase = run.get("status", {}).get("phase", "none")
    if phase != "Held":
        raise StepError(f"the run of {app} is {phase} instead of Held")
    return run


def _run_about(stage: Stage, pod: str) -> dict[str, Any]:
    """The run that an alert about a pod began; empty when there is none."""
    runs = kubectl.items(stage.namespace, "healingruns")
    found = [run for run in runs if run["spec"]["alert"]["labels"].get("pod") == pod]
    return found[0] if found else {}


def _pod(stage: Stage, app: str) -> dict[str, Any]:
    """The app's newest pod that is not going away; empty when there is none."""
    pods = kubectl.items(stage.namespace, "pods", "-l", f"app={app}")
    staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    by_age = sorted(staying, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    return by_age[-1] if by_age else {}


def _ready(pod: dict[str, Any]) -> bool:
    return kubectl.condition(pod, "Ready").get("status") == "True"


def _name(obj: dict[str, Any]) -> str:
    return str(obj["metadata"]["name"])
