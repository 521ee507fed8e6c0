"""The checklist before every action: what ends a run without one, and what holds it.

Each guard is one question with one answer: why not, or None. They are asked in the order of
`ENDING` and `HOLDING`, and the first denial wins. Guards never look anything up.
"""

from typing import Final

from autoglm_operator.decisions.guards.approvals import (
    approval_missing,
    approval_unproven,
    given,
    is_needed,
    mode_of,
)
from autoglm_operator.decisions.guards.budgets import (
    ALONE,
    ON_NODES,
    cluster_busy,
    cluster_spent,
    nodes_busy,
    policy_busy,
    policy_spent,
    storm,
)
from autoglm_operator.decisions.guards.case import Case, Guard
from autoglm_operator.decisions.guards.ending import (
    alert_resolved,
    dry_run,
    duplicate,
    policy_deleted,
    target_changed,
    target_gone,
    target_not_allowed,
    target_not_selected,
)
from autoglm_operator.decisions.guards.holding import (
    admission_missing,
    cooldown_running,
    dead_man,
    node_leased,
    outside_window,
    paused_by_policy,
    paused_everywhere,
    paused_in_namespace,
    policy_unusable,
    sicker_pod_first,
    silenced,
)
from autoglm_operator.decisions.healing import Denial

__all__ = [
    "ALONE",
    "ENDING",
    "HOLDING",
    "NOT_TAKEN",
    "ON_NODES",
    "UNDER_WAY",
    "Case",
    "Guard",
    "dry_run",
    "first_denial",
    "given",
    "is_needed",
    "mode_of",
    "policy_deleted",
]

ENDING: Final[tuple[Guard, ...]] = (
    policy_deleted,
    target_not_allowed,
    target_gone,
    target_not_selected,
    target_changed,
    duplicate,
    alert_resolved,
    dry_run,
)
"""What ends a run without an action."""

HOLDING: Final[tuple[Guard, ...]] = (
    admission_missing,
    policy_unusable,
    paused_everywhere,
    paused_in_namespace,
    paused_by_policy,
    sicker_pod_first,
    dead_man,
    outside_window,
    silenced,
    cooldown_running,
    policy_busy,
    policy_spent,
    cluster_busy,
    cluster_spent,
    nodes_busy,
    storm,
    node_leased,
    approval_unproven,
    approval_missing,
)
"""What holds a run; it is looked at again until its maxWait has passed."""

UNDER_WAY: Final[tuple[Guard, ...]] = (
    admission_missing,
    paused_everywhere,
    paused_in_namespace,
    paused_by_policy,
    dead_man,
)
"""What holds a call that goes on, or that was journaled but perhaps never made."""

NOT_TAKEN: Final[tuple[Guard, ...]] = (
    policy_unusable,
    outside_window,
    silenced,
    approval_unproven,
    approval_missing,
)
"""What holds a journaled call as well, as long as nobody has taken it."""


def first_denial(guards: tuple[Guard, ...], case: Case) -> Denial | None:
    """The answer of the first guard that denies."""
    return next((denial for guard in guards if (denial := guard(case)) is not None), None)
