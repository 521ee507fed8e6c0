"""When a policy's windows are open: cron schedules in time zones with summer time.

A window opens at a moment of the zone's own clock and stays open for a length of real time, so one
that spans a change of the clock is neither longer nor shorter. An opening at an hour that the clock
skips happens when it goes on; one at an hour that comes twice happens the first time. Reads nothing
but the database of time zones.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from autoglm_api.conditions import Reason
from autoglm_api.durations import format_duration
from autoglm_api.healingguards import Window
from autoglm_operator.decisions.healing import Denial

FIELDS: Final = 5
"""Minute, hour, day of the month, month, day of the week. The library takes seconds as well, which
no window needs."""

_OVERLAP: Final = timedelta(hours=3)
"""How far back before a window's length openings are looked for: more than any clock was ever set
back at once, so that none is missed. Source: the largest change in the IANA database after 1970,
apart from those of the date line, is two hours."""

_EXAMPLE: Final = 'write five fields, as in "0 8 * * 1-5"'


def problem_of(windows: Iterable[Window]) -> Denial | None:
    """Why one of the windows cannot be used although the API server stored it."""
    return next((found for window in windows if (found := _problem(window)) is not None), None)


def is_open(windows: tuple[Window, ...], now: datetime) -> bool:
    """Whether any window is open; without windows it is always time.

    Args:
        windows: Windows in which `problem_of` found nothing.
        now: The time of the look.
    """
    return not windows or any(_is_open(window, now) for window in windows)


def shown(windows: Iterable[Window]) -> str:
    """The windows in one line, for a person."""
    return "; ".join(
        f'"{each.schedule}" {each.time_zone} for {format_duration(each.duration)}'
        for each in windows
    )


def _is_open(window: Window, now: datetime) -> bool:
    moment = now.astimezone(UTC)
    since = (moment - window.duration - _OVERLAP).astimezone(ZoneInfo(window.time_zone))
    for opening in CronSim(window.schedule, since):
        opened = opening.astimezone(UTC)
        if opened > moment:
            return False
        if moment < opened + window.duration:
            return True
    return False


def _problem(window: Window) -> Denial | None:
    zone = _zone_problem(window.time_zone)
    if zone is not None:
        return Denial(Reason.TIME_ZONE_INVALID, zone)
    schedule = _schedule_problem(window.schedule)
    return None if schedule is None else Denial(Reason.SCHEDULE_INVALID, schedule)


def _zone_problem(name: str) -> str | None:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return f"The window's time zone {name!r} is unknown: write one as in Europe/Berlin."
    return None


def _schedule_problem(schedule: str) -> str | None:
    quoted = f"The window's schedule {schedule!r}"
    if len(schedule.split()) != FIELDS:
        return f"{quoted} is no cron expression: {_EXAMPLE}."
    try:
        opening = next(CronSim(schedule, datetime(2024, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        return f"{quoted} is no cron expression ({error}): {_EXAMPLE}."
    return None if opening is not None else f"{quoted} never opens: {_EXAMPLE}."
