"""What healing has changed, and what people and the chart's hook do about it.

Exists so that tests of what is left behind state only how somebody leaves. Never undoes anything.
"""

from autoglm_api.healingpolicy import HealingPolicy
from chart_accounts import name_of
from healing_objects import Scene
from kubeconfig import Object
from people import Person, Said
from timeline import within

MORE: Object = {
    "action": "ScaleOut",
    "scaleOut": {"maxReplicas": 5, "step": 2, "revertAfter": "23h"},
}
SWITCH = "autoglm-healing"
ON_NODES = ("nodeHealing.enabled=true", "nodeHealing.leaseNamespace.create=false")
MINUTES = within(240)
"""A namespace goes once its pods have, which takes a while on a busy machine."""


def undo(person: Person, scene: Scene, *words: str) -> Said:
    """What the chart's Job runs, in the test's namespace only."""
    return person.types(
        "undo",
        f"--release-namespace={scene.release}",
        f"--deployment={name_of(scene.release)}-healer",
        f"--namespace={scene.namespace}",
        *words,
    )


def replicas(scene: Scene) -> int:
    """How many pods the workload wants."""
    return int(deployment(scene)["spec"]["replicas"])


def deployment(scene: Scene) -> Object:
    """The workload as it is."""
    found = scene.kube.get("Deployment", "web", scene.namespace)
    assert found is not None
    return found


def an_autoscaler(most: int) -> Object:
    """An autoscaler of web that keeps at least two pods, and whose metric nobody serves."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 2,
            "maxReplicas": most,
        },
    }


def autoscaler(scene: Scene) -> Object:
    """The autoscaler as it is."""
    found = scene.kube.get("HorizontalPodAutoscaler", "web", scene.namespace)
    assert found is not None
    return found


def is_marked(obj: Object) -> bool:
    """Whether an object says that it will be changed back."""
    return "autoglm.io/lease" in obj["metadata"].get("annotations", {})


def scaled(scene: Scene, accounts: dict[str, str]) -> str:
    """A run that has scaled the workload out and is over."""
    receiver = scene.kube.as_user(accounts["receiver"])
    policy = scene.make_policy(ladder=[MORE])
    run = scene.start_run(policy, scene.pods.live()[0], by=receiver)
    scene.wants_phase(run, "Succeeded")
    assert replicas(scene) == 4
    return run


def another(scene: Scene, accounts: dict[str, str]) -> str:
    """A run of the same policy for another alert."""
    receiver = scene.kube.as_user(accounts["receiver"])
    policy = HealingPolicy.read(scene.policy())
    return scene.start_run(policy, scene.pods.sicken(), by=receiver, fingerprint="a" * 16)


def switch(scene: Scene) -> Object | None:
    """The switch that pauses everything."""
    return scene.kube.get("ConfigMap", SWITCH, scene.release)
