"""The total of `make test` says neither more nor less than pytest's reports."""

from pathlib import Path

import pytest

from testrun.report import Tally, read
from testrun.tiers import chosen

REPORT = """<testsuites><testsuite>
<testcase classname="a" name="good"/>
<testcase classname="a" name="bad"><failure message="no"/></testcase>
<testcase classname="a" name="broken"><error message="setup"/></testcase>
<testcase classname="a" name="absent"><skipped message="no HAProxy here"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def tally(tmp_path: Path) -> Tally:
    file = tmp_path / "report.xml"
    file.write_text(REPORT)
    return read(file)


def test_counts_failures_and_errors_as_failed(tally: Tally) -> None:
    assert tally.line() == "1 passed, 2 failed, 1 skipped"


def test_keeps_the_reason_of_each_skip(tally: Tally) -> None:
    assert [(skip.what, skip.reason) for skip in tally.skips] == [("a.absent", "no HAProxy here")]


def test_tallies_add_up(tally: Tally) -> None:
    assert (tally + tally).line() == "2 passed, 4 failed, 2 skipped"


def test_a_report_cut_short_is_an_error_not_a_pass(tmp_path: Path) -> None:
    file = tmp_path / "report.xml"
    file.write_text(REPORT[:60])
    with pytest.raises(SyntaxError):
        read(file)


def test_tiers_run_in_their_own_order_whatever_order_they_are_named_in() -> None:
    assert [tier.name for tier in chosen(["e2e", "unit"])] == ["unit", "e2e"]


def test_an_unknown_tier_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="choose from unit, contract"):
        chosen(["smoke"])
