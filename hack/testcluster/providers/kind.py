"""The kind provider: nodes are containers of a Docker engine.

Drives the programs `kind`, `docker` and `kubectl`; what they are told is decided by pure functions
below, which is all that a machine without Docker can test. DNS, storage and Services are kind's.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn, cast

from buildcache.progress import say
from images import Image
from testcluster import addons, artifacts, configs, record
from testcluster.commands import replace_process, run, succeeds
from testcluster.errors import ClusterError, UnavailableError, UsageError
from testcluster.faults import Fault
from testcluster.processes import SCRIPTS
from testcluster.providers import Wish
from testcluster.record import Record
from testcluster.settings import Settings

NAME = "kind"
MANIFESTS = "/etc/kubernetes/manifests"
"""Where a node's kubelet finds the control plane's pods. Source: kubeadm's layout."""
PARKED = "/etc/kubernetes"
"""Where a manifest waits while its pod is stopped."""
REFUSED = ("fill-disk", "free-disk")
DNS_SERVICE = "10.96.0.10"
"""Source: kind's default service subnet, 10.96.0.0/16."""
INSIDE_URL = "https://127.0.0.1:6443"
"""The API server as its own node reaches it; kind's certificate serves that address too."""
CHAINS = ("INPUT", "OUTPUT", "FORWARD")


class Kind:
    """The cluster called `settings.name`, on this machine's Docker engine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, wish: Wish) -> None:
        """Refuse machines without an engine, before anything is changed."""
        if not succeeds(["docker", "version"], timeout_seconds=10):
            raise UnavailableError("no Docker engine answers; start one, or use embedded")
        if shutil.which("kubectl") is None:
            raise UnavailableError("kubectl is missing on this machine; kind needs it")

    def up(self, wish: Wish) -> None:
        """Start the cluster, or bring one that runs back to health."""
        known = record.read(self._settings)
        if known and known.complete:
            self._restore(known, wish)
            return
        self.down()
        images = artifacts.ensure_images(artifacts.addon_image_names(wish.addons))
        entry = Record(NAME, wish.nodes, wish.addons)
        record.write(self._settings, entry)
        config = json.dumps(cluster_config(self._settings, wish.nodes))
        run(self._create_command(wish), stdin=config, timeout_seconds=600)
        self._write_kubeconfigs()
        say("kind has made the nodes")
        self._install(wish.addons, images)
        if not wish.nodes:
            self.keep_pods_away()
        record.write(self._settings, entry.finished())
        say(f"cluster {self._settings.name!r} is up with {wish.nodes} nodes")

    def keep_pods_away(self) -> None:
        """Make the control plane's node, which kind cannot do without, take no more pods."""
        dns = ("--namespace=kube-system", "rollout", "status", "deployment/coredns")
        run(self._kubectl(*dns, "--timeout=120s"))
        run(self._kubectl("cordon", self._control_plane))

    def _restore(self, known: Record, wish: Wish) -> None:
        if wish.nodes != known.nodes:
            raise ClusterError(
                f"the cluster has {known.nodes} nodes; run 'hack/cluster down' to change that"
            )
        for node in node_names(self._settings, known.nodes):
            for fault in ("boot-node", "heal-network", "start-containerd", "start-kubelet"):
                self._carry_out(fault, node)
        for fault in ("start-etcd", "start-apiserver"):
            self._carry_out(fault, self._control_plane)
        run(self._kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s"))
        missing = tuple(name for name in wish.addons if name not in known.addons)
        self._install(missing, artifacts.ensure_images(artifacts.addon_image_names(missing)))
        both = (*known.addons, *missing)
        record.write(self._settings, Record(NAME, known.nodes, both, complete=True))

    def down(self) -> None:
        """Remove the nodes and what is known of them."""
        run([self._kind, "delete", "cluster", f"--name={self._settings.name}"])
        shutil.rmtree(self._settings.directory, ignore_errors=True)

    def status(self) -> list[str]:
        """The nodes as Docker and as the cluster see them."""
        known = record.read(self._settings)
        addon_names = ", ".join(known.addons if known else ()) or "none"
        label = f"label=io.x-k8s.kind.cluster={self._settings.name}"
        table = "{{.Names}}: {{.Status}}"
        containers = run(["docker", "ps", "--all", f"--filter={label}", f"--format={table}"])
        nodes = run(self._kubectl("get", "nodes", "--output=wide"))
        head = [f"cluster {self._settings.name}: kind", f"addons: {addon_names}"]
        return [*head, *containers.splitlines(), *nodes.splitlines()]

    def kubectl(self, args: Sequence[str]) -> NoReturn:
        """Become kubectl, through the port that kind opened on the loopback interface."""
        replace_process(self._kubectl(*args), os.environ)

    def execute(self, argv: Sequence[str]) -> NoReturn:
        """Become a command inside the network of the control plane's node."""
        if sys.platform != "linux" or os.geteuid() != 0:
            raise UnavailableError("exec on kind enters a node's network; run it as root on Linux")
        inspect = ["docker", "inspect", "--format={{.State.Pid}}", self._control_plane]
        pid = run(inspect).strip()
        inside = self._settings.directory / "inside.kubeconfig"
        environment = {
            **os.environ,
            "AUTOGLM_CLUSTER": self._settings.name,
            "AUTOGLM_CLUSTER_EXEC": "1",  # tests touch no cluster without it
            "KUBECONFIG": str(inside),
        }
        resolver = self._settings.directory / "resolv.conf"
        enter = ["nsenter", f"--net=/proc/{pid}/ns/net", "--", "unshare", "--mount", "--"]
        script = [SCRIPTS / "with-resolver.sh", resolver]
        replace_process([*enter, *script, *argv], environment)

    def load_images(self, names: Sequence[str]) -> None:
        """Copy images onto every node; pods must not ask to pull them."""
        self._load(artifacts.ensure_images(names).values())

    def logs(self, names: Sequence[str], lines: int) -> None:
        """Print the journals of the nodes' kubelets and containerds."""
        known = record.read(self._settings)
        every = node_names(self._settings, known.nodes if known else 0)
        for node in names or (self._control_plane, *every):
            print(f"==> {node} <==")
            journal = ["journalctl", "--no-pager", f"--lines={lines}", "-u", "kubelet"]
            subprocess.run(["docker", "exec", node, *journal, "-u", "containerd"], check=False)

    def fault(self, fault: Fault, node: str | None, leave_mib: int) -> None:
        """Do one thing of the catalogue, or refuse it."""
        del leave_mib  # only fill-disk has a use for it
        known = record.read(self._settings)
        names = node_names(self._settings, known.nodes if known else 0)
        numbered = {f"node{index}": name for index, name in enumerate(names, start=1)}
        target = numbered.get(node or "", node) or self._control_plane
        if node and target not in names:
            raise UsageError(f"there is no node {node!r}; the cluster has {', '.join(names)}")
        self._carry_out(fault.name, target)

    def _carry_out(self, fault: str, node: str) -> None:
        for command in fault_commands(fault, node):
            run(command)

    @property
    def _kind(self) -> str:
        return shutil.which("kind") or str(artifacts.ensure_programs(["kind"])["kind"])

    @property
    def _control_plane(self) -> str:
        return f"{self._settings.name}-control-plane"

    def _create_command(self, wish: Wish) -> list[str]:
        outside = self._settings.directory / "admin.kubeconfig"
        command = [
            *(self._kind, "create", "cluster", f"--name={self._settings.name}"),
            *("--config=-", f"--kubeconfig={outside}", "--wait=120s"),
        ]
        return [*command, f"--image={wish.node_image}"] if wish.node_image else command

    def _write_kubeconfigs(self) -> None:
        """One for the host, and one for programs inside the control plane's network."""
        view = run(self._kubectl("config", "view", "--raw", "--output=json"))
        document = cast("configs.Document", json.loads(view))
        for cluster in document["clusters"]:
            cluster["cluster"]["server"] = INSIDE_URL
        inside = self._settings.directory / "inside.kubeconfig"
        inside.touch(mode=0o600)
        inside.write_text(json.dumps(document))
        resolver = f"nameserver {DNS_SERVICE}\nsearch svc.cluster.local cluster.local\n"
        (self._settings.directory / "resolv.conf").write_text(resolver + "options ndots:5\n")

    def _kubectl(self, *args: str) -> list[str]:
        return ["kubectl", f"--kubeconfig={self._settings.directory}/admin.kubeconfig", *args]

    def _install(self, names: Iterable[str], images: dict[str, Image]) -> None:
        self._load(images.values())
        for name in names:
            manifest = addons.render(name, addon_values(images))
            run(self._kubectl("apply", "--filename=-"), stdin=manifest)
            for rollout in addons.ROLLOUTS[name]:
                words = ("rollout", "status", "--timeout=120s", *rollout.split())
                run(self._kubectl(*words), timeout_seconds=130)
            say(f"{name} serves")

    def _load(self, images: Iterable[Image]) -> None:
        for image in images:
            name = f"--name={self._settings.name}"
            run([self._kind, "load", "image-archive", str(image.archive), name])
            say(f"image {image.name} is on every node")


def addon_values(images: dict[str, Image]) -> dict[str, str]:
    """Values for the addons' manifests. Kubelets of kind sign their own certificates."""
    return {
        "kubelet-tls": "--kubelet-insecure-tls",
        "skip-kubelet-tls": "true",
        **{f"image:{name}": image.reference for name, image in images.items()},
    }


def cluster_config(settings: Settings, nodes: int) -> dict[str, object]:
    """What kind is asked to make: one control plane, and workers with our shortened delays."""
    timings = settings.timings
    toleration = f"{timings.pod_toleration.total_seconds():g}"
    cluster = {
        "kind": "ClusterConfiguration",
        "controllerManager": {
            "extraArgs": {
                "node-monitor-period": configs.duration(timings.node_monitor_period),
                "node-monitor-grace-period": configs.duration(timings.node_grace),
            }
        },
        "apiServer": {
            "extraArgs": {
                "default-not-ready-toleration-seconds": toleration,
                "default-unreachable-toleration-seconds": toleration,
            }
        },
    }
    kubelet = {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "nodeStatusUpdateFrequency": configs.duration(timings.node_status_period),
        "nodeLeaseDurationSeconds": int(timings.node_lease.total_seconds()),
    }
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [{"role": "control-plane"}, *({"role": "worker"} for _ in range(nodes))],
        "kubeadmConfigPatches": [json.dumps(cluster), json.dumps(kubelet)],
    }


def node_names(settings: Settings, nodes: int) -> list[str]:
    """Names of the workers. Source: kind's node naming: worker, worker2, worker3, ..."""
    suffixes = ["", *(str(index) for index in range(2, nodes + 1))]
    return [f"{settings.name}-worker{suffix}" for suffix in suffixes[:nodes]]


def fault_commands(fault: str, node: str) -> list[list[str]]:
    """The commands that carry a fault out on a node; each may be repeated without harm.

    Raises:
        UnavailableError: kind cannot contain it.
    """
    if fault in REFUSED:
        raise UnavailableError(
            f"{fault} would fill the disk of this machine: kind's nodes have none of their own; "
            "use --provider embedded"
        )
    inside = ["docker", "exec", node]
    verb, _, what = fault.partition("-")
    if fault == "crash-node":
        return [["docker", "stop", "--time=0", node]]  # unlike `kill`, may be repeated
    if fault == "boot-node":
        return [["docker", "start", node]]
    if fault in ("cut-network", "heal-network"):
        return [[*inside, "sh", "-c", _firewall(fault == "cut-network")]]
    if what in ("kubelet", "containerd"):
        return [[*inside, "systemctl", verb, what]]
    return [[*inside, "sh", "-c", _move_manifest(verb == "stop", what)]]


def _firewall(cut: bool) -> str:  # noqa: FBT001
    """Drop everything that passes the node's interface, or let it pass again."""
    lines: list[str] = []
    for chain in CHAINS:
        for direction in ("-i", "-o"):
            if (chain, direction) in (("INPUT", "-o"), ("OUTPUT", "-i")):
                continue
            rule = f"{chain} {direction} eth0 -j DROP"
            there = f"iptables -C {rule} 2>/dev/null"
            lines.append(
                f"{there} || iptables -I {rule}"
                if cut
                else f"{there} && iptables -D {rule} || true"
            )
    return "; ".join(lines)


def _move_manifest(stop: bool, what: str) -> str:  # noqa: FBT001
    """Take a pod of the control plane away by its manifest, or give it back."""
    file = f"{'kube-' if what == 'apiserver' else ''}{what}.yaml"
    places = (MANIFESTS, PARKED) if stop else (PARKED, MANIFESTS)
    source, target = (f"{place}/{file}" for place in places)
    return f"test ! -e {source} || mv {source} {target}"
