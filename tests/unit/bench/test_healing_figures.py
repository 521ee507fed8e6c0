"""The arithmetic of `make bench-healing`: what it prints is what it measured."""

import json

import pytest

from bench.healing import alerts, cases, consumption, figures, sending

GOOD = {
    "lost": 0.0,
    "doubled": 0.0,
    "store_vs_api_create": 0.7,
    "ack_p99_ms": 250.0,
    "alert_to_action_p99_s": 1.0,
    "recovery_s": 9.9,
    "rss_growth_mib": 50.0,
}


@pytest.mark.parametrize(
    ("count", "share", "wanted"),
    [(100, 0.99, 99), (100, 0.5, 50), (101, 0.99, 100), (1, 0.99, 1), (10, 1, 10), (3, 0.5, 2)],
)
def test_a_percentile_is_a_value_that_was_measured(count: int, share: float, wanted: int) -> None:
    values = [float(number) for number in range(count, 0, -1)]

    assert figures.percentile(values, share) == wanted


@pytest.mark.parametrize("share", [0, 1.1])
def test_a_percentile_needs_values_and_a_share(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        figures.percentile([1.0], share)
    with pytest.raises(ValueError, match="values"):
        figures.percentile([], 0.5)


def test_a_rate_is_of_all_parts_together() -> None:
    # Not the mean of 100/s and 300/s: the slow part lasted longer.
    work = cases.Work(100, 1.0) + cases.Work(300, 1.0) + cases.Work(100, 3.0)

    assert work.per_second == 100
    with pytest.raises(ValueError, match="time"):
        figures.rate(1, 0)


def test_figures_at_their_limits_are_met() -> None:
    assert all(figures.held(name, GOOD[name]) for name in figures.LIMITS)
    assert figures.held("rss_growth_mib", 1e6) is None
    assert "MISSED" not in figures.verdicts(GOOD)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("lost", 1, 1),
        ("doubled", 1, 1),
        ("store_vs_api_create", 0.69, 0),
        ("ack_p99_ms", 251, 0),
        ("alert_to_action_p99_s", 1.01, 0),
        ("recovery_s", 10, 0),
    ],
)
def test_a_missed_figure_is_shown_and_fails_only_for_alerts(
    name: str, value: float, code: int
) -> None:
    found = GOOD | {name: value}

    (line,) = [line for line in figures.verdicts(found).splitlines() if "MISSED" in line]

    assert line.startswith(name)
    assert figures.exit_code(found) == code


def test_writes_every_figure_under_its_name() -> None:
    assert json.loads(figures.as_json(GOOD | {"other": 1.0})) == GOOD


def a_stored_run(fingerprint: str) -> alerts.Object:
    return {"spec": {"alert": {"fingerprint": fingerprint}}}


def test_counts_alerts_without_a_run_and_runs_too_many() -> None:
    runs = [a_stored_run(each) for each in ("a", "b", "b", "b")]

    assert alerts.losses(["a", "b"], runs) == (0, 2)
    assert alerts.losses(["a", "a", "b", "c", "d"], runs) == (2, 2)


def test_a_delivery_counts_from_its_first_attempt_to_its_answer() -> None:
    delivered = cases.Delivered()
    for begun, ended, status, attempts in (
        (10.0, 10.5, 200, 1),
        (9.0, 14.0, 200, 3),
        (9, 9, 400, 1),
    ):
        delivered.add(
            {
                "pods": [f"{begun}", f"{ended}"],
                "begun": begun,
                "ended": ended,
                "status": status,
                "attempts": attempts,
            }
        )

    assert (delivered.work.count, delivered.work.seconds) == (4, 5.0)
    assert (len(delivered.refused), delivered.repeated) == (2, 2)
    assert delivered.waits == [0.5, 5.0, 0]


def test_pauses_grow_as_alertmanagers_do() -> None:
    pauses = [sending.pause(attempts, 0.5) for attempts in (1, 2, 3, 40)]

    assert pauses == [0.5, 0.75, 1.125, 60.0]
    assert (sending.pause(1, 0.0), sending.pause(1, 1.0)) == (0.25, 0.75)


def test_pods_are_distinct_and_portions_lose_none() -> None:
    pods = alerts.pods("b", 103)
    fingerprints = {alerts.alert("ns", pod, "now")["fingerprint"] for pod in pods}

    assert len(fingerprints) == 103
    assert [len(part) for part in alerts.portions(pods, 20)] == [20, 20, 20, 20, 20, 3]
    assert [pod for part in alerts.portions(pods, 20) for pod in part] == pods


def test_reads_memory_in_mebibytes() -> None:
    status = "Name:\tpython\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\n"

    assert consumption.memory(status, "VmRSS") == 100
    with pytest.raises(ValueError, match="VmSwap"):
        consumption.memory(status, "VmSwap")


def test_reads_cpu_time_behind_any_name() -> None:
    after = "S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20"

    assert consumption.cpu_ticks(f"42 (a) b (python 3)) {after}") == 300
