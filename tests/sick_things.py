"""Things that are sick in one known way each, so that one known alert rule fires.

Exists so that a stage says only what it puts where. Pure: builds objects, never talks to a cluster.
"""

from typing import Any

from builders import a_claim, a_container, a_deployment, a_mount, an_empty_volume, an_object
from kubeconfig import Object

GROUP = "autoglm.io/v1alpha1"
DONE = "/tmp/done"  # noqa: S108 - the pod's own
FREE_INODES_PERCENT = 7
"""The rules fire below 10, the kubelet evicts below 5."""

HOARD = f"""
import os, pathlib, time
root = pathlib.Path("/data/hoard")
def free():
    seen = os.statvfs("/data")
    return seen.f_ffree - seen.f_files * {FREE_INODES_PERCENT} // 100
folder = 0
while (left := free()) > 0:
    folder += 1
    inside = root / str(folder)
    inside.mkdir(parents=True)
    for number in range(min(left, 10_000)):
        os.symlink("x", inside / str(number))
pathlib.Path("{DONE}").touch()
print("few inodes are free", flush=True)
time.sleep(3600)
"""
"""Short links take an inode each and no space."""


def crashing(image: str) -> Object:
    """It ends at every start and is never ready."""
    command = shell("echo ending; sleep 2; exit 3")
    return labelled(a_deployment("crash", a_container(image, command, **NEVER)))


def hanging(image: str) -> Object:
    """It lives and is never ready."""
    return a_deployment("hang", a_container(image, shell("echo waiting; sleep 3600"), **NEVER))


def hungry(image: str) -> Object:
    """It wants more memory than it may have."""
    limits = {"limits": {"memory": "24Mi"}, "requests": {"memory": "24Mi"}}
    eating = shell("echo eating; exec tail /dev/zero")
    return a_deployment("hungry", a_container(image, eating, resources=limits))


def busy(image: str) -> Object:
    """It uses all the CPU that it may."""
    resources = {"requests": {"cpu": "20m"}, "limits": {"cpu": "60m"}}
    loop = a_container(image, shell("while :; do :; done"), resources=resources)
    return labelled(a_deployment("busy", loop))


def hoarding(image: str, claim: str, busybox: str) -> Object:
    """It takes nearly all inodes of its volume, and is ready then.

    As a critical pod it survives the pressure on the disk that follows, so that its volume is still
    measured. A container with a shell stands beside, for people who look; ours has none.
    """
    ready = {
        "exec": {"command": ["python3", "-c", f"import os; os.stat('{DONE}')"]},
        "periodSeconds": 3,
        "timeoutSeconds": 3,
    }
    mounts = [a_mount("data", "/data"), a_mount("tmp", "/tmp")]  # noqa: S108 - the pod's own
    container = a_container(
        image, ["python3", "-c", HOARD], volumeMounts=mounts, readinessProbe=ready
    )
    volumes = [
        {"name": "data", "persistentVolumeClaim": {"claimName": claim}},
        an_empty_volume("tmp"),
    ]
    deployment = a_deployment(
        "hoarding",
        a_container(busybox, ["sleep", "3600"], volumeMounts=mounts),
        volumes=volumes,
        priorityClassName="system-node-critical",
        tolerations=[{"operator": "Exists"}],  # its node takes no other pods
    )
    deployment["spec"]["template"]["spec"]["containers"].append(container | {"name": "hoarder"})
    return deployment


def a_claim_of_the_nodes_disk(name: str) -> Object:
    """A claim for a volume of type local: the kubelet measures none of type hostPath."""
    claim = a_claim(name)
    claim["metadata"]["annotations"] = {"volumeType": "local"}
    return claim


def an_external_endpoint(name: str, url: str) -> Object:
    """A model endpoint of somebody else that is asked often."""
    spec: Object = {
        "type": "External",
        "model": "glm-4.6",
        "external": {"baseURL": url},
        "healthCheck": {"interval": "5s", "timeout": "1s", "failureThreshold": 1},
    }
    return an_object("ModelEndpoint", name, GROUP, spec=spec)


def a_double(name: str) -> Object:
    """A model endpoint of one simulator."""
    spec: Object = {
        "type": "Managed",
        "model": "glm-4.6",
        "managed": {"engine": "Simulator", "replicas": 1},
        "healthCheck": {"interval": "5s"},
    }
    return an_object("ModelEndpoint", name, GROUP, spec=spec)


def a_small_cluster(name: str, *upstreams: str) -> Object:
    """One of each role, with these endpoints."""
    spec: Object = {
        "upstreams": [{"name": each, "endpointRef": {"name": each}} for each in upstreams],
        "router": {"replicas": 1},
        "planner": {"replicas": 1},
        "executor": {"replicas": 1},
        "sessions": {"store": {"type": "Embedded", "embedded": {"storage": "64Mi"}}},
    }
    return an_object("AutoGLMCluster", name, GROUP, spec=spec)


def a_policy(name: str, alert: str, app: str, **parts: object) -> Object:
    """A policy that acts on the workload labelled with `app`; `parts` replace those of its spec."""
    spec: Object = {
        "mode": "Enforce",
        "alerts": [{"matchers": [{"name": "alertname", "value": alert}]}],
        "target": {"kind": "Workload", "selector": {"matchLabels": {"app": app}}},
        "ladder": [{"action": "Restart", "restart": {"scope": "Pod"}}],
        "verify": {"stabilization": "2s", "timeout": "6s"},
        **parts,
    }
    return an_object("HealingPolicy", name, GROUP, spec=spec)


def more_of_the_busy() -> Object:
    """Raises the maximum of the busy workload's autoscaler once, as a change that is undone."""
    target = {
        "kind": "Workload",
        "from": {"nameLabel": "deployment"},
        "selector": {"matchLabels": {"app": "busy"}},
    }
    step = {"action": "ScaleOut", "scaleOut": {"step": "1", "maxReplicas": 3, "revertAfter": "1h"}}
    return a_policy("more", "KubeHpaMaxedOut", "busy", target=target, ladder=[step])


NEVER: dict[str, Any] = {"readinessProbe": {"exec": {"command": ["false"]}, "periodSeconds": 2}}


def shell(script: str) -> list[str]:
    """A command of a shell."""
    return ["sh", "-c", script]


def labelled(deployment: Object) -> Object:
    """The same with its name as a label, by which a policy selects it."""
    deployment["metadata"]["labels"] = {"app": deployment["metadata"]["name"]}
    return deployment
