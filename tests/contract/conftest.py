"""Fixtures of contract tests in more than one folder."""

import pytest

import promtool as lying_in_the_image


@pytest.fixture(scope="session")
def promtool() -> list[str]:
    """The command that starts promtool; without one the test fails, as it does without helm."""
    return lying_in_the_image.command()
