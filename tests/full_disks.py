"""A node whose disk is full of old logs, and a release that may clean it.

Exists so that tests see real DiskPressure that the kubelet's own collection does not end. Never
checks anything.
"""

import contextlib
import json
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import images
import programs
from builders import a_container, a_host_volume, a_mount, a_namespace, a_pod
from demo import kubectl, stage
from demo_stage import forget_definitions
from kube import Kube
from kubeconfig import Object
from statuses import condition
from timeline import Timeline, within

CHART = Path(__file__).parents[1] / "charts" / "autoglm-operator"
CARE = "node-care"
"""Where the policy lives; the admin trusts it with nodes."""
JOBS = f"{stage.RELEASE}-node-jobs"
POLICY = "disk-pressure"
LOGS = [f"app.log.{number}" for number in range(1, 9)]
KEPT = ["link.log.1", "orders.db", "server.log.2", "young.log.1"]
"""Data, a link to it, a log that a process has open, and one that is too young."""
LEFT_MIB = 200
"""What the logs leave free: well below the 10 % at which the kubelet sees pressure."""

RULES = json.dumps(
    {
        "groups": [
            {
                "name": "disks",
                "rules": [
                    {
                        "alert": "KubeNodeDiskPressure",
                        # As shipped; there `for` is a minute.
                        "expr": "max by (node) (kube_node_status_condition"
                        '{condition="DiskPressure", status="true"} == 1)',
                        "for": "2s",
                        "labels": {"severity": "critical"},
                    },
                    {"alert": "Watchdog", "expr": "vector(1)"},
                ],
            }
        ]
    }
)

WRITER = """
import hashlib, json, os, pathlib, sys, time
folder = pathlib.Path("/host/app"); left = int(sys.argv[1]) << 20; names = sys.argv[2:]
folder.mkdir(exist_ok=True)
old = time.time() - 2 * 86400
data = os.urandom(4 << 20)
for name in ("orders.db", "server.log.2", "young.log.1"):
    (folder / name).write_bytes(data)
for name in ("orders.db", "server.log.2"):
    os.utime(folder / name, (old, old))
(folder / "link.log.1").symlink_to("orders.db")
held = (folder / "server.log.2").open("rb")
seen = os.statvfs(folder)
size = (seen.f_bavail * seen.f_frsize - left) // len(names)
for name in names:
    opened = os.open(folder / name, os.O_CREAT | os.O_WRONLY)
    os.posix_fallocate(opened, 0, size)
    os.close(opened)
    os.utime(folder / name, (old, old))
said = None
while True:
    present = sorted(each.name for each in folder.iterdir())
    same = (folder / "orders.db").read_bytes() == data and held.seek(0) == 0 and held.read() == data
    says = json.dumps({"present": present, "same": same})
    if says != said:
        print(says, flush=True)
        said = says
    time.sleep(0.5)
"""
"""Fills the node's log folder, holds one log open, and says whenever something changes."""


@dataclass(frozen=True)
class FullDisk:
    """One node with the release, seen by a test."""

    kube: Kube
    node: str

    def fill(self) -> None:
        """Start to fill the disk, by a pod that no pressure evicts."""
        image = images.ensure(["autoglm"])["autoglm"].reference
        container = a_container(
            image,
            ["python3", "-c", WRITER, str(LEFT_MIB), *LOGS],
            volumeMounts=[a_mount("logs", "/host")],
        )
        pod = a_pod(
            "writer",
            container,
            volumes=[a_host_volume("logs", "/var/log")],
            nodeName=self.node,
            priorityClassName="system-node-critical",
            tolerations=[{"operator": "Exists"}],
        )
        pod["spec"]["securityContext"] |= {"runAsNonRoot": False, "runAsUser": 0, "runAsGroup": 0}
        self.kube.create(pod, CARE)

    def empty(self) -> None:
        """Take the writer and all that it wrote away."""
        self.kube.delete("Pod", "writer", CARE)
        Timeline().want(
            within(60), "the writer is gone", lambda: not self.kube.get("Pod", "writer", CARE)
        )
        image = images.ensure(["autoglm"])["autoglm"].reference
        code = "import shutil; shutil.rmtree('/host/app', ignore_errors=True)"
        container = a_container(
            image, ["python3", "-c", code], volumeMounts=[a_mount("logs", "/host")]
        )
        pod = a_pod(
            "sweeper",
            container,
            volumes=[a_host_volume("logs", "/var/log")],
            nodeName=self.node,
            restartPolicy="Never",
            priorityClassName="system-node-critical",
            tolerations=[{"operator": "Exists"}],
        )
        pod["spec"]["securityContext"] |= {"runAsNonRoot": False, "runAsUser": 0, "runAsGroup": 0}
        self.kube.create(pod, CARE)

        def swept() -> bool:
            found = self.kube.get("Pod", "sweeper", CARE)
            return found is not None and found["status"].get("phase") == "Succeeded"

        Timeline().want(within(60), "everything is swept away", swept)
        self.kube.delete("Pod", "sweeper", CARE)

    def says(self) -> Object:
        """What the writer last said: names that are there, and whether data is as written."""
        lines = self.kube.logs("writer", CARE).strip().splitlines()
        said: Object = json.loads(lines[-1]) if lines else {"present": [], "same": False}
        return said

    def is_full(self) -> bool:
        """Whether every log was written."""
        pod = self.kube.get("Pod", "writer", CARE)
        if pod is None or pod["status"].get("phase") != "Running":
            return False
        return set(LOGS) <= set(self.says()["present"])

    def pressure(self) -> str | None:
        """Status of the node's condition DiskPressure."""
        return condition(self.kube.get("Node", self.node), "DiskPressure")

    def images(self) -> set[str]:
        """Names of all images that the node says it has."""
        node = self.kube.get("Node", self.node)
        assert node is not None
        return {name for each in node["status"].get("images", []) for name in each["names"]}

    def policy(self, **changes: object) -> None:
        """Store the policy, with what the test replaces."""
        spec: Object = {
            "mode": "Enforce",
            "alerts": [{"matchers": [{"name": "alertname", "value": "KubeNodeDiskPressure"}]}],
            "target": {
                "kind": "Node",
                "selector": {"matchLabels": {"kubernetes.io/hostname": self.node}},
            },
            "ladder": [{"action": "CleanDisk", "cleanDisk": {"minimumFreed": "1Gi"}}],
            "verify": {"stabilization": "5s", "timeout": "2m"},
            "guards": {"cooldown": "0s"},
            **changes,
        }
        self.kube.apply(
            {
                "apiVersion": "autoglm.io/v1alpha1",
                "kind": "HealingPolicy",
                "metadata": {"name": POLICY},
                "spec": spec,
            },
            CARE,
        )

    def runs(self) -> list[Object]:
        """Every run about the node, the oldest first."""
        found = self.kube.list("HealingRun", CARE)
        return sorted(found, key=lambda run: str(run["metadata"]["creationTimestamp"]))

    def jobs(self) -> list[Object]:
        """Every Job that was made to clean a node."""
        return self.kube.list("Job", JOBS)


@contextlib.contextmanager
def raised(kube: Kube, node: str) -> Generator[FullDisk]:
    """Install the release away from the node, and point Prometheus' alerts at it."""
    before = kube.get("ConfigMap", "monitoring", "monitoring")
    assert before is not None, "the cluster has no monitoring: hack/cluster up --with monitoring"
    forget_definitions(kube)
    disk = FullDisk(kube, node)
    try:
        # What is evicted under pressure would only make the test slow.
        kube.patch("Node", node, None, {"spec": {"unschedulable": True}})
        _install()
        stage.connect_alertmanager()
        _watch_disks(kube)
        kube.apply(a_namespace(CARE, "privileged"))
        kube.patch("Node", node, None, {"spec": {"unschedulable": None}})
        yield disk
    finally:
        kube.patch("Node", node, None, {"spec": {"unschedulable": None}})
        _clear(kube, before)


def _install() -> None:
    helm = programs.ensure(["helm"])["helm"]
    repository, tag = images.ensure(["autoglm"])["autoglm"].reference.rsplit(":", 1)
    values = {
        "image": {"repository": repository, "tag": tag},
        "receiver": {"senders": [{"name": "alertmanager", "namespace": "monitoring"}]},
        "alertmanager": {"urls": ["http://alertmanager.monitoring.svc:9093"]},
        "nodeHealing": {"enabled": True},
        "trustedNamespaces": [CARE],
    }
    where = [stage.RELEASE, str(CHART), "--namespace", stage.SYSTEM, "--create-namespace"]
    done = subprocess.run(
        [str(helm), "upgrade", "--install", *where, "--wait", "--timeout", "3m", "--values", "-"],
        input=json.dumps(values),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _watch_disks(kube: Kube) -> None:
    kube.patch("ConfigMap", "monitoring", "monitoring", {"data": {"rules.yml": RULES}})
    kubectl.run("-n", "monitoring", "rollout", "restart", "deployment/prometheus")
    words = ("rollout", "status", "deployment/prometheus", "--timeout=90s")
    kubectl.run("-n", "monitoring", *words)


def _clear(kube: Kube, before: Object) -> None:
    replaced = [{"op": "replace", "path": "/data", "value": before["data"]}]
    kube.patch("ConfigMap", "monitoring", "monitoring", replaced, kind_of_patch="json")
    with contextlib.suppress(LookupError):  # the kinds are not there if nothing was installed
        kube.delete("HealingPolicy", POLICY, CARE)
        for run in kube.list("HealingRun", CARE):
            kube.delete("HealingRun", run["metadata"]["name"], CARE)
    helm = programs.ensure(["helm"])["helm"]
    words = ["uninstall", stage.RELEASE, "--namespace", stage.SYSTEM, "--ignore-not-found"]
    subprocess.run([str(helm), *words, "--wait"], check=True, capture_output=True)
    for name in (CARE, stage.SYSTEM):
        kube.delete("Namespace", name)
    gone = (CARE, stage.SYSTEM, JOBS)
    Timeline().want(
        within(180),
        "the namespaces are gone",
        lambda: not any(kube.get("Namespace", name) for name in gone),
    )
    forget_definitions(kube)
