"""The end of a run says what was skipped and what was left, and lets nothing pass in silence."""

import pytest

from summary import Summary

pytest_plugins = ["pytester"]

SKIPPED = "import pytest\ndef test_it():\n    pytest.skip('There are no nodes.')\n"


def run(pytester: pytest.Pytester, summary: Summary, tier: str, source: str) -> pytest.RunResult:
    (pytester.mkdir(tier) / "test_it.py").write_text(source)
    return pytester.runpytest_inprocess("-p", "no:asyncio", plugins=[summary])


@pytest.mark.parametrize("tier", ["unit", "e2e"])
def test_names_what_was_skipped_and_why(tier: str, pytester: pytest.Pytester) -> None:
    summary = Summary(root=pytester.path, nodes_required=False)
    result = run(pytester, summary, tier, SKIPPED)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        ["*skipped, and why*", f"{tier}/test_it.py::test_it: There are no nodes."]
    )


def test_fails_a_skip_where_nodes_are_demanded(pytester: pytest.Pytester) -> None:
    summary = Summary(root=pytester.path, nodes_required=True)
    result = run(pytester, summary, "e2e", SKIPPED)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*There are no nodes.*", "*may not be skipped*"])


def test_lets_a_tier_without_nodes_skip_all_the_same(pytester: pytest.Pytester) -> None:
    summary = Summary(root=pytester.path, nodes_required=True)
    run(pytester, summary, "unit", SKIPPED).assert_outcomes(skipped=1)


def test_fails_a_fixture_that_skips_where_nodes_are_demanded(pytester: pytest.Pytester) -> None:
    summary = Summary(root=pytester.path, nodes_required=True)
    source = (
        "import pytest\n"
        "@pytest.fixture\n"
        "def nodes():\n"
        "    pytest.skip('There are no nodes.')\n"
        "def test_it(nodes): ...\n"
    )
    run(pytester, summary, "integration", source).assert_outcomes(errors=1)


def test_leaves_an_expected_failure_alone(pytester: pytest.Pytester) -> None:
    summary = Summary(root=pytester.path, nodes_required=True)
    source = "import pytest\n@pytest.mark.xfail\ndef test_it():\n    assert False\n"
    run(pytester, summary, "e2e", source).assert_outcomes(xfailed=1)


def test_names_what_failed_tests_left(pytester: pytest.Pytester) -> None:
    summary = Summary(root=pytester.path, nodes_required=False)
    summary.leftovers["heals-a-pod-1a2b3c"] = "e2e/test_it.py::test_heals_a_pod"
    result = run(pytester, summary, "unit", "def test_it(): ...\n")
    result.stdout.fnmatch_lines(
        ["*leftovers*", "namespace heals-a-pod-1a2b3c: e2e/test_it.py::test_heals_a_pod"]
    )


def test_prints_measured_seconds(pytester: pytest.Pytester) -> None:
    summary = Summary(root=pytester.path, nodes_required=False)
    summary.measured["e2e/test_it.py::test_it"] = ["    1.0 s  the node is gone"]
    result = run(pytester, summary, "unit", "def test_it(): ...\n")
    result.stdout.fnmatch_lines(["*measured seconds*", "*1.0 s  the node is gone"])


def test_says_nothing_when_there_is_nothing_to_say(pytester: pytest.Pytester) -> None:
    summary = Summary(root=pytester.path, nodes_required=False)
    result = run(pytester, summary, "unit", "def test_it(): ...\n")
    for heading in ("measured", "skipped, and why", "leftovers"):
        result.stdout.no_fnmatch_line(f"*{heading}*")
