"""The checklist before every action: what ends a run without one, and what holds it.

Each guard is one question with one answer: why not, or None. They are asked in the order of
`ENDING` and `HOLDING`, and the first denial wins. Guards never look anything up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from autoglm_api.conditions import Reason
from autoglm_api.healingpolicy import Mode, TargetKind
from autoglm_api.healingrun import Intent, IntentVerb, RunTarget
from autoglm_operator.decisions import target as targets
from autoglm_operator.decisions.healing import Denial, Seen
from autoglm_operator.decisions.reading import Manifest, is_terminating, name_of, title, uid_of


@dataclass(frozen=True, slots=True)
class Case:
    """One run before one step of its ladder."""

    seen: Seen
    target: RunTarget | Denial
    """What the alert led to when it was first looked up, or why to nothing."""
    intended: Intent | Denial
    """What the action would do, or why it refuses."""
    now: datetime


Guard = Callable[[Case], Denial | None]


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
    """Another open run has the same target and acts already, or is older."""
    run = case.seen.run
    mine = (run.metadata.creation_timestamp or "", run.metadata.name)
    for other in case.seen.others:
        if other.is_open and (other.begun or (other.created, other.name) < mine):
            return Denial(
                Reason.DUPLICATE, f"HealingRun {other.name} for the same target is still open."
            )
    return None


def dry_run(case: Case) -> Denial | None:
    """The policy says that nothing is done, or said so when the alert arrived."""
    run, live = case.seen.run, case.seen.policy
    if run.spec.policy.mode is Mode.ENFORCE and (live is None or live.spec.mode is Mode.ENFORCE):
        return None
    return Denial(Reason.DRY_RUN, f"{_would(case.intended)}; set mode: Enforce to act.")


def admission_missing(case: Case) -> Denial | None:
    """Nothing proves that the healer could not do more than it may."""
    if case.seen.admission_proven:
        return None
    return Denial(
        Reason.ADMISSION_MISSING,
        "The admission policies that bound the healer are not in force: install them"
        " with the chart.",
    )


def policy_unusable(case: Case) -> Denial | None:
    """The policy cannot be used as it stands, which its status says as well."""
    return case.seen.policy_problem


def paused_everywhere(case: Case) -> Denial | None:
    """Somebody stopped all healing."""
    why = case.seen.pauses.everywhere
    return None if why is None else Denial(Reason.PAUSED, why)


def paused_in_namespace(case: Case) -> Denial | None:
    """Somebody stopped healing in the namespace."""
    if not case.seen.pauses.namespace:
        return None
    return Denial(Reason.PAUSED, "The namespace is paused by its label autoglm.io/healing=paused.")


def paused_by_policy(case: Case) -> Denial | None:
    """Somebody paused the policy."""
    live = case.seen.policy
    if live is None or not live.spec.paused:
        return None
    return Denial(Reason.PAUSED, f"HealingPolicy {live.metadata.name} is paused.")


def cooldown_running(case: Case) -> Denial | None:
    """The policy acted on this target a short while ago."""
    live = case.seen.policy
    acted = [
        other.acted_at
        for other in case.seen.others
        if other.acted_at is not None and other.policy_uid == case.seen.run.spec.policy.uid
    ]
    if live is None or not acted:
        return None
    until = max(acted) + live.spec.guards.cooldown
    if case.now >= until:
        return None
    return Denial(
        Reason.COOLDOWN_RUNNING,
        f"The policy acted on this target recently; it waits until {_shown(until)}.",
    )


ENDING: Final[tuple[Guard, ...]] = (
    policy_deleted,
    target_not_allowed,
    target_gone,
    target_not_selected,
    target_changed,
    duplicate,
    dry_run,
)
"""What ends a run without an action."""

HOLDING: Final[tuple[Guard, ...]] = (
    admission_missing,
    policy_unusable,
    paused_everywhere,
    paused_in_namespace,
    paused_by_policy,
    cooldown_running,
)
"""What holds a run; it is looked at again until its maxWait has passed."""

UNDER_WAY: Final[tuple[Guard, ...]] = (
    admission_missing,
    paused_everywhere,
    paused_in_namespace,
    paused_by_policy,
)
"""What holds a call that was journaled but perhaps never made."""


def first_denial(guards: tuple[Guard, ...], case: Case) -> Denial | None:
    """The answer of the first guard that denies."""
    return next((denial for guard in guards if (denial := guard(case)) is not None), None)


def _remembered(case: Case) -> Manifest | None:
    """What must still be there: the target before the first step, its workload after one."""
    return targets.remembered(case.seen.run, case.seen.sighting)


def _would(intended: Intent | Denial) -> str:
    if isinstance(intended, Denial):
        return f"Nothing would be done: {intended.message.rstrip('.')}"
    did = "evicted" if intended.verb is IntentVerb.EVICT else "restarted pod by pod"
    return f"{intended.object.kind} {intended.object.name} would be {did}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%H:%M:%SZ")
