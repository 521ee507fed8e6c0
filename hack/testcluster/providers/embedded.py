"""The embedded provider: control plane and nodes on this machine, in namespaces of their own.

Needs root and a Linux kernel, but no Docker, no image registry and no download of binaries.
"""

import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

from buildcache.progress import say
from images import Image
from testcluster import (
    addons,
    artifacts,
    configs,
    controlplane,
    host,
    inotify,
    network,
    pki,
    record,
    registry,
)
from testcluster.cgroups import ControlGroups
from testcluster.commands import in_network, replace_process, run
from testcluster.controlplane import ControlPlane
from testcluster.errors import ClusterError, UsageError
from testcluster.faults import Fault
from testcluster.node import PROGRAMS, Node
from testcluster.processes import SCRIPTS, end_all_inside
from testcluster.providers import Wish
from testcluster.record import Record
from testcluster.settings import MOST_NODES, Settings

NAME = "embedded"


class Embedded:
    """The cluster called `settings.name`, on this machine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, wish: Wish) -> None:
        """Refuse machines that cannot, before anything is changed."""
        if wish.node_image:
            raise UsageError("--node-image chooses kind's nodes; embedded builds its own")
        host.check(self._settings, wish.nodes)

    def up(self, wish: Wish) -> None:
        """Start the cluster, or bring one that runs back to health."""
        known = record.read(self._settings)
        if known and known.complete and network.is_mounted(self._settings.control_namespace):
            with inotify.explained(self._settings.logs):
                self._restore(known, wish)
            return
        if known:
            say("removing what an unfinished 'up' left")
        self.down()
        with inotify.explained(self._settings.logs):
            self._create(wish)

    def _create(self, wish: Wish) -> None:
        found = artifacts.ensure_programs(artifacts.program_names(wish.nodes))
        images = artifacts.ensure_images(_image_names(wish)) if wish.nodes else {}
        entry = Record(NAME, wish.nodes, wish.addons)
        record.write(self._settings, entry)
        artifacts.place(found, self._settings.programs)
        (self._settings.programs / "kubectl").symlink_to("kubebox")
        pki.write(self._settings, wish.nodes)
        self._resolver.write_text(configs.resolver(self._settings))
        network.create(self._settings, wish.nodes)
        say("certificates and network made")
        self._groups.create(controlplane.GROUP)
        self._plane.prepare()
        with ThreadPoolExecutor(max_workers=MOST_NODES + 1) as pool:
            aside = [pool.submit(self._boot, node, images) for node in self._nodes(wish.nodes)]
            aside.append(pool.submit(self._fill_registry, images))
            self._start_control_plane()
            for result in aside:
                result.result()
        if wish.nodes:
            self._furnish(wish, images)
        record.write(self._settings, entry.finished())
        say(f"cluster {self._settings.name!r} is up with {wish.nodes} nodes")

    def _boot(self, node: Node, images: dict[str, Image]) -> None:
        node.prepare(images["pause"].reference)
        node.boot()
        node.start("containerd")
        say(f"{node.name} booted")

    def _fill_registry(self, images: dict[str, Image]) -> None:
        if images:
            self._plane.start("registry")
            self._push(images.values())

    def _start_control_plane(self) -> None:
        plane = self._plane
        plane.start("etcd")
        plane.start("kube-apiserver")
        plane.wait_until_ready()
        say("API server answers")
        plane.start("kube-controller-manager")
        plane.start("kube-scheduler")

    def _furnish(self, wish: Wish, images: dict[str, Image]) -> None:
        """Whatever makes bare nodes a cluster: DNS, Services, storage, images, addons."""
        plane = self._plane
        nodes = self._nodes(wish.nodes)
        for node in nodes:
            node.start_programs()
        values = self._values(images)
        plane.apply(addons.render("dns", values))
        plane.apply(addons.render("storage", values))
        for program in controlplane.FOR_NODES:
            plane.start(program)
        for name in wish.addons:
            plane.apply(addons.render(name, values))
        for node in nodes:
            self._wait(f"--for=create node/{node.name}")
        self._wait("--for=condition=Ready nodes --all")
        say("nodes are Ready")
        self._await_addons(wish.addons)

    def _await_addons(self, names: Iterable[str]) -> None:
        for name in names:
            for rollout in addons.ROLLOUTS[name]:
                words = ("rollout", "status", "--timeout=120s", *rollout.split())
                run(self._plane.kubectl(*words), timeout_seconds=130)
            say(f"{name} serves")

    def _restore(self, known: Record, wish: Wish) -> None:
        """Undo faults and add what is missing; the number of nodes stays."""
        if wish.nodes != known.nodes:
            raise ClusterError(
                f"the cluster has {known.nodes} nodes; run 'hack/cluster down' to change that"
            )
        for index, node in enumerate(self._nodes(known.nodes), start=1):
            network.connect(self._settings, index)
            node.boot()
            node.free_disk()
            node.start_programs()
        plane = self._plane
        for program in (*controlplane.CORE, *(controlplane.FOR_NODES if known.nodes else ())):
            plane.start(program)
        plane.wait_until_ready()
        if known.nodes:
            self._wait("--for=condition=Ready nodes --all")
        missing = tuple(name for name in wish.addons if name not in known.addons)
        if missing:
            images = artifacts.ensure_images(artifacts.addon_image_names(missing))
            self._push(images.values())
            for name in missing:
                plane.apply(addons.render(name, self._values(images)))
            self._await_addons(missing)
        both = (*known.addons, *missing)
        record.write(self._settings, Record(NAME, known.nodes, both, complete=True))
        say(f"cluster {self._settings.name!r} is up with {known.nodes} nodes")

    def down(self) -> None:
        """Remove processes, namespaces, mounts, disks, control groups and files."""
        end_all_inside(network.namespaces(self._settings))
        network.remove(self._settings)
        self._groups.remove()
        shutil.rmtree(self._settings.directory, ignore_errors=True)
        if self._settings.directory.exists():
            raise ClusterError(f"{self._settings.directory} cannot be removed; remove it by hand")

    def status(self) -> list[str]:
        """One line for each program, then the nodes as the cluster sees them."""
        known = self._known()
        plane = self._plane
        lines = [f"cluster {self._settings.name}: embedded, {known.nodes} nodes"]
        lines.append(f"addons: {', '.join(known.addons) or 'none'}")
        lines.append(f"kubeconfig: {self._settings.kubeconfig}")
        lines.append(self._settings.timings.shortened())
        programs = (*controlplane.CORE, *(controlplane.FOR_NODES if known.nodes else ()))
        lines += [_state(f"control {name}", plane.tracked(name).pid()) for name in programs]
        for node in self._nodes(known.nodes):
            lines += [_state(f"{node.name} {name}", node.tracked(name).pid()) for name in PROGRAMS]
        lines += run(plane.kubectl("get", "nodes", "--output=wide")).splitlines()
        return lines

    def kubectl(self, args: Sequence[str]) -> NoReturn:
        """Become kubectl inside the control network."""
        replace_process(self._plane.kubectl(*args), os.environ)

    def execute(self, argv: Sequence[str]) -> NoReturn:
        """Become a command inside the control network, with the cluster's DNS."""
        self._known()
        environment = {
            **os.environ,
            "AUTOGLM_CLUSTER": self._settings.name,
            "AUTOGLM_CLUSTER_EXEC": "1",  # tests touch no cluster without it
            "KUBECONFIG": str(self._settings.kubeconfig),
            "PATH": f"{self._settings.programs}:{os.environ.get('PATH', '')}",
        }
        script = SCRIPTS / "with-resolver.sh"
        inner = ["unshare", "--mount", "--", str(script), str(self._resolver), *argv]
        replace_process(in_network(self._settings.control_namespace, inner), environment)

    def load_images(self, names: Sequence[str]) -> None:
        """Push images into the cluster's registry."""
        if not self._known().nodes:
            raise ClusterError("the cluster has no nodes that could run an image")
        self._push(artifacts.ensure_images(names).values())

    def logs(self, names: Sequence[str], lines: int) -> None:
        """Print the ends of log files, oldest line first."""
        files = {
            str(path.relative_to(self._settings.logs).with_suffix("")): path
            for path in sorted(self._settings.logs.rglob("*.log"))
        }
        for name in names or files:
            if name not in files:
                raise UsageError(f"there is no log {name!r}; choose from {', '.join(files)}")
            print(f"==> {name} <==")
            for line in _tail(files[name], lines):
                print(line)

    def fault(self, fault: Fault, node: str | None, leave_mib: int) -> None:
        """Do one thing of the catalogue."""
        known = self._known()
        if node is None:
            verb, _, program = fault.name.partition("-")
            program = {"apiserver": "kube-apiserver"}.get(program, program)
            (self._plane.start if verb == "start" else self._plane.stop)(program)
            return
        nodes = {each.name: index for index, each in enumerate(self._nodes(known.nodes), start=1)}
        if node not in nodes:
            listing = ", ".join(nodes) or "none, it is up without nodes"
            raise UsageError(f"there is no node {node!r}; the cluster has {listing}")
        self._break(fault.name, nodes[node], leave_mib)

    def _break(self, fault: str, index: int, leave_mib: int) -> None:
        node = Node(self._settings, self._groups, index)
        match fault:
            case "cut-network":
                network.disconnect(self._settings, index)
            case "heal-network":
                network.connect(self._settings, index)
            case "crash-node":
                node.crash()
            case "boot-node":
                node.boot()
                node.start_programs()
            case "fill-disk":
                node.fill_disk(leave_mib)
            case "free-disk":
                node.free_disk()
            case _:
                verb, _, program = fault.partition("-")
                (node.start if verb == "start" else node.stop)(program)

    @property
    def _groups(self) -> ControlGroups:
        return ControlGroups(self._settings.control_group)

    @property
    def _plane(self) -> ControlPlane:
        return ControlPlane(self._settings, self._groups)

    @property
    def _resolver(self) -> Path:
        return self._settings.directory / "resolv.conf"

    def _nodes(self, count: int) -> list[Node]:
        groups = self._groups
        return [Node(self._settings, groups, index) for index in range(1, count + 1)]

    def _known(self) -> Record:
        known = record.read(self._settings)
        if known is None:
            raise ClusterError(f"the cluster {self._settings.name!r} is not up; run 'up' first")
        return known

    def _values(self, images: dict[str, Image]) -> dict[str, str]:
        topology = self._settings.topology
        return {
            "dns-service": str(topology.dns_service),
            "control-address": str(topology.control_address),
            "volumes": configs.VOLUMES,
            "kubelet-tls": "--kubelet-certificate-authority="
            "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
            "skip-kubelet-tls": "false",
            **{f"image:{name}": image.reference for name, image in images.items()},
        }

    def _push(self, images: Iterable[Image]) -> None:
        for image in images:
            stable = f"{registry.HOST}/{image.name}:dev"
            registry.push(self._settings, image.archive, (image.reference, stable))
            say(f"image {image.name} is in the registry")

    def _wait(self, words: str, patience_seconds: int = 120) -> None:
        timeout = f"--timeout={patience_seconds}s"
        argv = self._plane.kubectl("wait", timeout, *words.split())
        run(argv, timeout_seconds=patience_seconds + 10)


def _image_names(wish: Wish) -> tuple[str, ...]:
    return artifacts.NODE_IMAGES + artifacts.addon_image_names(wish.addons)


def _state(what: str, pid: int | None) -> str:
    return f"{what}: {'stopped' if pid is None else 'running'}"


def _tail(path: Path, lines: int) -> list[str]:
    return path.read_text(errors="replace").splitlines()[-lines:]
