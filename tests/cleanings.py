"""Runs that clean a disk: full nodes, Jobs, and what Jobs report."""

from autoglm_api.cleaning import CleaningReport, DiskMeasure, DiskReport
from autoglm_api.healingladder import ActionName, CleanDiskOptions, LadderStep
from autoglm_api.healingrun import (
    HealingRunStatus,
    Intent,
    IntentVerb,
)
from autoglm_operator.actions.cleandisk import CleanDisk
from autoglm_operator.decisions.healing import (
    Actions,
    Seen,
    Sighting,
)
from autoglm_operator.decisions.target import reference
from autoglm_operator.manifests.cleaning import CleaningSite
from episodes import Object, a_node, a_policy, a_run, an_object, seen

MIB = 2**20
STEP = LadderStep(action=ActionName.CLEAN_DISK)
ACTIONS: Actions = {ActionName.CLEAN_DISK: CleanDisk(CleaningSite("jobs", "autoglm:1"))}
POLICY = a_policy(
    target={"kind": "Node", "selector": {"matchLabels": {"pool": "gpu"}}},
    ladder=[{"action": "CleanDisk"}],
    verify={"stabilization": "5s", "timeout": "1m"},
)


def a_full_node(*, pressure: str = "True", **changes: object) -> Object:
    node = a_node(**changes)  # type: ignore[arg-type]
    node["status"]["conditions"].append({"type": "DiskPressure", "status": pressure})
    return node


def sighted(node: Object | None) -> Sighting:
    return Sighting(node=node, chain=(node,) if node else (), key="node-node1")


def a_case(node: Object | None = None, status: HealingRunStatus | None = None) -> Seen:
    run = a_run(policy=POLICY, labels={"node": "node1"})
    run = run.model_copy(update={"status": status or HealingRunStatus()})
    return seen(
        run,
        policy=POLICY,
        sighting=sighted(node or a_full_node()),
        trusted_namespaces=frozenset({"team-a"}),
    )


def an_intent(**changes: object) -> Intent:
    base = Intent(
        verb=IntentVerb.CLEAN,
        object=reference(a_node()),
        job="clean-1",
        clean_disk=CleanDiskOptions(),
    )
    return base.model_copy(update=changes)


def a_disk(
    *, freed_mib: int = 100, inodes: int = 1000, free_inodes: int = 50_000, total: int = 100_000
) -> DiskReport:
    before = DiskMeasure(free_bytes=10 * MIB, free_inodes=free_inodes)
    after = DiskMeasure(free_bytes=(10 + freed_mib) * MIB, free_inodes=free_inodes + inodes)
    return DiskReport(
        path="/var/lib/kubelet",
        total_bytes=1000 * MIB,
        total_inodes=total,
        before=before,
        after=after,
    )


def a_report(*disks: DiskReport, **parts: object) -> CleaningReport:
    return CleaningReport(disks=disks or (a_disk(),)).model_copy(update=parts)


def a_job(ended: str | None = "Complete", message: str = "") -> Object:
    job = an_object("batch/v1", "Job", "clean-1")
    conditions = [{"type": ended, "status": "True", "message": message}] if ended else []
    job["status"] = {"conditions": conditions}
    return job


def a_pod_saying(message: str, *, key: str = "terminated") -> Object:
    pod = an_object("v1", "Pod", "clean-1-x")
    state = {key: {"message": message, "reason": "ErrImagePull"}}
    pod["status"] = {"containerStatuses": [{"state": state}]}
    return pod


def reported(report: CleaningReport) -> list[Object]:
    return [a_pod_saying(report.model_dump_json(by_alias=True))]
