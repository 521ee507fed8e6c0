"""Which faults are understood, and whose they are."""

from datetime import timedelta

import pytest

from autoglm_dataplane.simulator.faults import (
    Fault,
    FaultError,
    StandingFault,
    from_headers,
    standing,
)


def test_headers_name_a_fault() -> None:
    asked = from_headers({"X-Sim-Latency": "250ms", "x-sim-cut-after": "3", "accept": "*/*"})
    assert asked == Fault(latency=timedelta(milliseconds=250), cut_after=3)


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({"x-sim-latency": "fast"}, "x-sim-latency: 'fast' is no duration"),
        ({"x-sim-status": "200"}, "x-sim-status: Input should be greater"),
        ({"x-sim-mood": "bad"}, "x-sim-mood: Extra inputs"),
    ],
)
def test_a_header_that_cannot_be_read_is_named(headers: dict[str, str], sentence: str) -> None:
    with pytest.raises(FaultError, match=sentence):
        from_headers(headers)


def test_an_admin_call_that_is_no_fault_is_refused() -> None:
    bodies: tuple[object, ...] = (None, 7, {"times": 0}, {"status": "bad"})
    for body in bodies:
        with pytest.raises(FaultError):
            standing(body)


def test_headers_win_over_what_stands() -> None:
    stands = StandingFault(status=503, retry_after=2, times=1, models=True)
    merged = Fault(status=429).over(stands.alone())
    assert merged == Fault(status=429, retry_after=2)


def test_a_fault_may_concern_some_pods_only() -> None:
    fault = Fault(only="local-")
    assert fault.concerns("local-7f")
    assert not fault.concerns("vendor-7f")
    assert Fault().concerns("anybody")
