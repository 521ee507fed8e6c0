"""Nodes that are lost, from the first alert to their return."""

from collections.abc import Generator
from functools import partial

import pytest

from faults import Faults
from healing_release import CARE, HealingRelease, condition_of
from lost_nodes import FOREIGN, HEALTHY_DELAY, LostNodes, processes
from statuses import is_ready
from timeline import Timeline, within

MARKER = "86413"
"""Seconds that the member sleeps for, by which its process is known. Arbitrary."""


@pytest.fixture
def lost(release: HealingRelease, busybox: str, faults: Faults) -> Generator[LostNodes]:
    """Nodes to lose; whatever was broken is mended before everything is taken away."""
    lost = LostNodes(release, busybox)
    yield lost
    faults.undo_all()
    lost.clear()


def test_a_crashed_and_a_cut_node_are_left_by_what_they_ran_and_return_when_they_are_well(
    lost: LostNodes, faults: Faults, timeline: Timeline
) -> None:
    crashed, cut = nodes = lost.release.victims
    lost.run_on(crashed, "web")
    lost.run_on(cut, "api")
    lost.set_marks(crashed, taint=True)
    lost.set_marks(cut, cordon=True)
    lost.policy(paused=True)
    timeline.start(f"{crashed} loses its power and {cut} its network; the policy is paused")

    faults.inject("crash-node", crashed)
    faults.inject("cut-network", cut)
    for node in nodes:
        timeline.want(within(120), f"what {node} ran is down", partial(lost.is_down, node))
        timeline.want(within(120), f"its run is held ({node})", partial(lost.is_paused, node))
    timeline.stays(
        20,
        "both workloads are down and nobody touches the nodes",
        lambda: not any(lost.is_up(node) or lost.mark(node) for node in nodes),
    )

    timeline.start("the policy goes on")
    lost.policy()
    for node in nodes:
        timeline.want(within(180), f"it is Available elsewhere ({node})", partial(lost.is_up, node))
        verified = partial(lost.run, node, "Succeeded")
        timeline.want(within(180), f"the run has verified it ({node})", verified)
        run = lost.run(node, "Succeeded")
        assert run is not None
        (step,) = run["status"]["steps"]
        timeline.note(step["message"] + f" {step['after']['node']['recoverySeconds']} s")
        kept = ".kept" if node == cut else ""
        assert lost.mark(node) == run["metadata"]["name"] + kept
        assert lost.is_cordoned(node)
        assert not lost.maintainer(node)
        assert lost.places(lost.where[node]).isdisjoint(nodes)

    timeline.start("both nodes come back")
    faults.undo("crash-node", crashed)
    faults.undo("cut-network", cut)
    for node in nodes:
        timeline.want(within(120), f"{node} is Ready", partial(lost.is_ready, node))
    for node in nodes:
        freed = partial(lost.is_free, node)
        timeline.want(within(240), f"{node} has none of our marks", freed)
    # Only our own marks go: the taint and the cordon of others stay.
    assert FOREIGN in lost.node(crashed)["spec"]["taints"]
    assert not lost.is_cordoned(crashed)
    assert lost.is_cordoned(cut)
    for node in nodes:
        timeline.want(within(30), f"the run says so ({node})", partial(lost.is_reverted, node))
        assert lost.well_before_return(node) >= HEALTHY_DELAY
        assert "autoglm.io/lease" not in lost.node(node)["metadata"].get("annotations", {})


def test_a_member_that_is_stuck_on_a_cut_node_is_reported_and_never_runs_twice(
    lost: LostNodes, faults: Faults, timeline: Timeline
) -> None:
    _, cut = lost.release.victims
    kube = lost.release.kube
    member = lost.member_on(cut, "db", MARKER)
    lost.policy(verify="15s")
    running: list[int] = []
    timeline.start(f"{cut} loses its network")

    faults.inject("cut-network", cut)

    def escalated() -> bool:
        running.append(processes(MARKER))
        return lost.run(cut, "Escalated") is not None

    timeline.want(within(180), "the run is escalated", escalated)
    run = lost.run(cut, "Escalated")
    assert run is not None
    said = condition_of(run, "Succeeded")["message"]
    timeline.note(said)
    assert f"pod {CARE}/db-0 of a StatefulSet must not run twice" in said
    stuck = kube.get("Pod", "db-0", CARE)
    assert stuck is not None
    assert stuck["metadata"]["uid"] == member["metadata"]["uid"]
    assert "deletionTimestamp" in stuck["metadata"]
    timeline.want(within(240), "what did not help is undone", lambda: not lost.mark(cut))
    assert not lost.is_cordoned(cut)

    timeline.start("the network is back")
    faults.undo("cut-network", cut)

    def replaced() -> bool:
        running.append(processes(MARKER))
        found = kube.get("Pod", "db-0", CARE)
        fresh = found is not None and found["metadata"]["uid"] != member["metadata"]["uid"]
        return fresh and is_ready(found)

    timeline.want(within(120), "the member has a successor", replaced)
    assert processes(MARKER) == 1
    assert max(running) == 1
