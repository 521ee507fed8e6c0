"""Of two alerts about two pods of one workload, the run about the sick pod acts."""

from dataclasses import replace
from datetime import timedelta

import pytest

from autoglm_api.conditions import Reason
from autoglm_operator.decisions import guards, target
from autoglm_operator.decisions.guards import Case, ending, holding
from autoglm_operator.decisions.healing import Denial, Seen
from episodes import NOW, OLDER, a_pod, a_run, a_sighting, another_run, seen, stamp

LATER = NOW + timedelta(seconds=4)
WELL, SICK = a_pod("web-1"), a_pod("web-2", ready=False, restarts=5)


def a_case(named: str, **other: object) -> Case:
    pods = (WELL, SICK)
    pod = next(each for each in pods if each["metadata"]["name"] == named)
    look = seen(
        sighting=a_sighting(pod, pods=pods), others=(another_run(**{"is_open": True, **other}),)
    )
    return Case(
        seen=look,
        target=target.resolve(a_run(), look.sighting),
        intended=Denial(Reason.ACTION_REFUSED, "Nothing."),
        now=NOW,
    )


def test_the_run_about_the_sick_pod_does_not_yield_to_an_older_one_about_a_well_pod() -> None:
    assert ending.duplicate(a_case("web-2", pod="web-1", created=stamp(OLDER))) is None


@pytest.mark.parametrize("pod", ["web-2", "", "gone"])
def test_it_yields_to_an_older_one_of_which_that_is_not_known(pod: str) -> None:
    assert ending.duplicate(a_case("web-2", pod=pod, created=stamp(OLDER))) is not None


def test_it_yields_to_one_that_acts_already() -> None:
    assert ending.duplicate(a_case("web-2", pod="web-1", begun=True)) is not None


def test_the_run_about_the_well_pod_waits_for_the_other() -> None:
    denied = holding.sicker_pod_first(a_case("web-1", pod="web-2", created="2027-01-01T00:00:00Z"))

    assert denied is not None
    assert denied.reason is Reason.DUPLICATE
    assert "pod web-2" in denied.message


def test_the_run_about_the_well_pod_ends_once_the_other_has_healed_them() -> None:
    """Seen on a busy machine: the other was done before this one was looked at again."""
    denied = ending.duplicate(a_case("web-1", is_open=False, begun=True, acted_at=LATER))

    assert denied is not None
    assert "acted on the target since" in denied.message


@pytest.mark.parametrize(
    "case",
    [
        a_case("web-2", is_open=False, begun=True, acted_at=LATER),
        a_case("web-1", is_open=False, begun=True, acted_at=OLDER - timedelta(days=1)),
        a_case("web-1", is_open=False),
        a_case("web-1", is_open=False, begun=True, acted_at=LATER, policy_uid="p-2"),
    ],
    ids=["its pod is still sick", "before its alert", "without an action", "of another policy"],
)
def test_what_another_run_did_does_not_end_it(case: Case) -> None:
    assert ending.duplicate(case) is None


@pytest.mark.parametrize(
    "case",
    [
        a_case("web-2", pod="web-2"),
        a_case("web-1", pod="web-1"),
        a_case("web-1", pod=""),
        replace(a_case("web-1"), seen=seen(sighting=replace(a_sighting(), pod=None))),
    ],
    ids=["it is sick itself", "the other is well too", "nobody knows", "no pod was named"],
)
def test_otherwise_nobody_waits(case: Case) -> None:
    assert holding.sicker_pod_first(case) is None


def test_never_do_both_of_two_runs_end() -> None:
    def ends(named: str, look: Seen) -> bool:
        case = replace(a_case(named), seen=look)
        return guards.first_denial((ending.duplicate,), case) is not None

    for mine, other in (("web-1", "web-2"), ("web-2", "web-1")):
        older = a_case(mine, pod=other, created=stamp(OLDER)).seen
        younger = a_case(other, pod=mine, created="2027-01-01T00:00:00Z").seen
        assert not (ends(mine, older) and ends(other, younger))
