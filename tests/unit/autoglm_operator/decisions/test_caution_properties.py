"""Whatever happens: nothing without leave, nothing again that was done, never too many nodes."""

import copy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_api.conditions import Reason
from autoglm_api.healingladder import ActionName
from autoglm_api.healingrun import ApprovalRecord, HealingRun
from autoglm_api.labels import APPROVED
from autoglm_operator.actions.isolatenode import IsolateNode
from autoglm_operator.decisions import episode, nodemarks, nodes, target
from autoglm_operator.decisions.healing import (
    Actions,
    Outcome,
    OutcomeKind,
    Pauses,
    Plan,
    Seen,
)
from autoglm_operator.decisions.surroundings import AlertNews, Budget
from autoglm_operator.reconcilers.ledger import RunLedger
from episodes import ACTIONS, NOW, Object, a_pod, a_policy, a_run, a_sighting, seen
from isolations import a_fleet, a_node_policy, a_step, a_worker, isolated

# A course of 30 moments costs 5 ms.
few = settings(max_examples=100, deadline=None, derandomize=True)

DONE = Outcome(OutcomeKind.SUCCEEDED, Reason.ACTION_SUCCEEDED, "Done.")
LOST = Outcome(OutcomeKind.RETRYABLE, Reason.API_UNAVAILABLE, "Lost.")
GOES_ON = Outcome(OutcomeKind.UNDER_WAY, Reason.ACTION_STARTED, "Goes on.")
FAILED = Outcome(OutcomeKind.FAILED, Reason.ACTION_FAILED, "Refused.")
SICK = a_sighting()
FINE = replace(a_sighting(a_pod()), pods=(a_pod(), a_pod("web-2")))
AFTERWARDS = replace(FINE, pod=None, pods=(a_pod("web-2"), a_pod("web-3", ready=False)))
SEEN = {"sick": SICK, "well": FINE, "sick after all": AFTERWARDS}
PAUSES = {
    "none": Pauses(),
    "everything": Pauses(everywhere="Stopped."),
    "the namespace": Pauses(namespace=True),
    "an uninstall": Pauses(everywhere="Stopped.", reverting=True),
    "the policy": Pauses(),
}
OUTCOMES = {"done": DONE, "lost": LOST, "goes on": GOES_ON, "failed": FAILED}


@dataclass(frozen=True)
class Moment:
    """What one look may meet."""

    seconds: int
    sighting: str
    pause: str
    mode: str
    approval: str
    outcome: str


def moments_of(modes: list[str], pauses: list[str]) -> st.SearchStrategy[list[Moment]]:
    """Courses that meet these modes and pauses."""
    moment = st.builds(
        Moment,
        seconds=st.sampled_from([0, 1, 30, 61, 400]),
        sighting=st.sampled_from(["sick", *SEEN]),
        pause=st.sampled_from(pauses),
        mode=st.sampled_from(modes),
        approval=st.sampled_from(["", "1/jane", "2/jane", "1/", "jane"]),
        outcome=st.sampled_from(sorted(OUTCOMES)),
    )
    return st.lists(moment, max_size=30)


MOMENTS = moments_of(["Enforce", "Enforce", "Approve", "DryRun"], ["none", "none", *PAUSES])
ASKED = moments_of(["Approve", "Approve", "Enforce", "DryRun"], ["none"])


@dataclass
class Course:
    """One run, and every call that was made for it."""

    run: HealingRun = field(default_factory=a_run)
    now: datetime = NOW
    calls: list[tuple[int, Moment, tuple[ApprovalRecord, ...]]] = field(
        default_factory=list[tuple[int, Moment, tuple[ApprovalRecord, ...]]]
    )

    def look(self, moment: Moment) -> None:
        """Decide once and carry out what is decided."""
        self.now += timedelta(seconds=moment.seconds)
        meta = self.run.metadata.model_copy(update={"annotations": {APPROVED: moment.approval}})
        self.run = self.run.model_copy(update={"metadata": meta})
        view = seen(
            self.run,
            sighting=SEEN[moment.sighting],
            policy=a_policy(paused=moment.pause == "the policy", mode=moment.mode),
            pauses=PAUSES[moment.pause],
        )
        plan = episode.decide(view, ACTIONS, self.now)
        self.store(plan)
        if plan.call is None:
            return
        self.calls.append((len(plan.status.steps), moment, plan.status.approvals))
        after = episode.after_call(
            plan, replace(view, run=self.run), OUTCOMES[moment.outcome], self.now
        )
        self.store(after)

    def store(self, plan: Plan) -> None:
        """Journal."""
        self.run = self.run.model_copy(update={"status": plan.status})


def taken(moments: list[Moment]) -> Course:
    course = Course()
    for moment in moments:
        course.look(moment)
    return course


@few
@given(MOMENTS)
def test_nothing_is_called_while_anybody_pauses_anything(moments: list[Moment]) -> None:
    for _, moment, _ in taken(moments).calls:
        assert moment.pause == "none"


@few
@given(ASKED)
def test_nothing_is_called_that_was_not_allowed_for_this_very_step(moments: list[Moment]) -> None:
    under_way: set[int] = set()
    for step, moment, approvals in taken(moments).calls:
        assert moment.mode != "DryRun"
        # What was allowed and goes on without us is not stopped half-way by a stricter mode.
        if moment.mode == "Approve" and step not in under_way:
            assert any((each.step, each.by) == (step, "jane") for each in approvals)
        if moment.outcome == "goes on":
            under_way.add(step)


@few
@given(MOMENTS)
def test_a_call_that_succeeded_or_failed_is_never_made_again(moments: list[Moment]) -> None:
    settled = [
        step for step, moment, _ in taken(moments).calls if moment.outcome in ("done", "failed")
    ]
    assert len(settled) == len(set(settled))
    assert settled == sorted(settled)


@few
@given(MOMENTS)
def test_deciding_again_after_success_plans_nothing(moments: list[Moment]) -> None:
    course = taken(moments)
    if course.run.status.phase != "Succeeded":
        course = Course()
        sick = Moment(0, "sick", "none", "Enforce", "", "done")
        for moment in (sick, *[replace(sick, seconds=61, sighting="well")] * 2):
            course.look(moment)
    assert course.run.status.phase == "Succeeded"
    ended, calls = course.run.status, len(course.calls)
    for moment in moments:
        course.look(moment)
    assert (course.run.status, len(course.calls)) == (ended, calls)


# ---------------------------------------------------------------- nodes

NODES = ("node1", "node2", "node3", "node4", "node5")
MIN_HEALTHY = 2
AT_ONCE = 2
ISOLATES: Actions = {ActionName.ISOLATE_NODE: IsolateNode(lambda: NOW, enabled=True)}
POLICY = a_node_policy(
    a_step("Quarantine", minHealthy=MIN_HEALTHY),
    guards={"cooldown": "0s", "maxConcurrent": 9, "storm": {"maxUnhealthy": "100%"}},
)


@dataclass(frozen=True)
class NodeMoment:
    """What one look at one of the nodes may meet."""

    number: int
    seconds: int
    flips: int
    """Which node falls sick or well before the look; none beyond the last."""
    outcome: Outcome
    arrives: bool
    """Whether a call whose answer is lost was carried out."""
    new_leader: bool


NODE_MOMENTS = st.lists(
    st.builds(
        NodeMoment,
        number=st.integers(0, len(NODES) - 1),
        seconds=st.sampled_from([0, 1, 30, 400]),
        flips=st.integers(0, 3 * len(NODES)),
        outcome=st.sampled_from([DONE, DONE, LOST, FAILED]),
        arrives=st.booleans(),
        new_leader=st.sampled_from([False, False, False, True]),
    ),
    max_size=30,
)


@dataclass
class Pool:
    """Five nodes, a run about each, and the healer's own ledger between them."""

    nodes: dict[str, Object] = field(default_factory=lambda: {n: a_worker(n) for n in NODES})
    runs: list[HealingRun] = field(
        default_factory=lambda: [
            a_run(name=f"run-{name}", policy=POLICY, labels={"node": name}) for name in NODES
        ]
    )
    ledger: RunLedger = field(default_factory=RunLedger)
    now: datetime = NOW
    begun: int = 0

    def look(self, moment: NodeMoment) -> None:
        """Decide once about one node and carry out what is decided."""
        self.now += timedelta(seconds=moment.seconds)
        if moment.flips < len(NODES):
            self.flip(NODES[moment.flips])
        if moment.new_leader:
            self.ledger = RunLedger()
            for each in self.runs:
                self.ledger.note(each)
        name, run = NODES[moment.number], self.runs[moment.number]
        view = self.view(name, run)
        plan = episode.decide(view, ISOLATES, self.now)
        self.store(moment.number, plan)
        if plan.call is None:
            return
        self.begun += 1
        if not nodemarks.own_taint(self.nodes[name]) and not run.status.steps:
            assert len(self.healthy_without(name)) >= MIN_HEALTHY
        if moment.outcome is DONE or (moment.outcome is LOST and moment.arrives):
            plain = self.nodes[name]
            marked = plain if nodemarks.own_taint(plain) else isolated(plain, run.metadata.name)
            self.nodes[name] = marked
        view = replace(view, run=self.runs[moment.number])
        self.store(moment.number, episode.after_call(plan, view, moment.outcome, self.now))

    def view(self, name: str, run: HealingRun) -> Seen:
        """What the healer sees of one node."""
        node = self.nodes[name]
        load = self.ledger.usage.load(run.metadata.uid, f"node-{name}", "p-1", self.now)
        sighting = replace(
            target.sighted([node]), fleet=a_fleet(*self.nodes.values(), pods=(), workloads=())
        )
        return seen(
            run,
            sighting=sighting,
            policy=POLICY,
            load=replace(load, matching=100),
            budget=Budget(max_concurrent=9, max_runs_per_hour=99, max_node_actions=AT_ONCE),
            trusted_namespaces=frozenset({"team-a"}),
            others=self.ledger.others(f"node-{name}", run.metadata.uid),
            news=AlertNews(firing=True),
        )

    def flip(self, name: str) -> None:
        """Let a node fall sick, or well again."""
        node = copy.deepcopy(self.nodes[name])
        ready = node["status"]["conditions"][0]
        ready["status"] = "False" if ready["status"] == "True" else "True"
        self.nodes[name] = node

    def healthy_without(self, name: str) -> list[str]:
        """The nodes that would take pods if one did not."""
        return [
            other
            for other, node in self.nodes.items()
            if other != name and nodes.is_well(node) and nodes.is_schedulable(node)
        ]

    def store(self, index: int, plan: Plan) -> None:
        """Journal."""
        self.runs[index] = self.runs[index].model_copy(update={"status": plan.status})
        self.ledger.note(self.runs[index])

    def isolated(self) -> list[str]:
        """The nodes that carry our mark."""
        return [name for name, node in self.nodes.items() if nodemarks.own_taint(node)]


@few
@given(NODE_MOMENTS)
def test_no_more_nodes_are_isolated_than_the_administrator_allows(
    moments: list[NodeMoment],
) -> None:
    pool = Pool()
    for moment in moments:
        pool.look(moment)
        assert len(pool.isolated()) <= AT_ONCE


@few
@given(st.permutations(range(len(NODES))))
def test_nodes_are_isolated_up_to_that_number(order: list[int]) -> None:
    """So that the property above is about something."""
    pool = Pool()
    for number in order:
        pool.look(NodeMoment(number, 1, 99, DONE, arrives=True, new_leader=False))
    assert len(pool.isolated()) == AT_ONCE
