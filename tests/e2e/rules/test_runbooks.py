"""What a runbook tells a person to type works on a cluster where its alert has fired.

Commands of kubectl are run as they stand, with the words in capitals replaced by what the alert is
about. Those that change something are tried by the API server and not carried out. What waits for a
person (an editor, a tunnel) is left out, and so is what is to be typed on a node.
"""

import subprocess
from collections.abc import Mapping

import pytest

import runbook_commands
from demo import kubectl
from rules_stage import CLAIM, CLUSTER, FULL, SICK, RulesStage
from runbook_commands import Command

SECONDS = 60.0
APPS = {
    "AutoGLMExecutorQueueLong": f"{CLUSTER}-executor",
    "KubePersistentVolumeFillingUp": "hoarding",
    "KubePersistentVolumeInodesFillingUp": "hoarding",
    "KubePodCrashLooping": "crash",
    "KubePodNotReady": "hang",
    "KubePodOOMKilled": "hungry",
}
"""Beginning of the pod's name that each alert is about; "busy" for all others."""
INTERACTIVE = (" edit ", " port-forward ")
MAY_BE_EMPTY = (
    "describe pods -l app.kubernetes.io/component",
    "get hr -A",
)
"""What a filter leaves of these depends on the moment."""
WHO_AM_I = ("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
REFUSALS = {
    "rollout undo": "no rollout history found",
    "patch pvc": "storageclass that provisions the pvc must support resize",
    "annotate hr": "waits for no approval",
    "drain": "cannot delete Pods with local storage",
    "autoglm.io/isolated-": 'taint "autoglm.io/isolated" not found',
    "top pod": "podmetrics.metrics.k8s.io",  # what crashes is rarely there to be measured
}
"""Right commands that this cluster refuses, and what says that they reached the right thing."""


def words(scene: RulesStage, command: Command) -> dict[str, str]:
    """What the words in capitals stand for."""
    kube, app = scene.kube, APPS.get(command.runbook, "busy")
    names = [str(pod["metadata"]["name"]) for pod in kube.list("Pod", SICK)]
    pod = next(name for name in names if name.startswith(f"{app}-"))
    run = next(run for run in kube.list("HealingRun", SICK))
    refused = command.runbook == "AutoGLMReceiverStoreFailures" and " hr " not in command.text
    return {
        "NAMESPACE": FULL if refused else SICK,
        "POD": pod,
        "CONTAINER": "main",
        "WORKLOAD": app,
        "NODE": scene.ill,
        "HPA": "busy",
        "CLAIM": CLAIM,
        "ENDPOINT": "slow",
        "CLUSTER": CLUSTER,
        "RUN": str(run["metadata"]["name"]),
        "POLICY": "futile",
        "STEP/YOUR-USER-NAME": f"1/{kubectl.run(*WHO_AM_I)}",
        "/PATH": "/tmp",  # noqa: S108 - the pod's own
        "/path": "/tmp",  # noqa: S108 - the pod's own
        "SIZE": "64Mi",
        "N": "2",
    }


def tried(command: Command, filled: str) -> str:
    """The command line that runs it, or lets the API server try it."""
    if command.changes:
        return f"{filled} --dry-run=server"
    # It knows no dry run; whether the name is right is seen without restarting anything.
    filled = filled.replace("rollout restart", "rollout history")
    first = command.kubectl != command.text
    # A filter that finds nothing is no failure of what it filters.
    return f'{filled}; exit "${{PIPESTATUS[0]}}"' if first else filled


def ran(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, timeout=SECONDS, check=False
    )


def fitting(text: str, known: Mapping[str, str]) -> str | None:
    return next((said for part, said in known.items() if part in text), None)


@pytest.mark.parametrize(
    "command",
    [each for each in runbook_commands.everything() if not any(map(each.text.count, INTERACTIVE))],
    ids=lambda each: f"{each.runbook}: {each.text}",
)
def test_it_can_be_typed(command: Command, scene: RulesStage) -> None:
    filled = command.filled(words(scene, command))
    done = ran(tried(command, filled))

    refusal = fitting(command.text, REFUSALS)
    if done.returncode and refusal is not None:
        assert refusal in done.stderr, done.stderr
        return
    assert done.returncode == 0, done.stderr
    if not any(part in command.text for part in MAY_BE_EMPTY):
        assert done.stdout.strip(), f"nothing is printed: {filled}\n{done.stderr}"


def test_a_name_that_is_not_there_is_found_out(scene: RulesStage) -> None:
    assert scene
    wrong = Command("", "kubectl -n NAMESPACE get deploy -l app=nobody | sort")
    done = ran(tried(wrong, wrong.filled({"NAMESPACE": SICK})))
    assert (done.returncode, done.stdout.strip()) == (0, "")
    wrong = Command("", "kubectl -n NAMESPACE get deploy nobody | sort")
    assert ran(tried(wrong, wrong.filled({"NAMESPACE": SICK}))).returncode == 1
