"""One node: a machine made of namespaces, control groups and a disk image.

Its kubelet, containerd and kube-proxy are real and die with it. What it runs is the cluster's
matter; this module only switches things on and off.
"""

import os
import shutil
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from testcluster import configs, inotify
from testcluster.cgroups import ControlGroups
from testcluster.commands import CLEAN_PATH, in_network, run
from testcluster.errors import ClusterError
from testcluster.processes import (
    SCRIPTS,
    Tracked,
    clean_environment,
    in_groups,
    kill,
    launch_command,
    start,
)
from testcluster.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROGRAMS = ("containerd", "kubelet", "kube-proxy")
"""In the order they start."""
LOGS = "/var/log/testcluster"
PATH = f"{configs.NODE_FILES}/bin:{CLEAN_PATH}"
FILL = "fill"
"""The file in a node's root that `fill-disk` writes."""


class Node:
    """Node number `index` of a cluster, counted from 1."""

    def __init__(self, settings: Settings, groups: ControlGroups, index: int) -> None:
        self.name = settings.node_name(index)
        self._settings = settings
        self._groups = groups
        self._index = index
        self._directory = settings.directory / "nodes" / self.name
        self._first = Tracked(self._directory / "init.pid")
        self._commands: Mapping[str, Callable[[], list[str]]] = {
            "containerd": self._containerd,
            "kubelet": self._kubelet,
            "kube-proxy": self._kube_proxy,
        }

    def prepare(self, pause_image: str) -> None:
        """Make its disk, its configuration and its place in the control groups."""
        self._groups.create(self.name, f"{self.name}/system")
        self._groups.delegate(self.name)
        for folder in (self._directory / "root", self._files, self._logs):
            folder.mkdir(parents=True, exist_ok=True)
        disk = self._directory / "disk.img"
        run(["truncate", f"--size={self._settings.disk_size}", disk])
        run(["mkfs.ext4", "-q", "-F", "-m", "0", disk])
        self._write_files(pause_image)

    def _write_files(self, pause_image: str) -> None:
        settings, index = self._settings, self._index
        address = str(settings.topology.node_address(index))
        kubeconfig = f"{configs.NODE_FILES}/kube-proxy.kubeconfig"
        texts = {
            "containerd.toml": configs.containerd(pause_image),
            "cni/10-testcluster.conflist": configs.pod_network(settings, index),
            "registries/registry.local/hosts.toml": configs.registry_hosts(settings),
            "kubelet.json": configs.kubelet(settings, index, _machine_memory_mib()),
            "kube-proxy.json": configs.kube_proxy(settings, address, kubeconfig),
        }
        copies = {
            "ca.crt": "ca.crt",
            "node.crt": f"{self.name}.crt",
            "node.key": f"{self.name}.key",
            "kubelet.kubeconfig": f"{self.name}.kubeconfig",
            "kube-proxy.kubeconfig": "kube-proxy.kubeconfig",
        }
        for name, text in texts.items():
            path = self._files / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name, source in copies.items():
            shutil.copy(settings.pki / source, self._files / name)
        shutil.copy(SCRIPTS / "launch.sh", self._files / "launch.sh")
        shutil.copytree(settings.programs, self._files / "bin", copy_function=os.link)

    def boot(self) -> None:
        """Switch it on unless it runs, up to a containerd that answers."""
        if self.is_running():
            return
        # A power loss leaves no control groups. Without this the new kubelet spends three seconds
        # on each dead container (measured).
        self._groups.remove(f"{self.name}/kubepods")
        script = SCRIPTS / "boot-node.sh"
        disk, root = self._directory / "disk.img", self._directory / "root"
        argv = ["bash", script, self.name, disk, root, self._files, self._logs]
        inner = clean_environment(list(map(str, argv)), PATH)
        unshare = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", *inner]
        outer = Tracked(self._directory / "boot.pid")
        command = launch_command(outer.pid_file, self._logs / "boot.log", unshare)
        namespace = self._settings.node_namespace(self._index)
        start(in_groups(self._entrances(), in_network(namespace, command)))
        self._await_boot(outer)

    def _await_boot(self, outer: Tracked, patience_seconds: float = 30) -> None:
        deadline = time.monotonic() + patience_seconds
        while not (self.is_running() and self.path(f"{configs.NODE_RUN}/booted").exists()):
            pid = outer.pid()
            if pid is None or time.monotonic() > deadline:
                log = self._logs / "boot.log"
                raise ClusterError(f"{self.name} does not boot: {_last_line(log)}; see {log}")
            if not self.is_running():
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                if children:
                    self._first.record(int(children[0]))
            time.sleep(0.02)

    def start_programs(self) -> None:
        """Start what it lacks of containerd, kubelet and kube-proxy."""
        for program in PROGRAMS:
            self.start(program)

    def start(self, program: str) -> None:
        """Start one program unless it runs; containerd is waited for."""
        self._demand_running()
        tracked = self.tracked(program)
        logs = inotify.Logs.from_now_on(self._logs)
        if tracked.pid() is None:
            argv = clean_environment(self._commands[program](), PATH)
            pid_file = f"{configs.NODE_RUN}/{program}.pid"
            launcher = f"{configs.NODE_FILES}/launch.sh"
            command = [launcher, pid_file, f"{LOGS}/{program}.log", *argv]
            start(in_groups(self._entrances(), self.enter(command)))
        if program == "containerd":
            self._await_containerd()
            # It answers without inotify, too, but runs nothing.
            logs.check()

    def stop(self, program: str) -> None:
        """Kill one program if it runs; its children, such as containers, go on."""
        tracked = self.tracked(program)
        pid = tracked.pid()
        if pid is not None:
            run(self.enter(["kill", "-KILL", str(pid)]))
            tracked.wait_until_gone()

    def crash(self) -> None:
        """Cut its power: every process dies at once, nothing is told to anyone."""
        pid = self._first.pid()
        if pid is not None:
            kill(pid)
            self._first.wait_until_gone()

    def fill_disk(self, leave_mib: int) -> None:
        """Write one file until only `leave_mib` are free; less is never freed by this."""
        self._demand_running()
        free = self.free_mib()
        if free > leave_mib:
            path = self.path(f"/{FILL}")
            held = path.stat().st_blocks * 512 // 2**20 if path.exists() else 0
            run(self.enter(["fallocate", "--length", f"{held + free - leave_mib}MiB", f"/{FILL}"]))

    def free_disk(self) -> None:
        """Delete the file that `fill_disk` wrote."""
        self._demand_running()
        self.path(f"/{FILL}").unlink(missing_ok=True)

    def free_mib(self) -> int:
        """Free space of its disk."""
        seen = os.statvfs(self.path("/"))
        return seen.f_bavail * seen.f_frsize // 2**20

    def is_running(self) -> bool:
        """Whether it has power."""
        return self._first.pid() is not None

    def tracked(self, program: str) -> Tracked:
        """How one of its programs is found; its process id counts inside the node."""
        return Tracked(self.path(f"{configs.NODE_RUN}/{program}.pid"), self.path("/proc"))

    def path(self, inside: str) -> Path:
        """A path of the node as the host reaches it; leads nowhere when the node is off."""
        return Path(f"/proc/{self._first.pid() or 'none'}/root{inside}")

    def enter(self, argv: list[str]) -> list[str]:
        """The command that runs `argv` inside the node."""
        target = f"--target={self._first.pid()}"
        return ["nsenter", target, "--mount", "--net", "--pid", "--uts", "--ipc", "--", *argv]

    @property
    def _files(self) -> Path:
        return self._directory / "files"

    @property
    def _logs(self) -> Path:
        return self._settings.logs / self.name

    def _entrances(self) -> list[Path]:
        return self._groups.entrances(f"{self.name}/system")

    def _demand_running(self) -> None:
        if not self.is_running():
            raise ClusterError(f"{self.name} is switched off; run 'fault boot-node {self.name}'")

    def _await_containerd(self, patience_seconds: float = 20) -> None:
        deadline = time.monotonic() + patience_seconds
        address = str(self.path(configs.CONTAINERD_SOCKET))
        while not _answers(address):
            if self.tracked("containerd").pid() is None or time.monotonic() > deadline:
                log = self._logs / "containerd.log"
                raise ClusterError(f"containerd of {self.name} does not answer; see {log}")
            time.sleep(0.02)

    def _containerd(self) -> list[str]:
        return ["containerd", f"--config={configs.NODE_FILES}/containerd.toml"]

    def _kubelet(self) -> list[str]:
        return [
            *("kubebox", "kubelet", f"--config={configs.NODE_FILES}/kubelet.json"),
            f"--kubeconfig={configs.NODE_FILES}/kubelet.kubeconfig",
            f"--hostname-override={self.name}",
            f"--node-ip={self._settings.topology.node_address(self._index)}",
        ]

    def _kube_proxy(self) -> list[str]:
        config = f"--config={configs.NODE_FILES}/kube-proxy.json"
        return ["kubebox", "kube-proxy", config, f"--hostname-override={self.name}"]


def _answers(address: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(address)
        except OSError:
            return False
    return True


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "no message"


def _machine_memory_mib() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
