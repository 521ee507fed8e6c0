"""How far a target is scaled out, and where: the pure half of the action ScaleOut.

The number is written where it is decided: at the resource of ours that owns the workload, at the
autoscaler's bounds if there is one, else at the workload. Refused is whatever more pods cannot
help, or what somebody else would turn back. Never makes a call.

Source of the refusals: the documentation of HorizontalPodAutoscaler and of KEDA's ScaledObject.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from autoglm_api import kinds, labels
from autoglm_api.conditions import Reason
from autoglm_api.healingladder import LadderStep, ScaleOutOptions
from autoglm_api.healingpolicy import Mode
from autoglm_api.healingrun import Intent, IntentVerb, LeaseRecord
from autoglm_api.kinds import Kind
from autoglm_operator.decisions import leases, verification
from autoglm_operator.decisions import target as targets
from autoglm_operator.decisions.guards import mode_of
from autoglm_operator.decisions.healing import Denial, Health, Room, Seen, Sighting
from autoglm_operator.decisions.reading import (
    Manifest,
    condition,
    container_statuses,
    is_ready,
    is_terminating,
    labels_of,
    name_of,
    part,
    parts,
    title,
    uid_of,
    unobserved,
)

CONTINUOUS: Final = re.compile(
    r"argo-?cd|flux|kustomize-controller|helm-controller|fleet|kapp-controller|gitops",
    re.IGNORECASE,
)
"""Field managers that write a desired state again and again. Source: the names that these tools
give themselves."""
STEP_BACK_PERCENT: Final = 25
"""Share of the present pods that one step back removes. Source: maxSurge of a Deployment, for the
same reason: what stays must carry the load meanwhile."""
CRASHES: Final = 3
"""Restarts from which a pod that is not ready counts as crashing. Arbitrary, because a first start
may fail while something else comes up."""


@dataclass(frozen=True, slots=True)
class Dial:
    """Where a kind keeps its number of pods."""

    path: tuple[str, ...]
    default: int

    @property
    def field(self) -> str:
        """The path as a lease names it."""
        return ".".join(self.path)


_DIALS: Final = {
    kinds.DEPLOYMENT: Dial(("spec", "replicas"), 1),
    kinds.STATEFUL_SET: Dial(("spec", "replicas"), 1),
    kinds.AUTOGLM_CLUSTER: Dial(("spec", "executor", "replicas"), 2),
    kinds.MODEL_ENDPOINT: Dial(("spec", "managed", "replicas"), 1),
}
"""Kinds with a scale subresource, and the number that an absent field stands for."""
_OURS: Final = (kinds.AUTOGLM_CLUSTER, kinds.MODEL_ENDPOINT)
_BOUNDS: Final = {
    "spec.minReplicas": Dial(("spec", "minReplicas"), 1),
    "spec.maxReplicas": Dial(("spec", "maxReplicas"), 1),
}


def plan(step: LadderStep, seen: Seen) -> Intent | Denial:
    """Choose the number and where it is written, or say why a scale-out is refused."""
    options = step.scale_out
    if options is None:
        return Denial(Reason.ACTION_REFUSED, "The step has no ceiling: write scaleOut: {...}.")
    scaled = scaled_object(seen.sighting)
    if isinstance(scaled, Denial):
        return scaled
    for check in _CHECKS:
        refusal = check(options, seen, scaled)
        if refusal is not None:
            return refusal
    dialled = seen.sighting.autoscalers[0] if seen.sighting.autoscalers else scaled
    other = leases.foreign_mark(dialled, seen.run)
    if other is not None:
        return Denial(
            Reason.LEASE_HELD,
            f"{title(dialled)} is still raised by HealingRun {other.run}.",
            holds=True,
        )
    chosen = (
        _bounds(options, dialled)
        if seen.sighting.autoscalers
        else _replicas(options, dialled, seen.sighting.room)
    )
    if isinstance(chosen, Denial):
        return chosen
    return _approved(seen, dialled, chosen)


def scaled_object(sighting: Sighting) -> Manifest | Denial:
    """The object whose number of pods decides: a resource of ours, or the workload itself."""
    workload = sighting.workload
    if workload is None:
        return Denial(Reason.NOT_SCALABLE, "The target has no workload that could be scaled out.")
    top = sighting.chain[-1] if sighting.chain else workload
    if kinds.find(top["apiVersion"], top["kind"]) in _OURS:
        refusal = _fixed(top, workload)
        return top if refusal is None else refusal
    above = targets.controller_ref(top)
    if above is not None:
        owner = f"{above['kind']} {above['name']}"
        return _not_scalable(top, f"belongs to {owner}, which would turn it back: scale that")
    if kinds.find(workload["apiVersion"], workload["kind"]) not in _DIALS:
        return _not_scalable(workload, "is of a kind that is not scaled by a number")
    return workload


def _fixed(owner: Manifest, workload: Manifest) -> Denial | None:
    """Why the number of pods of a resource of ours does not change."""
    if owner["kind"] == kinds.MODEL_ENDPOINT.kind:
        if part(owner, "spec", "managed"):
            return None
        return _not_scalable(owner, "is External, so nothing of it runs here")
    role = labels_of(workload).get(labels.ROLE)
    if role == labels.Role.EXECUTOR:
        return None
    return _not_scalable(workload, f"is the {role} of an AutoGLMCluster, which stays as it is")


def is_done(intent: Intent, sighting: Sighting) -> bool:
    """Tell whether the object that was journaled has the number that was journaled."""
    objects = (*sighting.chain, *sighting.autoscalers)
    live = next((each for each in objects if uid_of(each) == intent.object.uid), None)
    field = field_of(intent)
    return live is not None and read(field, live) == wanted(intent)


def lease(step: LadderStep, intent: Intent, seen: Seen, now: datetime) -> LeaseRecord:
    """What the intent changes, and until when."""
    objects = (*seen.sighting.chain, *seen.sighting.autoscalers)
    live = next(each for each in objects if uid_of(each) == intent.object.uid)
    options = step.scale_out
    if options is None:
        raise LookupError("a scale-out without options is refused")
    field = field_of(intent)
    return LeaseRecord(
        object=intent.object,
        field=field,
        previous=str(read(field, live)),
        value=str(wanted(intent)),
        expires=now + options.revert_after,
    )


def step_back(record: LeaseRecord, current: str) -> str:
    """The next lower number on the way to the previous one."""
    now, goal = int(current), int(record.previous)
    return str(max(goal, now - max(1, math.ceil(now * STEP_BACK_PERCENT / 100))))


def field_of(intent: Intent) -> str:
    """Path of the field that an intent writes."""
    if intent.verb is IntentVerb.RAISE_BOUNDS:
        return "spec.minReplicas" if intent.max_replicas is None else "spec.maxReplicas"
    return _DIALS[_kind(intent.object.api_version, intent.object.kind)].field


def wanted(intent: Intent) -> int:
    """The number that an intent writes."""
    numbers = (intent.replicas, intent.min_replicas, intent.max_replicas)
    return next(number for number in numbers if number is not None)


def read(field: str, live: Manifest) -> int:
    """The number that a field of a live object has."""
    dial = _BOUNDS.get(field) or _DIALS[_kind(live["apiVersion"], live["kind"])]
    found = part(live, *dial.path[:-1]).get(dial.path[-1])
    return dial.default if found is None else int(found)


def health(seen: Seen, intent: Intent | None, before: int | None) -> Health:
    """Judge whether the workload serves, and with as many pods as it was to get.

    Args:
        seen: What one look showed.
        intent: The call that was made; None before it.
        before: Pods that were wanted before the call, if that is known.
    """
    found = verification.workload_health(seen.sighting)
    workload = found.evidence.workload if found.evidence is not None else None
    if intent is None or workload is None or not found.healthy:
        return found
    least = intent.replicas or intent.min_replicas or (before or 0) + 1
    if workload.desired >= least:
        return found
    return Health(
        healthy=False,
        message=f"{title(seen.sighting.workload or {})} wants {workload.desired} pods, and has not"
        f" been given {least} yet.",
        evidence=found.evidence,
    )


_Check = Callable[[ScaleOutOptions, Seen, Manifest], Denial | None]


def _stateful(options: ScaleOutOptions, seen: Seen, scaled: Manifest) -> Denial | None:
    if scaled["kind"] != kinds.STATEFUL_SET.kind or options.allow_stateful_set:
        return None
    return _not_scalable(
        scaled,
        "is a StatefulSet, whose new members need storage and may change a quorum: set"
        " scaleOut.allowStatefulSet: true if they may",
    )


def _autoscaled_elsewhere(options: ScaleOutOptions, seen: Seen, scaled: Manifest) -> Denial | None:
    scalers = seen.sighting.autoscalers
    if len(scalers) > 1:
        names = ", ".join(sorted(name_of(each) for each in scalers))
        return Denial(
            Reason.AUTOSCALED_ELSEWHERE,
            f"{title(scaled)} has more than one autoscaler, which contradict each other: {names}.",
        )
    for scaler in scalers:
        ref = targets.controller_ref(scaler)
        if ref is not None and ref["kind"] == "ScaledObject":
            return Denial(
                Reason.AUTOSCALED_ELSEWHERE,
                f"The autoscaler of {title(scaled)} belongs to KEDA's ScaledObject {ref['name']},"
                " which would turn it back: raise minReplicaCount or maxReplicaCount there.",
            )
    return None


def _asleep(options: ScaleOutOptions, seen: Seen, scaled: Manifest) -> Denial | None:
    if part(seen.sighting.workload, "spec").get("replicas", 1) > 0:
        return None
    return _not_scalable(scaled, "has been scaled to no pods on purpose, and is not woken")


def _rolling_out(options: ScaleOutOptions, seen: Seen, scaled: Manifest) -> Denial | None:
    workload = seen.sighting.workload or scaled
    status = part(workload, "status")
    total = status.get("replicas", 0)
    if not unobserved(workload) and status.get("updatedReplicas", 0) >= total:
        return None
    return Denial(Reason.ROLLOUT_IN_PROGRESS, f"{title(workload)} is being rolled out.", holds=True)


def _stuck_pods(options: ScaleOutOptions, seen: Seen, scaled: Manifest) -> Denial | None:
    for pod in seen.sighting.pods:
        if is_terminating(pod) or is_ready(pod):
            continue
        name = name_of(pod)
        if condition(pod, "PodScheduled").get("status") == "False":
            return Denial(
                Reason.NO_CAPACITY,
                f"Pod {name} finds no node already, so more pods would wait with it.",
            )
        if part(pod, "status").get("phase") == "Pending":
            return Denial(
                Reason.NO_CAPACITY, f"Pod {name} has not started yet, so more would not help now."
            )
        if any(_crashes(status) for status in container_statuses(pod)):
            return Denial(
                Reason.NOT_SCALABLE,
                f"Pod {name} keeps crashing, and so would more of its kind.",
            )
    return None


def _no_room(options: ScaleOutOptions, seen: Seen, scaled: Manifest) -> Denial | None:
    room = seen.sighting.room
    if room is None or room.pods > 0:
        return None
    return Denial(
        Reason.NO_CAPACITY,
        f"No further pod of {title(scaled)} would fit into {room.limit}: add capacity first.",
    )


_CHECKS: Final[tuple[_Check, ...]] = (
    _stateful,
    _autoscaled_elsewhere,
    _asleep,
    _stuck_pods,
    _rolling_out,
    _no_room,
)


def _replicas(options: ScaleOutOptions, scaled: Manifest, room: Room | None) -> Intent | Denial:
    dial = _DIALS[_kind(scaled["apiVersion"], scaled["kind"])]
    now = read(dial.field, scaled)
    if now >= options.max_replicas:
        return _at_ceiling(scaled, f"{now} pods", options)
    more = _more(options, now)
    if room is not None:
        more = min(more, room.pods)
    return Intent(
        verb=IntentVerb.SCALE,
        object=targets.reference(scaled),
        replicas=min(now + more, options.max_replicas),
    )


def _bounds(options: ScaleOutOptions, scaler: Manifest) -> Intent | Denial:
    """Raise the lower bound, or the upper one if the autoscaler has come up against it."""
    low, high = read("spec.minReplicas", scaler), read("spec.maxReplicas", scaler)
    status = part(scaler, "status")
    now = max(int(status.get("currentReplicas", 0)), int(status.get("desiredReplicas", 0)), low)
    goal = min(now + _more(options, now), options.max_replicas)
    where = targets.reference(scaler)
    if now >= high:
        if goal <= high:
            return _at_ceiling(scaler, f"maxReplicas {high}", options)
        return Intent(verb=IntentVerb.RAISE_BOUNDS, object=where, max_replicas=goal)
    goal = min(goal, high)
    if goal <= low:
        return _at_ceiling(scaler, f"minReplicas {low}", options)
    return Intent(verb=IntentVerb.RAISE_BOUNDS, object=where, min_replicas=goal)


def _approved(seen: Seen, dialled: Manifest, intent: Intent) -> Intent | Denial:
    """The intent, unless another tool owns the field and nobody is asked."""
    owner = _continuous_owner(dialled, field_of(intent))
    if owner is None or mode_of(seen) is Mode.APPROVE:
        return intent
    return Denial(
        Reason.APPROVAL_NEEDED,
        f"{field_of(intent)} of {title(dialled)} is managed by {owner}, which may turn it back:"
        " set mode: Approve, or take the field out of what it applies.",
    )


def _continuous_owner(obj: Manifest, field: str) -> str | None:
    for entry in parts(obj, "metadata", "managedFields"):
        manager = str(entry.get("manager", ""))
        owned = part(entry, "fieldsV1", *(f"f:{each}" for each in field.split(".")[:-1]))
        if f"f:{field.rpartition('.')[2]}" in owned and CONTINUOUS.search(manager):
            return manager
    return None


def _more(options: ScaleOutOptions, now: int) -> int:
    if options.step.endswith("%"):
        return max(1, math.ceil(now * int(options.step[:-1]) / 100))
    return int(options.step)


def _crashes(status: Manifest) -> bool:
    waiting = part(status, "state", "waiting").get("reason")
    return waiting == "CrashLoopBackOff" or int(status.get("restartCount") or 0) >= CRASHES


def _at_ceiling(obj: Manifest, has: str, options: ScaleOutOptions) -> Denial:
    return Denial(
        Reason.AT_CEILING,
        f"{title(obj)} has {has} already, and scaleOut.maxReplicas allows {options.max_replicas}.",
    )


def _not_scalable(obj: Manifest, why: str) -> Denial:
    return Denial(Reason.NOT_SCALABLE, f"{title(obj)} {why}.")


def _kind(api_version: str, name: str) -> Kind:
    kind = kinds.find(api_version, name)
    if kind is None:
        raise LookupError(f"{api_version} {name} has no number of pods")
    return kind
