"""A node whose disk is full of old logs, and what its tests see of it.

Exists so that tests see real DiskPressure that the kubelet's own collection does not end. Never
checks anything.
"""

import json
from dataclasses import dataclass

import images
from builders import a_container, a_host_volume, a_mount, a_pod
from healing_release import CARE, JOBS, HealingRelease
from kube import Kube
from kubeconfig import Object
from statuses import condition
from timeline import Timeline, within

POLICY = "disk-pressure"
LOGS = [f"app.log.{number}" for number in range(1, 9)]
KEPT = ["ballast.db", "link.log.1", "orders.db", "server.log.2", "young.log.1"]
"""Data, a link to it, a log that a process has open, and one that is too young. The ballast takes
what the kubelet frees: images that nobody uses end the pressure otherwise, before any run looks."""
LEFT_MIB = 200
"""What the logs leave free: well below the 10 % at which the kubelet sees pressure."""

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
ballast = os.open(folder / "ballast.db", os.O_CREAT | os.O_WRONLY)
def room():
    seen = os.statvfs(folder)
    return seen.f_bavail * seen.f_frsize - left
size = room() // len(names)
for name in names:
    opened = os.open(folder / name, os.O_CREAT | os.O_WRONLY)
    os.posix_fallocate(opened, 0, size)
    os.close(opened)
    os.utime(folder / name, (old, old))
said = None
while True:
    present = sorted(each.name for each in folder.iterdir())
    if set(names) <= set(present) and room() > 32 << 20:
        os.posix_fallocate(ballast, os.fstat(ballast).st_size, room())
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
    """One node, seen by a test."""

    release: HealingRelease
    node: str

    @property
    def kube(self) -> Kube:
        """The administrator's client."""
        return self.release.kube

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
            "alerts": [{"matchers": [{"name": "alertname", "value": "KubeNodeDiskPressure"}]}],
            "target": {
                "kind": "Node",
                "selector": {"matchLabels": {"kubernetes.io/hostname": self.node}},
            },
            "ladder": [{"action": "CleanDisk", "cleanDisk": {"minimumFreed": "1Gi"}}],
            "verify": {"stabilization": "5s", "timeout": "2m"},
        }
        self.release.policy(POLICY, spec | changes)

    def runs(self) -> list[Object]:
        """Every run about the node, the oldest first."""
        return self.release.runs(POLICY)

    def jobs(self) -> list[Object]:
        """Every Job that was made to clean a node."""
        return self.kube.list("Job", JOBS)
