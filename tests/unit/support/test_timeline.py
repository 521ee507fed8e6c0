"""The timeline says when, and fails outside the window."""

import pytest

from kube import KubeUnreachableError
from timeline import Timeline, between, within


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def line(clock: Clock) -> Timeline:
    return Timeline(clock=clock.now, sleep=clock.sleep)


def test_acts_at_the_second_and_not_before(line: Timeline, clock: Clock) -> None:
    acted: list[float] = []
    line.at(2, "the node is cut off", lambda: acted.append(clock.seconds))
    assert acted == [102.0]


def test_refuses_a_second_that_has_passed(line: Timeline, clock: Clock) -> None:
    clock.sleep(5)
    with pytest.raises(AssertionError, match=r"Second 2 has passed \(5\.0 s\)"):
        line.at(2, "the node is cut off")


def test_returns_when_the_wanted_was_seen(line: Timeline, clock: Clock) -> None:
    seen = line.want(between(5, 60), "the node is gone", lambda: clock.seconds >= 117)
    assert seen == pytest.approx(17)
    assert line.lines == ["   17.0 s  the node is gone (wanted 5-60 s)"]


def test_fails_what_comes_too_early(line: Timeline) -> None:
    with pytest.raises(AssertionError, match=r"Already at 0\.0 s, wanted 5-60 s"):
        line.want(between(5, 60), "the node is gone", lambda: True)


def test_fails_what_does_not_come(line: Timeline) -> None:
    with pytest.raises(AssertionError, match="Not within 0-3 s: the node is gone"):
        line.want(within(3), "the node is gone", lambda: False)


def test_fails_what_comes_only_because_the_look_took_long(line: Timeline, clock: Clock) -> None:
    clock.sleep(10)
    with pytest.raises(AssertionError, match=r"Only at 10\.0 s"):
        line.want(between(0, 3), "the node is gone", lambda: True)


def test_within_counts_from_when_the_waiting_begins(line: Timeline, clock: Clock) -> None:
    clock.sleep(100)
    assert line.want(within(3), "it is so", lambda: clock.seconds >= 202) == pytest.approx(102)
    with pytest.raises(AssertionError, match="Not within 102-105 s"):
        line.want(within(3), "it is so", lambda: False)


def test_counts_an_unreachable_server_as_not_yet_and_says_so(line: Timeline) -> None:
    def probe() -> bool:
        raise KubeUnreachableError("connection refused")

    with pytest.raises(AssertionError, match="Last seen: connection refused"):
        line.want(within(1), "the server answers", probe)


def test_lets_an_error_of_the_probe_itself_through(line: Timeline) -> None:
    def probe() -> bool:
        raise KeyError("status")

    with pytest.raises(KeyError):
        line.want(within(1), "the server answers", probe)


def test_starts_again_at_second_zero(line: Timeline, clock: Clock) -> None:
    clock.sleep(30)
    line.start("kubelet stopped")
    assert line.now == 0


def test_fails_when_what_should_stay_ends(line: Timeline, clock: Clock) -> None:
    with pytest.raises(AssertionError, match="no longer: the pod runs"):
        line.stays(10, "the pod runs", lambda: clock.seconds < 105)


def test_watches_for_the_whole_time_what_should_stay(line: Timeline, clock: Clock) -> None:
    line.stays(10, "the pod runs", lambda: True)
    assert clock.seconds >= 110


async def test_waits_without_blocking_other_tasks() -> None:
    line, seen = Timeline(), iter([False, False, True])
    assert await line.wants(within(5), "the third look", lambda: next(seen)) > 0


def test_refuses_a_window_that_ends_before_it_begins() -> None:
    with pytest.raises(ValueError, match="earliest < latest"):
        between(5, 5)
