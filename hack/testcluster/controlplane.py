"""The control plane: each program a process in the control network namespace.

Image registry, DNS, the storage provisioner and a kube-proxy run here too, so that nothing a test
breaks on a node takes them away, and `exec` reaches Services.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from testcluster import configs
from testcluster.cgroups import ControlGroups
from testcluster.commands import CLEAN_PATH, in_network, run, succeeds
from testcluster.errors import ClusterError
from testcluster.processes import (
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

GROUP = "control"
CORE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
FOR_NODES = ("registry", "coredns", "kube-proxy", "local-path-provisioner")
"""Needed only when there are nodes."""
STORAGE_NAMESPACE = "local-path-storage"


class ControlPlane:
    """Starts and stops the programs of one cluster's control plane."""

    def __init__(self, settings: Settings, groups: ControlGroups) -> None:
        self._settings = settings
        self._groups = groups
        self._commands: Mapping[str, Callable[[], list[str]]] = {
            "etcd": self._etcd,
            "kube-apiserver": self._apiserver,
            "kube-controller-manager": self._controller_manager,
            "kube-scheduler": self._scheduler,
            "registry": self._registry,
            "coredns": self._coredns,
            "kube-proxy": self._kube_proxy,
            "local-path-provisioner": self._local_path_provisioner,
        }

    def prepare(self) -> None:
        """Make the folders the programs write to."""
        for folder in (self._settings.logs, self._run, self._data):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def start(self, program: str) -> None:
        """Start a program unless it runs."""
        tracked = self.tracked(program)
        if tracked.pid() is not None:
            return
        argv = self._commands[program]()
        log = self._settings.logs / f"{program}.log"
        command = launch_command(tracked.pid_file, log, clean_environment(argv, CLEAN_PATH))
        entrances = self._groups.entrances(GROUP)
        start(in_groups(entrances, in_network(self._settings.control_namespace, command)))

    def stop(self, program: str) -> None:
        """Kill a program if it runs, and wait until it is gone."""
        tracked = self.tracked(program)
        pid = tracked.pid()
        if pid is not None:
            kill(pid)
            tracked.wait_until_gone()

    def tracked(self, program: str) -> Tracked:
        """How the program is found."""
        return Tracked(self._run / f"{program}.pid")

    def wait_until_ready(self, patience_seconds: float = 90) -> None:
        """Return when the API server says it is ready.

        Raises:
            ClusterError: it ended or is not ready in time.
        """
        deadline = time.monotonic() + patience_seconds
        while not succeeds(self.kubectl("get", "--raw", "/readyz"), timeout_seconds=10):
            dead = [name for name in ("etcd", "kube-apiserver") if not self.tracked(name).pid()]
            if dead or time.monotonic() > deadline:
                which = f"{dead[0]} ended" if dead else "the API server is not ready in time"
                raise ClusterError(f"{which}; see {self._settings.logs}")
            time.sleep(0.2)

    def kubectl(self, *args: str) -> list[str]:
        """The command that runs kubectl as administrator, inside the control network."""
        program = [self._kubebox, "kubectl", f"--kubeconfig={self._settings.kubeconfig}"]
        return in_network(self._settings.control_namespace, [*program, *args])

    def apply(self, manifest: str) -> None:
        """Apply manifests with the administrator's rights."""
        run(self.kubectl("apply", "--filename=-"), stdin=manifest)

    @property
    def _kubebox(self) -> str:
        return str(self._settings.programs / "kubebox")

    @property
    def _run(self) -> Path:
        return self._settings.directory / "run"

    @property
    def _data(self) -> Path:
        return self._settings.directory / "data"

    def _write(self, name: str, text: str) -> str:
        path = self._run / name
        path.write_text(text)
        return str(path)

    def _etcd(self) -> list[str]:
        config = self._write("etcd.json", configs.etcd(str(self._data / "etcd")))
        return [self._kubebox, "etcd", f"--config-file={config}"]

    def _apiserver(self) -> list[str]:
        topology, pki = self._settings.topology, self._settings.pki
        toleration = int(self._settings.timings.pod_toleration.total_seconds())
        return [
            *(self._kubebox, "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379"),
            f"--bind-address={topology.control_address}",
            f"--advertise-address={topology.control_address}",
            f"--service-cluster-ip-range={topology.service_network}",
            f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
            f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki}/service-account.pub",
            f"--service-account-signing-key-file={pki}/service-account.key",
            f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
            f"--proxy-client-key-file={pki}/front-proxy-client.key",
            # Webhooks and metrics-server are reached at their pods' addresses.
            "--enable-aggregator-routing=true",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--cert-dir={self._data}",
            f"--default-not-ready-toleration-seconds={toleration}",
            f"--default-unreachable-toleration-seconds={toleration}",
        ]

    def _controller_manager(self) -> list[str]:
        pki, timings = self._settings.pki, self._settings.timings
        return [
            *self._with_kubeconfig("kube-controller-manager"),
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={pki}/service-account.key",
            f"--root-ca-file={pki}/ca.crt",
            f"--cluster-signing-cert-file={pki}/ca.crt",
            f"--cluster-signing-key-file={pki}/ca.key",
            # With the default of 20 a burst of pods waits for its controller, not for its nodes.
            "--kube-api-qps=200",
            "--kube-api-burst=300",
            f"--node-monitor-period={configs.duration(timings.node_monitor_period)}",
            f"--node-monitor-grace-period={configs.duration(timings.node_grace)}",
        ]

    def _scheduler(self) -> list[str]:
        return self._with_kubeconfig("kube-scheduler")

    def _with_kubeconfig(self, program: str) -> list[str]:
        config = self._settings.pki / f"{program}.kubeconfig"
        return [
            *(self._kubebox, program, "--leader-elect=false", "--bind-address=127.0.0.1"),
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            f"--cert-dir={self._data}",
        ]

    def _registry(self) -> list[str]:
        directory = str(self._data / "registry")
        config = self._write("registry.json", configs.registry(self._settings, directory))
        return ["docker-registry", "serve", config]

    def _coredns(self) -> list[str]:
        config = self._write("Corefile", configs.corefile(self._settings))
        return [str(self._settings.programs / "coredns"), "-conf", config]

    def _kube_proxy(self) -> list[str]:
        address = str(self._settings.topology.control_address)
        kubeconfig = str(self._settings.pki / "kube-proxy.kubeconfig")
        text = configs.kube_proxy(self._settings, address, kubeconfig)
        config = self._write("kube-proxy.json", text)
        # It must name a Node that exists; the control plane is none, so it borrows the first.
        name = self._settings.node_name(1)
        return [self._kubebox, "kube-proxy", f"--config={config}", f"--hostname-override={name}"]

    def _local_path_provisioner(self) -> list[str]:
        return [
            *(str(self._settings.programs / "local-path-provisioner"), "start"),
            f"--kubeconfig={self._settings.pki / 'local-path-provisioner.kubeconfig'}",
            f"--namespace={STORAGE_NAMESPACE}",
            "--service-account-name=default",
        ]
