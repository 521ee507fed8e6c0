"""What a cluster looked like after a test that failed, in that test's report.

Exists because what a folder of tests has set up is cleared away in the end. Never fails a test.
"""

import contextlib
from collections.abc import Generator, Iterable, Sequence

import pytest

from demo import kubectl
from demo.telling import StepError


@contextlib.contextmanager
def after_failure(
    request: pytest.FixtureRequest, looks: Iterable[Sequence[str]]
) -> Generator[None]:
    """Let a test run; if it fails, report what kubectl says to each of these.

    Args:
        request: Of a fixture that lives as long as the test.
        looks: The words after kubectl.
    """
    failed_before = request.session.testsfailed
    yield
    if request.session.testsfailed > failed_before:
        for words in looks:
            try:
                seen = kubectl.run(*words)
            except StepError as error:
                seen = str(error)
            request.node.add_report_section("teardown", " ".join(words), seen)
