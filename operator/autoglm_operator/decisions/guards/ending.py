"""What ends a run without an action: nobody would want it any more, or never did."""

from datetime import datetime

from autoglm_api.conditions import Reason
from autoglm_api.healingpolicy import Mode, TargetKind
from autoglm_api.healingrun import AlertSource, Intent, IntentVerb
from autoglm_operator.decisions import journal
from autoglm_operator.decisions import target as targets
from autoglm_operator.decisions.guards.approvals import mode_of
from autoglm_operator.decisions.guards.case import Case
from autoglm_operator.decisions.healing import Denial, OtherRun
from autoglm_operator.decisions.reading import (
    Manifest,
    is_ready,
    is_terminating,
    name_of,
    title,
    uid_of,
)


def policy_deleted(case: Case) -> Denial | None:
    """The policy that allowed the run is gone, even if another has its name."""
    copy, live = case.seen.run.spec.policy, case.seen.policy
    if live is not None and live.metadata.uid == copy.uid:
        return None
    return Denial(Reason.POLICY_DELETED, f"HealingPolicy {copy.name} of this run was deleted.")


def target_gone(case: Case) -> Denial | None:
    """The alert names nothing that exists, or what it named has vanished."""
    if isinstance(case.target, Denial):
        return case.target
    if _remembered(case) is not None:
        return None
    return Denial(Reason.TARGET_GONE, f"{case.target.kind} {case.target.name} does not exist.")


def target_changed(case: Case) -> Denial | None:
    """Another object has taken the name since, so the alert was about a predecessor."""
    live = _remembered(case)
    if isinstance(case.target, Denial) or live is None:
        return None
    workload = case.target.workload if case.seen.run.status.steps else None
    if uid_of(live) != (workload or case.target).uid:
        return Denial(Reason.TARGET_CHANGED, f"{title(live)} was made anew since the run began.")
    pod = case.seen.sighting.pod
    if case.seen.run.status.steps or pod is None:
        return None
    if _moment(pod["metadata"]["creationTimestamp"]) > case.seen.run.spec.alert.starts_at:
        return Denial(
            Reason.TARGET_CHANGED,
            f"Pod {name_of(pod)} is newer than the alert, which was about another one.",
        )
    if is_terminating(pod):
        return Denial(Reason.TARGET_CHANGED, f"Pod {name_of(pod)} is being deleted already.")
    return None


def target_not_allowed(case: Case) -> Denial | None:
    """The target lies where nothing is ever healed, or where this policy has no say."""
    run = case.seen.run
    own = run.metadata.namespace
    if run.spec.policy.target.kind is TargetKind.NODE:
        return _node_not_allowed(case)
    source = run.spec.policy.target.source.namespace_label
    named = run.spec.alert.labels.get(source)
    if named is not None and named != own:
        return Denial(
            Reason.TARGET_NOT_ALLOWED,
            f"The alert names namespace {named}, but a policy acts only in its own, {own}.",
        )
    if own in case.seen.protected_namespaces:
        return Denial(
            Reason.TARGET_NOT_ALLOWED, f"Nothing is healed in the protected namespace {own}."
        )
    return None


def _node_not_allowed(case: Case) -> Denial | None:
    """A node is everybody's, so only namespaces that the admin listed may act on one."""
    own = case.seen.run.metadata.namespace
    if own in case.seen.trusted_namespaces:
        return None
    return Denial(
        Reason.TARGET_NOT_ALLOWED,
        f"Policies of namespace {own} may not act on nodes: an administrator must add it to the"
        " chart's trustedNamespaces.",
    )


def target_not_selected(case: Case) -> Denial | None:
    """The target does not carry the labels that the policy asks for."""
    found = targets.live_target(case.seen.run, case.seen.sighting)
    if found is None or targets.is_selected(case.seen.run.spec.policy.target, found):
        return None
    return Denial(
        Reason.TARGET_NOT_SELECTED,
        f"{title(found)} lacks labels of the policy's selector.",
    )


def duplicate(case: Case) -> Denial | None:
    """Another open run has the same target and acts already, or is older and no less urgent.

    So has one that ended, if it acted since this one was made and this one's pod is well: two
    alerts about one workload were answered at once.
    """
    run = case.seen.run
    mine = (run.metadata.creation_timestamp or "", run.metadata.name)
    for other in case.seen.others:
        if not other.is_open:
            if _has_acted_since(case, other):
                return Denial(
                    Reason.DUPLICATE,
                    f"HealingRun {other.name} acted on the target since this run was made, and the"
                    " pod that its alert named is well.",
                )
            continue
        if other.begun or ((other.created, other.name) < mine and not is_more_urgent(case, other)):
            return Denial(
                Reason.DUPLICATE, f"HealingRun {other.name} for the same target is still open."
            )
    return None


def _has_acted_since(case: Case, other: OtherRun) -> bool:
    run, named = case.seen.run, case.seen.sighting.pod
    created = run.metadata.creation_timestamp
    if named is None or not is_ready(named) or run.status.steps or created is None:
        return False
    same = other.policy_uid == run.spec.policy.uid
    return same and other.acted_at is not None and other.acted_at > _moment(created)


def is_more_urgent(case: Case, other: OtherRun) -> bool:
    """Whether this run's alert named a pod that is sick, and the other's one that is well."""
    named = case.seen.sighting.pod
    mine = named is not None and not is_ready(named)
    return mine and _is_well(case, other.pod)


def _is_well(case: Case, pod: str) -> bool:
    """Whether the pod of this name is there and ready."""
    return any(name_of(each) == pod and is_ready(each) for each in case.seen.sighting.pods)


def alert_resolved(case: Case) -> Denial | None:
    """The alert fires no more, and nothing was done yet that could be the cause.

    An episode of flat events ends by their absence alone, which makes no run.
    """
    run = case.seen.run
    if case.seen.news.firing is not False or run.spec.alert.source is AlertSource.EVENT:
        return None
    # An alert about a pod resolves when the pod is replaced, whether or not that helped.
    if journal.has_acted(run.status):
        return None
    return Denial(
        Reason.ALERT_RESOLVED,
        f"Alert {run.spec.alert.name} fires no more at any Alertmanager of alertmanager.urls.",
    )


def dry_run(case: Case) -> Denial | None:
    """The policy says that nothing is done, or said so when the alert arrived."""
    if mode_of(case.seen) is not Mode.DRY_RUN:
        return None
    return Denial(Reason.DRY_RUN, f"{would(case.intended)}; set mode: Enforce to act.")


def would(intended: Intent | Denial) -> str:
    """What a step would do, as the beginning of a sentence."""
    if isinstance(intended, Denial):
        return f"Nothing would be done: {intended.message.rstrip('.')}"
    return f"{intended.object.kind} {intended.object.name} would be {_done(intended)}"


def _done(intended: Intent) -> str:
    if intended.verb is IntentVerb.SCALE:
        return f"scaled to {intended.replicas} replicas"
    if intended.verb is IntentVerb.RAISE_BOUNDS:
        bounds = {"minReplicas": intended.min_replicas, "maxReplicas": intended.max_replicas}
        said = (f"{name} {bound}" for name, bound in bounds.items() if bound is not None)
        return f"given {' and '.join(said)}"
    return {
        IntentVerb.EVICT: "evicted",
        IntentVerb.ROLL_OUT: "restarted pod by pod",
        IntentVerb.CLEAN: "cleaned",
        IntentVerb.QUARANTINE: "quarantined",
        IntentVerb.DRAIN: "drained",
        IntentVerb.NOTIFY: "reported",
    }[intended.verb]


def _remembered(case: Case) -> Manifest | None:
    """What must still be there: the target before the first step, its workload after one."""
    return targets.remembered(case.seen.run, case.seen.sighting)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
