"""What holds a run for a while: somebody's will, missing knowledge, or too short a time."""

from datetime import UTC, datetime

from autoglm_api.conditions import Reason
from autoglm_api.healingguards import Silences
from autoglm_operator.decisions import windows
from autoglm_operator.decisions.guards.case import Case
from autoglm_operator.decisions.healing import Denial
from autoglm_operator.decisions.reading import is_ready, is_terminating, name_of


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


def dead_man(case: Case) -> Denial | None:
    """The alert that always fires does not, so nobody knows what is true."""
    why = case.seen.dead_man
    return None if why is None else Denial(Reason.DEAD_MAN, why)


def outside_window(case: Case) -> Denial | None:
    """None of the policy's windows is open."""
    live = case.seen.policy
    if live is None or windows.is_open(live.spec.guards.windows, case.now):
        return None
    return Denial(
        Reason.OUTSIDE_WINDOW,
        f"Outside of the windows of HealingPolicy {live.metadata.name}:"
        f" {windows.shown(live.spec.guards.windows)}.",
    )


def silenced(case: Case) -> Denial | None:
    """Somebody silenced the alert, which says that it needs no attention now."""
    live, why = case.seen.policy, case.seen.news.silence
    if live is None or why is None or live.spec.guards.silences is Silences.IGNORE:
        return None
    return Denial(Reason.SILENCED, f"The alert is silenced in Alertmanager by {why}.")


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


def node_leased(case: Case) -> Denial | None:
    """Somebody else maintains the node."""
    why = case.seen.node_lease
    return None if why is None else Denial(Reason.NODE_LEASED, why)


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%H:%M:%SZ")


def sicker_pod_first(case: Case) -> Denial | None:
    """The alert of another run named a pod that is sick, while this run's is well.

    Alerts about two pods of one workload may arrive in any order; the run about the sick one acts.
    """
    named, pods = case.seen.sighting.pod, case.seen.sighting.pods
    if named is None or not is_ready(named) or case.seen.run.status.steps:
        return None
    sick = {name_of(pod) for pod in pods if not is_ready(pod) and not is_terminating(pod)}
    for other in case.seen.others:
        if other.is_open and other.pod in sick:
            return Denial(
                Reason.DUPLICATE,
                f"HealingRun {other.name} is about pod {other.pod} of the same target, which is"
                " worse off.",
            )
    return None
