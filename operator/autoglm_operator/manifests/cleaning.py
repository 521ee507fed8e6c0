"""The Job that cleans one node's disk.

It goes to the node by name, for the scheduler would refuse a full one; the kubelet lets it in for
its priority. It gets single folders of the node, the few rights that removing files takes, and no
API token. Never decides whether a node may be cleaned. The admission policy of the chart refuses
whatever differs from what is built here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from autoglm_api import cleaning, kinds, labels
from autoglm_api.healingladder import Rubbish
from autoglm_operator.manifests.pods import Manifest, container, env

if TYPE_CHECKING:
    from autoglm_api.healingladder import CleanDiskOptions

COMPONENT: Final = "clean-disk"
"""Label of the Job and its pod, by which the admission policy tells them from the image holder."""
DEADLINE_SECONDS: Final = 600
"""Longest life of a Job, in seconds, the start of its pod included. Arbitrary, because a minute is
usual and a disk of a million files takes some."""
BUDGET_SECONDS: Final = 480
"""When the cleaner stops by itself and reports, in seconds: what is left is for the pod's start."""
KEPT_SECONDS: Final = 25 * 3600
"""How long an ended Job is kept, in seconds: longer than any run may wait to look at it again."""
CAPABILITIES: Final = ("DAC_OVERRIDE", "FOWNER", "LEASE")
"""Remove files in folders of other users; in sticky folders, and without touching access times; ask
the kernel whether a file of another user is open. Source: capabilities(7)."""

_LOGS: Final = frozenset({Rubbish.LOGS, Rubbish.JOURNAL})
_RUNTIME: Final = frozenset({Rubbish.IMAGES, Rubbish.CONTAINERS})


@dataclass(frozen=True, slots=True)
class CleaningSite:
    """Where and with what nodes are cleaned.

    Attributes:
        namespace: The chart's namespace for these Jobs.
        image: Our own image.
        pull_policy: When the kubelet pulls it; empty leaves it to Kubernetes.
        runtime_socket: The container runtime's socket on every node.
        pull_secrets: Secrets of that namespace for pulling the image.
    """

    namespace: str
    image: str
    pull_policy: str = ""
    runtime_socket: str = "/run/containerd/containerd.sock"
    pull_secrets: tuple[str, ...] = ()


def job(
    site: CleaningSite, name: str, node: str, options: CleanDiskOptions, *, size_bytes: int
) -> Manifest:
    """The Job of one run on one node.

    Args:
        site: Where and with what.
        name: The journaled name; a second Job of that name cannot be made.
        node: Name of the node.
        options: What the policy's step asks for.
        size_bytes: Its minimumSize in bytes.
    """
    marks = {
        labels.APP_NAME: labels.APPLICATION,
        labels.APP_COMPONENT: COMPONENT,
        labels.APP_PART_OF: labels.APPLICATION,
        labels.APP_MANAGED_BY: labels.HEALER,
    }
    return {
        "apiVersion": kinds.JOB.api_version,
        "kind": kinds.JOB.kind,
        "metadata": {"name": name, "namespace": site.namespace, "labels": marks},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {
                "metadata": {"labels": marks},
                "spec": _pod(site, node, options, size_bytes),
            },
        },
    }


def _pod(site: CleaningSite, node: str, options: CleanDiskOptions, size_bytes: int) -> Manifest:
    volumes = _volumes(site, frozenset(options.remove))
    mounts = [{"name": each["name"], "mountPath": _MOUNTED[each["name"]]} for each in volumes]
    cleaner = container(
        COMPONENT,
        site.image,
        pull_policy=site.pull_policy,
        args=[cleaning.SUBCOMMAND],
        env=env(
            AUTOGLM_REMOVE=",".join(sorted(options.remove)),
            AUTOGLM_MINIMUM_AGE_SECONDS=f"{options.minimum_age.total_seconds():.0f}",
            AUTOGLM_MINIMUM_SIZE_BYTES=str(size_bytes),
            AUTOGLM_BUDGET_SECONDS=str(BUDGET_SECONDS),
        ),
        # Small requests: for a critical pod the kubelet evicts others to make room.
        resources={
            "requests": {"cpu": "10m", "memory": "32Mi"},
            "limits": {"memory": "256Mi"},
        },
        volumeMounts=mounts,
        terminationMessagePath=cleaning.REPORT_PATH,
        terminationMessagePolicy="FallbackToLogsOnError",
    )
    cleaner["securityContext"] |= {
        "runAsNonRoot": False,
        "capabilities": {"drop": ["ALL"], "add": list(CAPABILITIES)},
    }
    pod: Manifest = {
        "nodeName": node,
        "restartPolicy": "Never",
        "priorityClassName": "system-node-critical",
        "tolerations": [{"operator": "Exists"}],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [cleaner],
        "volumes": volumes,
    }
    if site.pull_secrets:
        pod["imagePullSecrets"] = [{"name": each} for each in site.pull_secrets]
    return pod


_MOUNTED: Final = {
    "volumes": cleaning.VOLUMES,
    "logs": cleaning.LOGS,
    "tmp": cleaning.TEMPORARY,
    "var-tmp": cleaning.KEPT_TEMPORARY,
    "runtime": cleaning.RUNTIME_SOCKET,
}


def _volumes(site: CleaningSite, remove: frozenset[Rubbish]) -> list[Manifest]:
    """One volume for each purpose, and none for what is not asked for."""
    volumes: list[Manifest] = [{"name": "volumes", "emptyDir": {"sizeLimit": "1Mi"}}]
    if remove & _LOGS:
        volumes.append(_host("logs", cleaning.HOST_LOGS, "Directory"))
    if Rubbish.TEMPORARY_FILES in remove:
        volumes.append(_host("tmp", cleaning.HOST_TEMPORARY, "Directory"))
        volumes.append(_host("var-tmp", cleaning.HOST_KEPT_TEMPORARY, "Directory"))
    if remove & _RUNTIME:
        volumes.append(_host("runtime", site.runtime_socket, "Socket"))
    return volumes


def _host(name: str, path: str, kind: str) -> Manifest:
    return {"name": name, "hostPath": {"path": path, "type": kind}}
