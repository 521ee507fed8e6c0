"""The release that tests heal real faults with, away from the nodes that they break.

Exists so that the tests of one folder share one installation, whose Prometheus evaluates the rules
that the chart ships. Never checks anything, and breaks nothing.
"""

import contextlib
import json
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import images
import programs
import shipped_rules
from builders import a_namespace
from demo import stage
from demo_stage import forget_definitions, monitoring, restore_monitoring
from kube import Kube, KubeError
from kubeconfig import Object
from statuses import is_ready
from timeline import Timeline, within

CARE = "node-care"
"""Where policies and workloads live; the admin trusts it with nodes."""
JOBS = f"{stage.RELEASE}-node-jobs"
LEASES = "medik8s-leases"
"""Where whoever maintains a node takes its Lease."""
VICTIMS = 2
WATCHED = (
    "HighCPUUsage",
    "KubeHpaMaxedOut",
    "KubeNodeDiskPressure",
    "KubeNodeNotReady",
    "KubeNodeUnreachable",
    "Watchdog",
)
SELECTED = {"example.com/healing": "allowed"}
"""The label of the samples by which nodes are left to policies."""
_GONE = within(180)


@dataclass(frozen=True)
class HealingRelease:
    """The release, and the nodes that run none of it."""

    kube: Kube
    victims: tuple[str, ...]

    def policy(self, name: str, spec: Object) -> None:
        """Store a policy; whatever the test does not say is quick."""
        quick: Object = {
            "mode": "Enforce",
            "verify": {"stabilization": "3s", "timeout": "2m"},
            "guards": {"cooldown": "0s", "maxConcurrent": 2, "storm": {"maxUnhealthy": "60%"}},
        }
        self.kube.apply(
            {
                "apiVersion": "autoglm.io/v1alpha1",
                "kind": "HealingPolicy",
                "metadata": {"name": name},
                "spec": quick | spec,
            },
            CARE,
        )

    def runs(self, policy: str, phase: str = "") -> list[Object]:
        """The runs of a policy, the oldest first; only those of a phase if one is named."""
        found = [
            run
            for run in self.kube.list("HealingRun", CARE)
            if run["spec"]["policy"]["name"] == policy
            and phase in ("", run.get("status", {}).get("phase"))
        ]
        return sorted(found, key=lambda run: str(run["metadata"]["creationTimestamp"]))

    def forget(self, policy: str) -> None:
        """Delete a policy, wait until what it holds was undone, and delete its runs."""
        self.kube.delete("HealingPolicy", policy, CARE)

        def released() -> bool:
            return not any(run["metadata"].get("finalizers") for run in self.runs(policy))

        Timeline().want(within(120), f"nothing of {policy} stands", released)
        for run in self.runs(policy):
            self.kube.delete("HealingRun", run["metadata"]["name"], CARE)


def condition_of(run: Object, kind: str) -> Object:
    """A condition of a run; empty if it has none of that type."""
    found: list[Object] = run.get("status", {}).get("conditions") or []
    return {each["type"]: each for each in found}.get(kind, dict[str, Any]())


@contextlib.contextmanager
def raised(kube: Kube, nodes: list[str]) -> Generator[HealingRelease]:
    """Install the release on the first nodes, and point Prometheus' alerts at it."""
    forget_definitions(kube)
    before = monitoring(kube)
    release = HealingRelease(kube, tuple(nodes[-VICTIMS:]))
    try:
        for node in nodes:
            kube.patch("Node", node, None, {"metadata": {"labels": SELECTED}})
        with _cordoned(kube, release.victims):
            _make_way(kube, release.victims)
            _install()
            stage.connect_alertmanager({"rules.yml": _rules()})
        kube.apply(a_namespace(CARE, "privileged"))
        yield release
    finally:
        for node in nodes:
            gone = {"metadata": {"labels": dict.fromkeys(SELECTED)}}
            kube.patch("Node", node, None, gone)
        _clear(kube, before)


@contextlib.contextmanager
def _cordoned(kube: Kube, nodes: tuple[str, ...]) -> Generator[None]:
    for node in nodes:
        kube.patch("Node", node, None, {"spec": {"unschedulable": True}})
    try:
        yield
    finally:
        for node in nodes:
            kube.patch("Node", node, None, {"spec": {"unschedulable": None}})


def _make_way(kube: Kube, nodes: tuple[str, ...]) -> None:
    """Move whatever a node would take down with it: tests are about their own workloads."""

    def movable() -> list[Object]:
        return [
            pod
            for pod in kube.list("Pod")
            if pod["spec"].get("nodeName") in nodes
            and "ReplicaSet" in {ref["kind"] for ref in pod["metadata"].get("ownerReferences", [])}
        ]

    for pod in movable():
        kube.delete("Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])
    Timeline().want(within(90), "the nodes to break are empty", lambda: not movable())
    Timeline().want(
        within(90),
        "what ran there is back",
        lambda: all(is_ready(pod) for pod in kube.list("Pod", "monitoring")),
    )


def _install() -> None:
    helm = programs.ensure(["helm"])["helm"]
    repository, tag = images.ensure(["autoglm"])["autoglm"].reference.rsplit(":", 1)
    values: Object = {
        "image": {"repository": repository, "tag": tag},
        "receiver": {"senders": [{"name": "alertmanager", "namespace": "monitoring"}]},
        "alertmanager": {"urls": ["http://alertmanager.monitoring.svc:9093"]},
        "verification": {"prometheus": {"url": "http://prometheus.monitoring.svc:9090"}},
        "healing": {"budget": {"maxNodeActions": VICTIMS}},
        "nodeHealing": {"enabled": True},
        "trustedNamespaces": [CARE],
    }
    where = [stage.RELEASE, str(stage.CHART), "--namespace", stage.SYSTEM, "--create-namespace"]
    done = subprocess.run(
        [str(helm), "upgrade", "--install", *where, "--wait", "--timeout", "3m", "--values", "-"],
        input=json.dumps(values),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _rules() -> str:
    """The shipped rules, which wait for seconds where they would for minutes."""
    rules = [
        {
            "alert": each.name,
            "expr": each.expression.replace("[2m]", "[40s]"),
            "labels": each.labels,
            **({"for": "2s"} if each.pause else {}),
        }
        for each in shipped_rules.alerts()
        if each.name in WATCHED
    ]
    assert len(rules) == len(WATCHED)
    return json.dumps({"groups": [{"name": "healing", "rules": rules}]})


def _clear(kube: Kube, before: dict[str, Object]) -> None:
    # Kinds that are not there, or that were there before: nothing was installed.
    with contextlib.suppress(LookupError, KubeError):
        for policy in kube.list("HealingPolicy", CARE):
            kube.delete("HealingPolicy", policy["metadata"]["name"], CARE)
        for run in kube.list("HealingRun", CARE):
            kube.delete("HealingRun", run["metadata"]["name"], CARE)
    helm = programs.ensure(["helm"])["helm"]
    words = ["uninstall", stage.RELEASE, "--namespace", stage.SYSTEM, "--ignore-not-found"]
    subprocess.run([str(helm), *words, "--wait"], check=True, capture_output=True)
    restore_monitoring(kube, before)
    for name in (CARE, stage.SYSTEM):
        kube.delete("Namespace", name)
    gone = (CARE, stage.SYSTEM, JOBS, LEASES)
    Timeline().want(
        _GONE,
        "the namespaces are gone",
        lambda: not any(kube.get("Namespace", name) for name in gone),
    )
    forget_definitions(kube)
