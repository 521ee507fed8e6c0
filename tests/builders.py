"""Builds the objects that tests put into a cluster.

Exists so that a test states only what it is about. Pods are built for Pod Security "restricted"
and end at once when deleted. Never talks to a cluster.
"""

from collections.abc import Mapping, Sequence

from kubeconfig import Object

OF_A_TEST = "autoglm-tests"
"""Marks every namespace of one test, so that what failed ones have left can be found."""

UNPRIVILEGED_ID = 65532
"""User and group of our images, as in images without a shell ("nonroot")."""

RESTRICTED_POD: Object = {
    "runAsNonRoot": True,
    "runAsUser": UNPRIVILEGED_ID,
    "runAsGroup": UNPRIVILEGED_ID,
    "fsGroup": UNPRIVILEGED_ID,
    "seccompProfile": {"type": "RuntimeDefault"},
}

RESTRICTED_CONTAINER: Object = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def an_object(kind: str, name: str, api_version: str = "v1", **fields: object) -> Object:
    """Return an object of any kind; `labels` go into its metadata."""
    metadata: Object = {"name": name}
    if labels := fields.pop("labels", None):
        metadata["labels"] = labels
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def a_namespace(name: str, level: str = "restricted", **labels: str) -> Object:
    """Return a namespace that enforces a level of Pod Security."""
    enforced = {"pod-security.kubernetes.io/enforce": level}
    return an_object("Namespace", name, labels=enforced | labels)


def a_container(
    image: str,
    command: Sequence[str] = (),
    *,
    args: Sequence[str] = (),
    port: int | None = None,
    env: Mapping[str, str] | None = None,
    **fields: object,
) -> Object:
    """Return a restricted container; with a port it is ready once that port answers."""
    container: Object = {
        "name": "main",
        "image": image,
        "securityContext": dict(RESTRICTED_CONTAINER),
        **fields,
    }
    if command:
        container["command"] = list(command)
    if args:
        container["args"] = list(args)
    if env:
        container["env"] = [{"name": name, "value": value} for name, value in env.items()]
    if port is not None:
        container["ports"] = [{"containerPort": port}]
        container.setdefault("readinessProbe", {"tcpSocket": {"port": port}, "periodSeconds": 1})
    return container


def a_pod_spec(container: Object, **fields: object) -> Object:
    """Return a restricted pod spec around one container, without an API token."""
    return {
        "securityContext": dict(RESTRICTED_POD),
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        **fields,
    }


def a_pod(name: str, container: Object, **fields: object) -> Object:
    """Return a pod that is labelled with its name; further fields go into its spec."""
    return an_object("Pod", name, labels={"app": name}, spec=a_pod_spec(container, **fields))


def a_deployment(name: str, container: Object, *, replicas: int = 1, **fields: object) -> Object:
    """Return a Deployment of pods labelled with its name; further fields go into their spec."""
    labels = {"app": name}
    spec: Object = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": a_pod_spec(container, **fields)},
    }
    return an_object("Deployment", name, "apps/v1", spec=spec)


def a_job(name: str, container: Object, **fields: object) -> Object:
    """Return a Job of one pod that is not tried again; further fields go into the pod's spec."""
    spec = a_pod_spec(container, restartPolicy="Never", **fields)
    template: Object = {"metadata": {"labels": {"app": name}}, "spec": spec}
    return an_object("Job", name, "batch/v1", spec={"backoffLimit": 0, "template": template})


def a_job_on_a_claim(name: str, image: str, command: str, claim: str) -> Object:
    """Return a Job whose shell finds a claim's volume at /disk."""
    volume = {"name": "disk", "persistentVolumeClaim": {"claimName": claim}}
    mounts = [a_mount("disk", "/disk")]
    container = a_container(image, ["sh", "-c", command], volumeMounts=mounts)
    return a_job(name, container, volumes=[volume])


def a_service(name: str, port: int, *, app: str | None = None, **fields: object) -> Object:
    """Return a Service for the pods labelled with its name, or with another app's."""
    spec: Object = {"selector": {"app": app or name}, "ports": [{"port": port}], **fields}
    return an_object("Service", name, spec=spec)


def a_claim(name: str, size: str = "16Mi") -> Object:
    """Return a claim on the default StorageClass."""
    spec: Object = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
    }
    return an_object("PersistentVolumeClaim", name, spec=spec)


def a_config_map(name: str, files: Mapping[str, str]) -> Object:
    """Return a ConfigMap that holds text files."""
    return an_object("ConfigMap", name, data=dict(files))


def a_secret(name: str, values: Mapping[str, str]) -> Object:
    """Return an opaque Secret."""
    return an_object("Secret", name, stringData=dict(values))


def an_autoscaler(name: str, *, most: int = 3, cpu_percent: int = 60) -> Object:
    """Return an HPA that scales the Deployment of its name by CPU, and down again soon."""
    target: Object = {"type": "Utilization", "averageUtilization": cpu_percent}
    spec: Object = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicas": 1,
        "maxReplicas": most,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 10}},
    }
    return an_object("HorizontalPodAutoscaler", name, "autoscaling/v2", spec=spec)


def a_disruption_budget(name: str, *, least: int | str = 1) -> Object:
    """Return a PodDisruptionBudget for the pods labelled with its name."""
    spec: Object = {"minAvailable": least, "selector": {"matchLabels": {"app": name}}}
    return an_object("PodDisruptionBudget", name, "policy/v1", spec=spec)


def a_mount(volume: str, path: str) -> Object:
    """Return where a container finds a volume of its pod."""
    return {"name": volume, "mountPath": path}


def an_empty_volume(name: str) -> Object:
    """Return a volume that lives as long as its pod."""
    return {"name": name, "emptyDir": {}}


def a_config_volume(name: str) -> Object:
    """Return a volume that holds the files of the ConfigMap of its name."""
    return {"name": name, "configMap": {"name": name}}


def a_host_volume(name: str, path: str = "/") -> Object:
    """Return a volume that is a folder of the node; Pod Security allows it to few."""
    return {"name": name, "hostPath": {"path": path}}
