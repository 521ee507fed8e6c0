"""`autoglm clean-disk`: one run on one node; the report is the container's termination message.

It only wires. The exit code says whether there is a report, never whether enough was removed: that
is the healer's to judge.
"""

import sys
import time
from functools import partial
from pathlib import Path

from autoglm_api import cleaning, logs
from autoglm_api.cleaning import CleaningReport
from autoglm_api.settings import SettingsError, read
from autoglm_dataplane.cleaner import grpc
from autoglm_dataplane.cleaner.removal import ignore_broken_leases
from autoglm_dataplane.cleaner.settings import CleanerSettings
from autoglm_dataplane.cleaner.sweeping import Floors
from autoglm_dataplane.cleaner.work import NODE, Order, clean

RUNTIME_SECONDS = 60.0
"""Limit of one answer of the runtime: removing a large image takes a while on a busy disk."""


def main() -> int:
    """Clean and report; 2 if the environment cannot be used, 1 if nothing could be measured."""
    try:
        settings = read(CleanerSettings)
    except SettingsError as error:
        return _fail(str(error), 2)
    logs.configure(settings.log_level)
    ignore_broken_leases()
    try:
        report = clean(NODE, order_of(settings), _connect)
    except OSError as error:
        return _fail(f"The node's disk cannot be measured: {error}.", 1)
    text = shortened(report)
    print(text, flush=True)  # noqa: T201 - the log keeps it if the message cannot be written
    return _write(text)


def order_of(settings: CleanerSettings) -> Order:
    """What the settings ask for, from this moment on."""
    ends = time.monotonic() + settings.budget_seconds
    return Order(
        remove=frozenset(settings.remove),
        floors=Floors(time.time(), settings.minimum_age_seconds, settings.minimum_size_bytes),
        enough=lambda: time.monotonic() >= ends,
        pause=time.sleep,  # noqa: TID251 - one program, one task
    )


def shortened(report: CleaningReport) -> str:
    """The report as JSON that fits into a termination message, least important parts left out."""
    text = report.model_dump_json(exclude_none=True)
    while len(text.encode()) > cleaning.REPORT_LIMIT and (report.kept or report.problems):
        kept, problems = report.kept[:-1], report.problems
        if not report.kept:
            problems = problems[:-1]
        report = report.model_copy(update={"kept": kept, "problems": problems})
        text = report.model_dump_json(exclude_none=True)
    return text


def _write(text: str) -> int:
    try:
        Path(cleaning.REPORT_PATH).write_text(text)
    except OSError as error:
        return _fail(f"The report cannot be written: {error}.", 1)
    return 0


def _fail(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - what kubectl logs shows
    return code


_connect = partial(grpc.connect, Path(cleaning.RUNTIME_SOCKET), timeout=RUNTIME_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
