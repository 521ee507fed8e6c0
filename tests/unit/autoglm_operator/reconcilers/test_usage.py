"""What all runs together do, counted as they change."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_api.conditions import Reason
from autoglm_api.healingrun import HealingRun, HealingRunStatus, StepRecord
from autoglm_operator.decisions import episode, journal
from autoglm_operator.decisions.healing import Denial
from autoglm_operator.decisions.surroundings import Load, Usage
from autoglm_operator.reconcilers.usage import RunUsage, facts_of
from episodes import ACTIONS, NOW, a_run, seen

KEY = "deployment-web"


def a_run_of(policy: str, name: str, status: HealingRunStatus | None = None) -> HealingRun:
    run = a_run(status, name=name)
    copy = run.spec.policy.model_copy(update={"uid": policy})
    return run.model_copy(update={"spec": run.spec.model_copy(update={"policy": copy})})


def acting() -> HealingRunStatus:
    return episode.decide(seen(), ACTIONS, NOW).status


def held(reason: Reason = Reason.PAUSED) -> HealingRunStatus:
    return journal.held(seen(), Denial(reason, "Held."), NOW)


def on(key: str, status: HealingRunStatus) -> HealingRunStatus:
    """The status, about another target."""
    known = acting().target
    assert known is not None
    return status.model_copy(update={"target": known.model_copy(update={"key": key})})


def ended(status: HealingRunStatus) -> HealingRunStatus:
    return status.model_copy(update={"finished_at": NOW})


def isolated(*, held_until_undone: bool) -> HealingRunStatus:
    node = {"apiVersion": "v1", "kind": "Node", "name": "node1", "uid": "n"}
    lease = {
        "object": node,
        "field": "taint",
        "previous": "",
        "value": "x",
        "expires": NOW,
        "state": "Held" if held_until_undone else "Reverted",
    }
    step = {
        "action": "IsolateNode",
        "intent": {"verb": "Drain", "object": node},
        "startedAt": NOW,
        "lease": lease,
    }
    return HealingRunStatus(steps=(StepRecord.model_validate(step),))


def counted(*runs: HealingRun) -> RunUsage:
    usage = RunUsage()
    for run in runs:
        usage.note(run.metadata.uid, facts_of(run))
    return usage


def test_counts_what_others_do_by_policy_and_in_all() -> None:
    usage = counted(
        a_run_of("p-1", "one", on("a", acting())),
        a_run_of("p-1", "two", on("b", held())),
        a_run_of("p-2", "three", on("c", acting())),
    )
    load = usage.load("run-two", "b", "p-1", NOW)
    assert load.policy == Usage(acting=1, begun=1)
    assert load.cluster == Usage(acting=2, begun=2)
    assert usage.load("run-one", "a", "p-1", NOW).policy == Usage()


def test_a_held_run_uses_no_budget() -> None:
    usage = counted(a_run_of("p-1", "one", on("a", held())))
    assert usage.load("", "", "p-1", NOW).policy == Usage()


def test_an_ended_run_counts_for_an_hour() -> None:
    usage = counted(a_run_of("p-1", "one", ended(on("a", acting()))))
    later = NOW + timedelta(minutes=59, seconds=59)
    assert usage.load("", "", "p-1", later).policy == Usage(acting=0, begun=1)
    assert usage.load("", "", "p-1", NOW + timedelta(hours=1)).policy == Usage()


def test_telling_people_uses_no_budget() -> None:
    told = StepRecord.model_validate(
        {
            "action": "Notify",
            "intent": {
                "verb": "Notify",
                "object": {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "u"},
            },
            "startedAt": NOW,
        }
    )
    usage = counted(a_run_of("p-1", "one", HealingRunStatus(steps=(told,))))
    assert usage.load("", "", "p-1", NOW).cluster == Usage()


def test_an_isolation_counts_until_it_is_undone() -> None:
    under_way = isolated(held_until_undone=True)
    usage = counted(a_run_of("p-1", "one", under_way))
    assert (usage.load("", "", "", NOW).nodes, usage.load("", "", "", NOW).isolations) == (1, 1)
    assert usage.load("run-one", "", "", NOW).isolations == 0

    usage = counted(a_run_of("p-1", "one", ended(under_way)))
    assert (usage.load("", "", "", NOW).nodes, usage.load("", "", "", NOW).isolations) == (0, 1)

    usage = counted(a_run_of("p-1", "one", ended(isolated(held_until_undone=False))))
    assert usage.load("", "", "", NOW).isolations == 0


def test_distinct_targets_are_counted_and_the_own_one_once() -> None:
    usage = counted(
        a_run_of("p-1", "one", on("a", held())),
        a_run_of("p-1", "two", on("a", held())),
        a_run_of("p-1", "three", on("b", held())),
        a_run_of("p-2", "four", on("c", held())),
        a_run_of("p-1", "five", ended(on("d", held()))),
    )
    assert usage.load("run-one", "a", "p-1", NOW).unhealthy == 2
    assert usage.load("run-three", "b", "p-1", NOW).unhealthy == 2
    assert usage.load("run-four", "c", "p-2", NOW).unhealthy == 1
    assert usage.load("run-new", "e", "p-1", NOW).unhealthy == 3


def test_a_target_that_was_not_looked_up_counts_by_its_name() -> None:
    usage = counted(a_run_of("p-1", "one"), a_run_of("p-1", "two"))
    alone = usage.load("run-one", KEY, "p-1", NOW)
    # Both alerts name pod web-1; what the other one leads to is not known yet.
    assert (alone.unhealthy, alone.unresolved) == (2, 1)
    usage.forget("run-two")
    assert usage.load("run-one", KEY, "p-1", NOW) == Load(unhealthy=1)


def test_knows_how_many_policies_a_storm_holds() -> None:
    usage = counted(
        a_run_of("p-1", "one", held(Reason.STORM)),
        a_run_of("p-1", "two", held(Reason.STORM)),
        a_run_of("p-2", "three", held(Reason.STORM)),
        a_run_of("p-3", "four", held()),
    )
    assert usage.storms() == 2
    usage.forget("run-three")
    assert usage.storms() == 1


STATUSES = [
    None,
    held(),
    acting(),
    ended(acting()),
    held(Reason.STORM),
    isolated(held_until_undone=True),
]
CHANGES = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.sampled_from(["p-1", "p-2"]),
        st.sampled_from("ab"),
        st.integers(-1, 5),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(CHANGES)
def test_counting_as_things_change_is_counting_anew(
    changes: list[tuple[int, str, str, int]],
) -> None:
    usage, runs = RunUsage(), dict[str, HealingRun]()
    for number, policy, key, kind in changes:
        name = f"r{number}"
        if kind < 0:
            runs.pop(f"run-{name}", None)
            usage.forget(f"run-{name}")
            continue
        status = STATUSES[kind]
        run = a_run_of(policy, name, on(key, status) if status else None)
        runs[run.metadata.uid] = run
        usage.note(run.metadata.uid, facts_of(run))
    anew = counted(*runs.values())
    for uid in ("", *runs):
        for policy in ("p-1", "p-2"):
            assert usage.load(uid, "a", policy, NOW) == anew.load(uid, "a", policy, NOW)
    assert usage.storms() == anew.storms()
