"""Which object an alert means, and which of its controllers counts.

Labels of an alert are hints by somebody who may be wrong or lie: whatever they name must exist, lie
in the policy's namespace and carry the policy's labels. Never looks anything up.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from autoglm_api import kinds
from autoglm_api.conditions import Reason
from autoglm_api.healingpolicy import HealingTarget, TargetKind
from autoglm_api.healingrun import AlertSource, HealingRun, ObjectRef, RunTarget
from autoglm_api.kinds import Kind
from autoglm_operator.decisions.healing import Denial, Sighting
from autoglm_operator.decisions.reading import Manifest, labels_of, parts, uid_of

WORKLOADS: Final = (kinds.DEPLOYMENT, kinds.STATEFUL_SET, kinds.DAEMON_SET)
"""What rolls its pods over by itself."""

_NAMED_BY_LABEL: Final[Mapping[str, Kind]] = {
    "deployment": kinds.DEPLOYMENT,
    "statefulset": kinds.STATEFUL_SET,
    "daemonset": kinds.DAEMON_SET,
}
"""Source: the labels of kube-state-metrics."""

_NAMED_BY_TARGET: Final[Mapping[TargetKind, Kind]] = {
    TargetKind.MODEL_ENDPOINT: kinds.MODEL_ENDPOINT,
    TargetKind.NODE: kinds.NODE,
    TargetKind.PERSISTENT_VOLUME_CLAIM: kinds.PERSISTENT_VOLUME_CLAIM,
}

INSTANCE: Final = "instance"
"""The only label of a flat event that names anything: the address of a node or of a pod."""
_ADDRESSED: Final = (TargetKind.NODE, TargetKind.POD, TargetKind.WORKLOAD)


def named(run: HealingRun) -> tuple[Kind, str]:
    """Kind and name of the object that the alert's label names; the name may be empty.

    The name of a node may be one of its addresses, and that of the pod of a flat event is its
    address, see `is_addressed`.
    """
    label = label_of(run)
    found = _NAMED_BY_TARGET.get(run.spec.policy.target.kind)
    return found or _NAMED_BY_LABEL.get(label, kinds.POD), run.spec.alert.labels.get(label, "")


def label_of(run: HealingRun) -> str:
    """The alert's label that names the target."""
    return INSTANCE if is_addressed(run) else run.spec.policy.target.name_label


def is_addressed(run: HealingRun) -> bool:
    """Whether the alert names its target by an address, as flat events do."""
    source, kind = run.spec.alert.source, run.spec.policy.target.kind
    return source is AlertSource.EVENT and kind in _ADDRESSED


def controller_ref(obj: Manifest) -> Manifest | None:
    """The controller owner reference of an object, None if it has none."""
    refs = parts(obj, "metadata", "ownerReferences")
    return next((ref for ref in refs if ref.get("controller")), None)


def sighted(chain: Sequence[Manifest]) -> Sighting:
    """What a named object and its readable controllers, bottom up, amount to."""
    if not chain:
        return Sighting()
    bottom = chain[0]
    if bottom["kind"] == kinds.NODE.kind:
        return Sighting(node=bottom, chain=(bottom,), key=uid_of(bottom))
    if bottom["kind"] == kinds.PERSISTENT_VOLUME_CLAIM.kind:
        return Sighting(claim=bottom, chain=(bottom,), key=uid_of(bottom))
    pod = bottom if bottom["kind"] == kinds.POD.kind else None
    owners = tuple(chain[1:]) if pod else tuple(chain)
    known = [obj for obj in owners if kinds.find(obj["apiVersion"], obj["kind"]) in WORKLOADS]
    workload = known[0] if known else next(iter(owners), None)
    # The last controller may be of a kind that we cannot read; its UID still tells targets apart.
    beyond = controller_ref(chain[-1])
    key = str(beyond["uid"]) if beyond else uid_of(chain[-1])
    return Sighting(pod=pod, workload=workload, chain=tuple(chain), key=key)


def sighted_endpoint(endpoint: Manifest, deployment: Manifest | None) -> Sighting:
    """What a ModelEndpoint and the Deployment that serves for it amount to."""
    return Sighting(
        endpoint=endpoint,
        workload=deployment,
        chain=(endpoint,) if deployment is None else (deployment, endpoint),
        key=uid_of(endpoint),
    )


def resolve(run: HealingRun, sighting: Sighting) -> RunTarget | Denial:
    """The target of a run that is looked up for the first time, or why there is none."""
    kind, name = named(run)
    if not name:
        return Denial(
            Reason.TARGET_GONE,
            f"The alert has no label {label_of(run)}, so it names no target:"
            " set target.from.nameLabel.",
        )
    if sighting.ambiguous is not None:
        return Denial(Reason.TARGET_AMBIGUOUS, sighting.ambiguous)
    if not sighting.chain:
        return Denial(Reason.TARGET_GONE, f"{kind.kind} {name} does not exist.")
    found = _chosen(run.spec.policy.target, sighting)
    if found is None:
        return Denial(
            Reason.NOT_RESTARTABLE,
            f"{kind.kind} {name} leads to no {run.spec.policy.target.kind} that can be restarted:"
            " set target.kind to what the alert names.",
        )
    # Which Deployment serves for an endpoint changes with its revision.
    lasting = None if sighting.endpoint else sighting.workload
    return RunTarget(
        **dict(reference(found)),
        key=sighting.key,
        pod=reference(sighting.pod) if sighting.pod else None,
        workload=reference(lasting) if lasting else None,
    )


def reference(obj: Manifest) -> ObjectRef:
    """Name exactly this object."""
    return ObjectRef(
        api_version=obj["apiVersion"],
        kind=obj["kind"],
        name=obj["metadata"]["name"],
        uid=obj["metadata"]["uid"],
    )


def live_target(run: HealingRun, sighting: Sighting) -> Manifest | None:
    """The object that carries the labels which the policy's selector asks for, as it is now."""
    return _chosen(run.spec.policy.target, sighting)


def is_selected(target: HealingTarget, obj: Manifest) -> bool:
    """Whether an object carries every label of the selector; an empty selector selects nothing."""
    wanted = target.selector.match_labels
    labels = labels_of(obj)
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def remembered(run: HealingRun, sighting: Sighting) -> Manifest | None:
    """What must still be there: the target before the first step, its workload after one."""
    if run.status.steps and run.spec.policy.target.kind not in _NAMED_BY_TARGET:
        return sighting.workload
    return live_target(run, sighting)


def _chosen(target: HealingTarget, sighting: Sighting) -> Manifest | None:
    if target.kind is TargetKind.POD:
        return sighting.pod
    if target.kind is TargetKind.MODEL_ENDPOINT:
        return sighting.endpoint
    if target.kind is TargetKind.NODE:
        return sighting.node
    if target.kind is TargetKind.PERSISTENT_VOLUME_CLAIM:
        return sighting.claim
    workload = sighting.workload
    if workload and kinds.find(workload["apiVersion"], workload["kind"]) in WORKLOADS:
        return workload
    return None
