from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from autoglm_api.conditions import Reason
from autoglm_api.modelendpoint import HealthCheck
from autoglm_operator.decisions import health
from autoglm_operator.decisions.health import Health

CHECK = HealthCheck(failure_threshold=3, success_threshold=2)


@dataclass(frozen=True)
class Outcome:
    ok: bool
    reason: Reason
    message: str = "."
    models: tuple[str, ...] = ()


GOOD = Outcome(ok=True, reason=Reason.PROBE_SUCCEEDED)
BAD = Outcome(ok=False, reason=Reason.UNREACHABLE)
REFUSED = Outcome(ok=False, reason=Reason.ADDRESS_REFUSED)


def after(start: Health, *outcomes: Outcome) -> Health:
    for at, outcome in enumerate(outcomes):
        start = health.advance(start, outcome, CHECK, float(at))
    return start


def test_becomes_healthy_after_enough_good_probes() -> None:
    assert after(Health("x"), GOOD).healthy is None
    assert after(Health("x"), GOOD, GOOD).healthy is True


def test_stays_healthy_through_fewer_failures_than_the_threshold() -> None:
    healthy = after(Health("x"), GOOD, GOOD, BAD, BAD)
    assert (healthy.healthy, healthy.reason) == (True, Reason.PROBE_SUCCEEDED)
    assert after(healthy, GOOD).failures == 0
    assert after(healthy, BAD).healthy is False


def test_what_never_worked_is_unhealthy_at_once() -> None:
    assert after(Health("x"), BAD).healthy is False


def test_a_refused_address_ends_it_at_once() -> None:
    assert after(Health("x"), GOOD, GOOD, REFUSED).healthy is False


def test_one_good_probe_between_failures_is_not_enough() -> None:
    sick = after(Health("x"), BAD, GOOD)
    assert sick.healthy is False
    assert after(sick, GOOD).healthy is True


def test_remembers_when_failing_began() -> None:
    assert after(Health("x"), GOOD, BAD, BAD).failing_since == 1
    assert after(Health("x"), BAD, GOOD).failing_since is None


def test_shows_only_what_a_status_would_show() -> None:
    one = after(Health("x"), GOOD, GOOD)
    assert health.looks_different(None, one)
    assert not health.looks_different(one, after(one, BAD))
    assert health.looks_different(one, after(one, BAD, BAD, BAD))


def failing(since: float | None, reason: Reason = Reason.UNREACHABLE) -> Health:
    return Health("x", healthy=since is None, reason=reason, failing_since=since)


def test_all_silent_at_once_is_our_own_fault() -> None:
    assert health.probes_unreliable([failing(10), failing(12)], 5)


def test_single_failures_are_believed() -> None:
    assert not health.probes_unreliable([failing(10)], 5), "one endpoint says nothing"
    assert not health.probes_unreliable([failing(10), failing(None)], 5)
    assert not health.probes_unreliable([failing(10), failing(100)], 5), "one after the other"
    answered = failing(10, Reason.UNEXPECTED_ANSWER)
    assert not health.probes_unreliable([failing(10), failing(10), answered], 5)
    assert not health.probes_unreliable([], 5)


@given(st.lists(st.sampled_from([GOOD, BAD, REFUSED])))
def test_the_verdict_always_has_a_reason_of_its_own_sign(outcomes: list[Outcome]) -> None:
    record = after(Health("x"), *outcomes)
    assert (record.healthy is True) == (record.reason is Reason.PROBE_SUCCEEDED)
    assert record.failures == 0 or record.successes == 0


def test_remembers_the_models_that_were_listed_last() -> None:
    listed = Outcome(ok=True, reason=Reason.PROBE_SUCCEEDED, models=("a", "b"))
    known = after(Health("x"), listed, listed)
    assert known.models == ("a", "b")
    assert after(known, GOOD, BAD).models == ("a", "b")
    assert health.looks_different(known, after(known, Outcome(True, listed.reason, ".", ("c",))))
