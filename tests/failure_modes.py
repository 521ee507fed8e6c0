"""The failures that other healers were seen to have, and what rules each of them out here.

Exists so that none of them loses its test: a contract test holds the names of tests against this
list. `guard` is what each would come back without, and `without` what would then happen; a test of
each was seen failing without it.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent
FILES = (
    ROOT / "unit/autoglm_operator/decisions/test_failure_modes.py",
    ROOT / "integration/healing/test_failure_modes.py",
)


@dataclass(frozen=True)
class FailureMode:
    """One way to fail."""

    number: int
    name: str
    words: tuple[str, ...]
    """Each is part of the name of a test of this number."""
    guard: str
    """Module and name of what rules it out, below autoglm_operator."""
    without: str
    """What would happen without it."""


MODES = (
    FailureMode(
        1,
        "an answer before the alert is stored, or 200 after it could not be",
        ("before_it_is_stored",),
        "receiver.storing:RunStore.store",
        "Alertmanager would not send again what was never stored.",
    ),
    FailureMode(
        2,
        "a crash between act and record",
        ("between_act_and_record",),
        "decisions.episode:_resume",
        "The next healer would act again instead of looking first.",
    ),
    FailureMode(
        3,
        "replicas that race to check and create, duplicates that wait for each other",
        ("replicas_that_race", "duplicates"),
        "decisions.guards.ending:duplicate",
        "Two runs would act on one target, or each would end because of the other.",
    ),
    FailureMode(
        4,
        "one bad alert that poisons a batch",
        ("poisons_no_batch",),
        "receiver.intake:Intake.deliver",
        "One unreadable alert would cost all others of its delivery.",
    ),
    FailureMode(
        5,
        "labels that healing changes, so that a target is not known again",
        ("changed_labels",),
        "decisions.target:sighted",
        "The next alert would name another pod and be another target: a loop.",
    ),
    FailureMode(
        6,
        "an inconclusive outcome that bypasses brakes, a benign one that loops",
        ("inconclusive_outcome", "benign_outcome"),
        "reconcilers.usage:facts_of",
        "Only what ended well or badly would count, so a lost reply would be free.",
    ),
    FailureMode(
        7,
        "a verification that is shorter than the alert takes to decay",
        ("alert_to_decay",),
        "decisions.verification:judge",
        "A healed target would be restarted again because its alert lingers.",
    ),
    FailureMode(
        8,
        "repairs from old news after a storm",
        ("storm",),
        "decisions.guards.ending:alert_resolved",
        "Whatever waited through the storm would be repaired, well or not.",
    ),
    FailureMode(
        9,
        "a gate that admits a whole batch at once",
        ("gate_admits_no_batch",),
        "reconcilers.healingrun:HealingRunReconciler._reserve",
        "All runs that look at the same moment would find the same free place.",
    ),
    FailureMode(
        10,
        "a lock of an owner that is gone, a cordon or taint left behind",
        ("lock_of_a_healer_that_is_gone", "cordon_and_taint"),
        "decisions.leases:due",
        "A node would stay isolated for a policy that nobody knows any more.",
    ),
    FailureMode(
        11,
        "acting on stale state",
        ("stale_state",),
        "decisions.guards.ending:target_changed",
        "A pod would be evicted for what its predecessor did.",
    ),
    FailureMode(
        12,
        "an empty selector read as everything",
        ("empty_selector",),
        "decisions.target:is_selected",
        "A policy without labels would heal the whole namespace.",
    ),
    FailureMode(
        13,
        "a lost resolved that fires forever",
        ("lost_resolved",),
        "decisions.episode:_hold",
        "A run whose alert is long over would wait and then act.",
    ),
    FailureMode(
        14,
        "a cold start that takes old events for new",
        ("cold_start",),
        "decisions.matching:run_for",
        "Every restart would heal again whatever still fires.",
    ),
    FailureMode(
        15,
        "a queue that is full",
        ("queue",),
        "receiver.intake:Intake._store",
        "A burst would be answered and dropped, or hang everything.",
    ),
    FailureMode(
        16,
        "missing data that looks like recovery",
        ("missing_monitoring_data", "no_answer_of_alertmanager"),
        "decisions.metricchecks:with_readings",
        "A dead Prometheus would make every run a success.",
    ),
    FailureMode(
        17,
        "skewed clocks, and windows while clocks are changed",
        ("skewed_clock", "clocks_are_changed"),
        "decisions.deadman:heard",
        "A clock that is ahead would keep a dead Watchdog alive.",
    ),
    FailureMode(
        18,
        "a finalizer that stays after an escalation",
        ("finalizer",),
        "decisions.leases:needs_care",
        "A run that ended would be forgotten with its change, and never go.",
    ),
    FailureMode(
        19,
        "two healers on one target",
        ("two_healers",),
        "reconcilers.healingrun:HealingRunReconciler._journal",
        "Both would begin, for neither would notice that the other did.",
    ),
    FailureMode(
        20,
        "a forged alert as a privileged command",
        ("forged_alert",),
        "receiver.gate:Gate.refusal",
        "Whoever reaches the port would restart what they like.",
    ),
)


def tests() -> Iterator[str]:
    """The names of all tests of failure modes."""
    for file in FILES:
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield node.name
