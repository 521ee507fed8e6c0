"""The parts that every child object is made of: metadata, restricted pods, Deployments, Services.

Every pod built here satisfies Pod Security "restricted", carries no API token and gets no
environment from the Services around it. Never knows what a role or an engine is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autoglm_api import kinds
from autoglm_api.pods import PodOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoglm_api.kinds import Kind

Manifest = dict[str, Any]

# The user and group of our images: "nonroot" of images without a shell.
UNPRIVILEGED_ID = 65532
# Below this number of pods a disruption budget would only block node drains.
BUDGET_FROM_REPLICAS = 2


@dataclass(frozen=True, slots=True)
class Images:
    """References of the images that pods run.

    Attributes:
        autoglm: Our own Python image, entrypoint `autoglm`.
        haproxy: HAProxy of the router pods.
        valkey: Valkey of the store.
        pull_policy: When the kubelet pulls; empty leaves it to Kubernetes.
    """

    autoglm: str
    haproxy: str
    valkey: str
    pull_policy: str = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """The custom resource that its children belong to."""

    kind: Kind
    namespace: str
    name: str
    uid: str

    def reference(self) -> Manifest:
        """The controller reference by which Kubernetes collects the children."""
        return {
            "apiVersion": self.kind.api_version,
            "kind": self.kind.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }


@dataclass(frozen=True, slots=True)
class Pods:
    """What the pods of one workload are.

    Attributes:
        labels: Labels of the pods; they contain the selector.
        containers: Built by `container`.
        init_containers: Native sidecars and what runs before.
        volumes: Volumes of the pod.
        annotations: Annotations of the pods; a change rolls them.
        options: What the user said about placement.
        grace_seconds: Time to end after SIGTERM.
        more: Further fields of the pod's spec in Kubernetes' spelling; empty ones are left out.
    """

    labels: Mapping[str, str]
    containers: Sequence[Manifest]
    init_containers: Sequence[Manifest] = ()
    volumes: Sequence[Manifest] = ()
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    options: PodOptions = field(default_factory=PodOptions)
    grace_seconds: int = 30
    more: Mapping[str, object] = field(default_factory=dict[str, object])


def child(kind: Kind, owner: Owner, name: str, labels: Mapping[str, str]) -> Manifest:
    """The head of a child object: identity, labels and owner."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {
            "name": name,
            "namespace": owner.namespace,
            "labels": dict(labels),
            "ownerReferences": [owner.reference()],
        },
    }


def pod_security() -> Manifest:
    """The pod's part of Pod Security "restricted"."""
    return {
        "runAsNonRoot": True,
        "runAsUser": UNPRIVILEGED_ID,
        "runAsGroup": UNPRIVILEGED_ID,
        "fsGroup": UNPRIVILEGED_ID,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Manifest:
    """The container's part of Pod Security "restricted", and a read-only root file system."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container(
    name: str,
    image: str,
    *,
    pull_policy: str = "",
    options: PodOptions | None = None,
    **more: object,
) -> Manifest:
    """A restricted container.

    Args:
        name: Name inside the pod.
        image: Reference of the image.
        pull_policy: When to pull; empty leaves it to Kubernetes.
        options: The user's resources, if this container is the one that they are meant for.
        **more: Further fields in Kubernetes' spelling, such as args, env, ports and probes.
    """
    built: Manifest = {
        "name": name,
        "image": image,
        "securityContext": container_security(),
        **{key: value for key, value in more.items() if value},
    }
    if pull_policy:
        built["imagePullPolicy"] = pull_policy
    resources = options.resources.as_json() if options is not None else {}
    resources = {key: value for key, value in resources.items() if value}
    if resources:
        built["resources"] = resources
    return built


def slept(seconds: int) -> Manifest:
    """A lifecycle whose end waits, so that nobody sends the pod anything new when it ends."""
    return {"preStop": {"sleep": {"seconds": seconds}}}


def http_probe(path: str, port: int | str, **more: int) -> Manifest:
    """A probe by HTTP; further fields such as periodSeconds in Kubernetes' spelling."""
    return {"httpGet": {"path": path, "port": port}, **more}


def env(**values: str) -> list[Manifest]:
    """Environment variables, in a stable order."""
    return [{"name": name, "value": value} for name, value in sorted(values.items())]


def secret_env(name: str, secret: str, key: str) -> Manifest:
    """An environment variable from a Secret; the pod starts only once the key exists."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def field_env(name: str, field_path: str) -> Manifest:
    """An environment variable from the downward API."""
    return {
        "name": name,
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": field_path}},
    }


def pod_template(pods: Pods) -> Manifest:
    """A pod template without API token."""
    options = pods.options
    spec: Manifest = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(),
        "terminationGracePeriodSeconds": pods.grace_seconds,
        "containers": list(pods.containers),
    }
    if pods.init_containers:
        spec["initContainers"] = list(pods.init_containers)
    if pods.volumes:
        spec["volumes"] = list(pods.volumes)
    if options.node_selector:
        spec["nodeSelector"] = dict(options.node_selector)
    if options.tolerations:
        spec["tolerations"] = [each.as_json() for each in options.tolerations]
    spec |= {key: value for key, value in pods.more.items() if value}
    metadata: Manifest = {"labels": dict(pods.labels)}
    if pods.annotations:
        metadata["annotations"] = dict(pods.annotations)
    return {"metadata": metadata, "spec": spec}


def spread(selector: Mapping[str, str]) -> list[Manifest]:
    """Prefer different nodes for the pods of one workload, without ever refusing to run one."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(selector)},
        }
    ]


def deployment(
    owner: Owner,
    name: str,
    *,
    labels: Mapping[str, str],
    selector: Mapping[str, str],
    replicas: int | None,
    pods: Pods,
) -> Manifest:
    """A Deployment that replaces pods without losing capacity.

    Args:
        owner: Controller of the Deployment.
        name: Its name.
        labels: Its own labels.
        selector: Labels that select its pods; they can never change.
        replicas: Number of pods; None leaves it to whoever owns the field.
        pods: The pods.
    """
    built = child(kinds.DEPLOYMENT, owner, name, labels)
    template = pod_template(pods)
    template["spec"]["topologySpreadConstraints"] = spread(selector)
    built["spec"] = {
        "selector": {"matchLabels": dict(selector)},
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        },
        "revisionHistoryLimit": 3,
        "template": template,
    }
    if replicas is not None:
        built["spec"]["replicas"] = replicas
    return built


def service(
    owner: Owner,
    name: str,
    *,
    labels: Mapping[str, str],
    selector: Mapping[str, str],
    ports: Mapping[str, tuple[int, int | str]],
) -> Manifest:
    """A ClusterIP Service.

    Args:
        owner: Controller of the Service.
        name: Its name.
        labels: Its own labels.
        selector: Labels of the pods behind it.
        ports: Service port and pod port (its number or name) by name.
    """
    built = child(kinds.SERVICE, owner, name, labels)
    built["spec"] = {
        "type": "ClusterIP",
        "selector": dict(selector),
        "ports": [
            {"name": each, "port": port, "targetPort": target, "protocol": "TCP"}
            for each, (port, target) in ports.items()
        ],
    }
    return built


def disruption_budget(
    owner: Owner, name: str, *, labels: Mapping[str, str], selector: Mapping[str, str]
) -> Manifest:
    """A budget that lets one pod go at a time, and broken ones always."""
    built = child(kinds.POD_DISRUPTION_BUDGET, owner, name, labels)
    built["spec"] = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": dict(selector)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return built
