"""The programs of `make bench-healing` on a small storm: they send, create and count what is there.

How fast that is, only the bench says.
"""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autoglm_api.healingpolicy import HealingPolicy
from bench.healing import alerts, cases
from bench.healing.creating import Task
from bench.healing.sending import Load
from healing_objects import MakePolicy, Sender
from healing_processes import HealingProcess
from kube import Kube
from kubeconfig import Object
from timeline import Timeline, within

ROOT = Path(__file__).parents[3]
COUNT = 60
STARTS_AT = "2026-01-01T00:00:00.000Z"


def reports_of(module: str, told: dict[str, Any], directory: Path) -> list[Object]:
    """Run a program of the bench to its end."""
    file = directory / f"{module}.json"
    file.write_text(json.dumps(told))
    done = subprocess.run(
        [sys.executable, "-m", f"bench.healing.{module}", str(file)],
        input="go\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}/hack:{ROOT}/operator"},
    )
    ready, *lines = done.stdout.splitlines()
    assert ready == "ready"
    return [json.loads(line) for line in lines]


def runs_of(kube: Kube, namespace: str, policy: str) -> list[Object]:
    """The runs of a policy."""
    found = kube.list("HealingRun", namespace)
    return [run for run in found if run["spec"]["policy"]["name"] == policy]


def test_a_storm_is_delivered_created_and_counted(
    kube: Kube,
    namespace: str,
    receiver: HealingProcess,
    sender: Sender,
    make_policy: MakePolicy,
    tmp_path: Path,
) -> None:
    make_policy()
    Timeline().want(within(30), "the receiver knows the policy", receiver.knows_a_policy)
    delivered_pods, created_pods = alerts.pods("b", COUNT), alerts.pods("c", COUNT)
    assert sender.token is not None
    load = Load(
        ports=[receiver.webhook_port],
        authority=str(sender.trust.authority),
        token=sender.token,
        namespace=namespace,
        pods=delivered_pods,
        starts_at=STARTS_AT,
        per_delivery=20,
    )

    delivered = cases.Delivered()
    for report in reports_of("sending", asdict(load), tmp_path):
        delivered.add(report)

    assert len(delivered.waits) == COUNT // 20
    assert sorted(delivered.acknowledged) == delivered_pods
    expected = [fingerprint(namespace, pod) for pod in delivered_pods]
    assert alerts.losses(expected, runs_of(kube, namespace, "crash")) == (0, 0)

    stored = kube.get("HealingPolicy", "crash", namespace)
    assert stored is not None
    about = alerts.alert(namespace, delivered_pods[0], STARTS_AT)
    same = alerts.run_of(HealingPolicy.read(stored), about)
    by_receiver = kube.get("HealingRun", same["metadata"]["name"], namespace)
    assert by_receiver is not None
    assert by_receiver["spec"] == same["spec"]

    victim = runs_of(kube, namespace, "crash")[0]["metadata"]["name"]
    kube.delete("HealingRun", victim, namespace)
    assert alerts.losses(expected, runs_of(kube, namespace, "crash")) == (1, 0)

    task = Task(str(receiver.kubeconfig), 4, stored, created_pods, STARTS_AT)
    (created,) = reports_of("creating", asdict(task), tmp_path)
    assert created["count"] == COUNT
    assert created["ended"] > created["begun"]
    runs = runs_of(kube, namespace, "crash")
    assert alerts.losses([fingerprint(namespace, pod) for pod in created_pods], runs) == (0, 0)


def fingerprint(namespace: str, pod: str) -> str:
    """The fingerprint of the alert about a pod."""
    return str(alerts.alert(namespace, pod, STARTS_AT)["fingerprint"])
