"""Adds up pytest's JUnit reports; never runs anything."""

import dataclasses
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Skip:
    """Tests that did not run, and why."""

    what: str
    """A test's id, or a tier's name when all of it was skipped."""
    reason: str


@dataclasses.dataclass(frozen=True)
class Tally:
    """Outcome of one tier or of several added up."""

    passed: int = 0
    failed: int = 0
    """Failures and errors."""
    skipped: int = 0
    skips: tuple[Skip, ...] = ()

    def __add__(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.skips + other.skips,
        )

    def line(self) -> str:
        """The closing line, the same for a tier and for the total."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def read(report: Path) -> Tally:
    """Tally of one JUnit file.

    Raises:
        OSError: There is no such file: pytest ended before it wrote one.
        ET.ParseError: The file was cut short.
    """
    # The file is pytest's own, written a moment ago: nothing to defend against.
    cases = list(ET.parse(report).getroot().iter("testcase"))  # noqa: S314
    failed = [case for case in cases if case.find("failure") is not None or _has_error(case)]
    skips = tuple(_skips(cases))
    return Tally(len(cases) - len(failed) - len(skips), len(failed), len(skips), skips)


def _has_error(case: ET.Element) -> bool:
    return case.find("error") is not None


def _skips(cases: Iterable[ET.Element]) -> Iterable[Skip]:
    for case in cases:
        mark = case.find("skipped")
        if mark is not None:
            what = f"{case.get('classname', '')}.{case.get('name', '')}"
            yield Skip(what, mark.get("message", "no reason given"))
