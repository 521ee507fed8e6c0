"""What the terminal says after a run: measured seconds, what was skipped, what was left behind.

Exists so that nobody has to search a log for the three things that are asked first. A plugin of
pytest; never changes an outcome, save that a demanded test may not be skipped.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

NODE_TIERS = ("integration", "e2e")
"""Folders below tests/ whose tests need a cluster."""


@dataclass(eq=False)  # pytest keeps its plugins in sets
class Summary:
    """Collects during the run and prints at its end."""

    root: Path
    nodes_required: bool
    measured: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    skipped: dict[str, str] = field(default_factory=dict[str, str])
    leftovers: dict[str, str] = field(default_factory=dict[str, str])
    """Namespaces kept for a look, and the test that made them."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note skips and turn a demanded test's skip into a failure."""
        report = yield
        # An expected failure is reported as skipped too, and has a reason of its own.
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = _reason(report)
            if self.nodes_required and self.needs_nodes(item.path):
                report.outcome = "failed"
                report.longrepr = (
                    f"{reason}\nAUTOGLM_REQUIRE_NODES=1: this test may not be skipped."
                )
            else:
                self.skipped[item.nodeid] = reason
        return report

    def needs_nodes(self, path: Path) -> bool:
        """Tell whether a test file lies in a tier that needs a cluster."""
        tier = path.relative_to(self.root).parts[0] if path.is_relative_to(self.root) else ""
        return tier in NODE_TIERS

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the collected sections; an empty one is left out."""
        if self.measured:
            terminalreporter.section("measured seconds")
            for test, lines in self.measured.items():
                terminalreporter.line(test)
                for line in lines:
                    terminalreporter.line(f"  {line}")
        if self.skipped:
            terminalreporter.section("skipped, and why")
            for test, reason in self.skipped.items():
                terminalreporter.line(f"{test}: {reason}")
        if self.leftovers:
            terminalreporter.section("leftovers of failed tests")
            for namespace, test in self.leftovers.items():
                terminalreporter.line(f"namespace {namespace}: {test}")
            terminalreporter.line("look: hack/cluster kubectl -n NAMESPACE get all,events")
            terminalreporter.line("remove: hack/cluster kubectl delete namespace NAMESPACE")


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(report.longrepr)
