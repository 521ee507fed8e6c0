"""Which alerts the stage of the rules must raise, and what their labels must say.

Exists so that the test that waits for them and the one that follows their runbooks mean the same.
Never waits.
"""

from dataclasses import dataclass, field

import cluster_prometheus
from cluster_prometheus import Firing
from demo import stage
from rules_stage import CLAIM, CLUSTER, SICK, RulesStage

IN_SICK = {"namespace": SICK}
OF_CLAIM = {**IN_SICK, "persistentvolumeclaim": CLAIM}
FROZEN = "AutoGLMHealingFrozen"
"""Fires before anything else is sick: the healer can ask no Alertmanager."""


@dataclass(frozen=True)
class Expected:
    """An alert, and what its labels must say."""

    name: str
    labels: dict[str, str] = field(default_factory=dict[str, str])
    pod: str = ""
    """How the name in the label pod begins."""
    of_the_ill_node: bool = False

    def seen(self, scene: RulesStage) -> Firing | None:
        """The first time that it fired about the right thing; None if it has not yet."""
        wanted = self.labels | ({"node": scene.ill} if self.of_the_ill_node else {})
        fitting = [
            alert
            for alert in cluster_prometheus.fired(self.name, scene.began)
            if wanted.items() <= alert.labels.items()
            and alert.labels.get("pod", "").startswith(self.pod)
        ]
        return min(fitting, key=lambda alert: alert.since, default=None)


AFTER_FAULTS = (
    Expected("Watchdog"),
    Expected("ModelEndpointDown", {**IN_SICK, "endpoint": "vendor"}),
    Expected("KubePodOOMKilled", {**IN_SICK, "container": "main"}, "hungry-"),
    Expected("KubePodNotReady", IN_SICK, "hang-"),
    Expected("KubePodCrashLooping", {**IN_SICK, "container": "main"}, "crash-"),
    Expected("AutoGLMReceiverStoreFailures", {"outcome": "Refused"}),
    Expected("AutoGLMHealingEscalated", {"outcome": "Escalated"}),
    Expected("AutoGLMHealingHeld", {"reason": "CooldownRunning"}),
    Expected("AutoGLMExecutorQueueLong", IN_SICK, f"{CLUSTER}-executor-"),
    Expected(
        "KubeHpaMaxedOut", {**IN_SICK, "horizontalpodautoscaler": "busy", "deployment": "busy"}
    ),
    Expected("NodeFilesystemAlmostOutOfFiles", {"mountpoint": "/"}, of_the_ill_node=True),
    Expected("NodeFilesystemAlmostOutOfSpace", {"mountpoint": "/"}, of_the_ill_node=True),
    Expected("KubeNodeDiskPressure", of_the_ill_node=True),
    Expected("KubePersistentVolumeFillingUp", OF_CLAIM),
    Expected("KubePersistentVolumeInodesFillingUp", OF_CLAIM),
    Expected("KubeNodeNotReady", of_the_ill_node=True),
    Expected("KubeNodeUnreachable", of_the_ill_node=True),
    Expected("HighCPUUsage", IN_SICK, "busy-"),
)
STOPPED = {
    component: Expected(
        f"AutoGLM{component.capitalize()}Down",
        {"namespace": stage.SYSTEM, "deployment": f"{stage.RELEASE}-{component}"},
    )
    for component in ("operator", "receiver", "healer")
}
"""When our own processes are scaled to nothing."""
