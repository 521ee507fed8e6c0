"""When windows are open, on days on which the clocks are changed as well."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoglm_api.conditions import Reason
from autoglm_api.healingguards import Window
from autoglm_operator.decisions import windows

BERLIN = ZoneInfo("Europe/Berlin")
WORK = Window.model_validate(
    {"schedule": "0 8 * * 1-5", "duration": "10h", "timeZone": "Europe/Berlin"}
)


def a_window(schedule: str, duration: str, zone: str = "Europe/Berlin") -> Window:
    return Window.model_validate({"schedule": schedule, "duration": duration, "timeZone": zone})


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    """A moment of a zone's own clock; a trailing * is the second time that it comes."""
    moment = datetime.fromisoformat(text.rstrip("*")).replace(tzinfo=zone)
    return moment.replace(fold=1 if text.endswith("*") else 0)


def opens(window: Window, text: str) -> bool:
    return windows.is_open((window,), at(text).astimezone(UTC))


def test_is_open_from_the_schedule_on_for_its_duration() -> None:
    open_at = ("2026-03-02 08:00", "2026-03-02 12:00", "2026-03-02 17:59:59.999")
    shut_at = ("2026-03-02 07:59:59.999", "2026-03-02 18:00", "2026-03-01 12:00")
    work = a_window("0 8 * * 1-5", "10h")
    assert [opens(work, each) for each in open_at] == [True] * 3
    assert [opens(work, each) for each in shut_at] == [False] * 3


def test_without_windows_it_is_always_time() -> None:
    assert windows.is_open((), at("2026-03-02 03:00"))


def test_any_open_window_is_enough() -> None:
    night, noon = a_window("0 22 * * *", "2h"), a_window("0 12 * * *", "1h")
    assert windows.is_open((night, noon), at("2026-03-02 12:30"))
    assert not windows.is_open((night, noon), at("2026-03-02 13:30"))


def test_stays_open_across_midnight_and_for_days() -> None:
    weekend = a_window("0 20 * * 5", "60h")
    assert opens(weekend, "2026-03-07 03:00")
    assert opens(weekend, "2026-03-09 07:59")
    assert not opens(weekend, "2026-03-09 08:00")


def test_follows_the_zone_and_not_utc() -> None:
    # 08:00 is 07:00 UTC in winter and 06:00 UTC in summer.
    work = a_window("0 8 * * *", "1h")
    assert windows.is_open((work,), datetime(2026, 1, 15, 7, 30, tzinfo=UTC))
    assert not windows.is_open((work,), datetime(2026, 1, 15, 6, 30, tzinfo=UTC))
    assert windows.is_open((work,), datetime(2026, 7, 15, 6, 30, tzinfo=UTC))
    assert not windows.is_open((work,), datetime(2026, 7, 15, 7, 30, tzinfo=UTC))


def test_an_opening_that_the_clock_skips_happens_when_it_goes_on() -> None:
    # On 29 March 2026 the clock goes from 02:00 to 03:00.
    skipped = a_window("30 2 * * *", "1h")
    assert not opens(skipped, "2026-03-29 01:59")
    assert opens(skipped, "2026-03-29 03:00")
    assert opens(skipped, "2026-03-29 03:59")
    assert not opens(skipped, "2026-03-29 04:00")
    assert opens(skipped, "2026-03-28 02:30")
    assert opens(skipped, "2026-03-30 02:30")


def test_an_opening_that_comes_twice_happens_the_first_time() -> None:
    # On 25 October 2026 the clock goes back from 03:00 to 02:00.
    twice = a_window("30 2 * * *", "30m")
    assert opens(twice, "2026-10-25 02:30")
    assert not opens(twice, "2026-10-25 02:00*")
    assert not opens(twice, "2026-10-25 02:30*")


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2026-06-01"])
def test_lasts_as_long_on_every_day(day: str) -> None:
    window = a_window("0 0 * * *", "6h")
    start = at(f"{day} 00:00").astimezone(UTC)
    minutes = [
        minute
        for minute in range(-60, 600)
        if windows.is_open((window,), start + timedelta(minutes=minute))
    ]
    assert minutes == list(range(360))


def test_hourly_windows_open_in_both_hours_of_the_change() -> None:
    hourly = a_window("0 * * * *", "10m")
    assert opens(hourly, "2026-10-25 02:05")
    assert opens(hourly, "2026-10-25 02:05*")
    assert not opens(hourly, "2026-10-25 02:15*")


def test_a_zone_with_half_an_hour_of_summer_time() -> None:
    # Lord Howe Island goes back by 30 minutes, from 02:00 to 01:30, on 5 April 2026.
    howe = ZoneInfo("Australia/Lord_Howe")
    window = a_window("45 1 * * *", "10m", "Australia/Lord_Howe")
    first = at("2026-04-05 01:45", howe)
    assert windows.is_open((window,), first.astimezone(UTC))
    assert not windows.is_open((window,), first.replace(fold=1).astimezone(UTC))


def test_a_schedule_that_never_comes_is_never_open() -> None:
    assert not opens(a_window("* * */20 * 1L", "1h"), "2026-03-02 08:00")


def test_a_day_that_comes_once_in_four_years() -> None:
    leap = a_window("0 12 29 2 *", "1h", "UTC")
    assert windows.is_open((leap,), datetime(2028, 2, 29, 12, 30, tzinfo=UTC))
    assert not windows.is_open((leap,), datetime(2026, 2, 28, 12, 30, tzinfo=UTC))


@given(st.integers(0, 15 * 365 * 24 * 60))
def test_a_window_that_opens_every_hour_for_an_hour_is_always_open(minutes: int) -> None:
    always = a_window("0 * * * *", "1h")
    moment = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    assert windows.is_open((always,), moment)


@pytest.mark.parametrize(
    "schedule", ["0 8 * * 1-5", "*/15 * * * *", "0 0 1 1 *", "0 8 * * MON-FRI", "0 0 L * *"]
)
def test_takes_what_cron_takes(schedule: str) -> None:
    assert windows.problem_of([a_window(schedule, "1h")]) is None


@pytest.mark.parametrize(
    "schedule",
    [
        "0 25 * * *",
        "61 * * * *",
        "0 0 0 8 * *",
        "0 8 * * 8",
        "a b c d e",
        "@daily    ",
        "0 0 30 2 *",
        "* * */20 * 1L",
        "every day at 8",
        "-1 * * * *",
    ],
)
def test_names_a_schedule_that_cannot_be_used(schedule: str) -> None:
    problem = windows.problem_of([WORK, a_window(schedule, "1h")])
    assert problem is not None
    assert problem.reason is Reason.SCHEDULE_INVALID
    assert repr(schedule) in problem.message
    assert "0 8 * * 1-5" in problem.message


@pytest.mark.parametrize(
    "zone", ["Europe/Nowhere", "../../etc/passwd", "/etc/localtime", "America", "berlin", "a\0b"]
)
def test_names_a_zone_that_does_not_exist(zone: str) -> None:
    problem = windows.problem_of([a_window("0 8 * * *", "1h", zone)])
    assert problem is not None
    assert problem.reason is Reason.TIME_ZONE_INVALID
    assert "Europe/Berlin" in problem.message


@given(st.text(min_size=9, max_size=40), st.text(min_size=1, max_size=20))
def test_no_text_breaks_the_reader(schedule: str, zone: str) -> None:
    windows.problem_of([a_window(schedule, "1h", zone), a_window(schedule, "1h")])


def test_shows_windows_in_one_line() -> None:
    assert windows.shown([WORK, a_window("0 0 * * 6", "90m", "UTC")]) == (
        '"0 8 * * 1-5" Europe/Berlin for 10h; "0 0 * * 6" UTC for 1h30m'
    )
