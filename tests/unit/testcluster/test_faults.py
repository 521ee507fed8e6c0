"""The catalogue of faults."""

import pytest

from testcluster.faults import CATALOGUE, Scope, listing

PAIRS = {"stop": "start", "cut": "heal", "crash": "boot", "fill": "free"}


@pytest.mark.parametrize("name", [n for n in CATALOGUE if n.partition("-")[0] in PAIRS])
def test_every_fault_can_be_undone(name: str) -> None:
    verb, _, what = name.partition("-")
    undo = CATALOGUE[f"{PAIRS[verb]}-{what}"]
    assert undo.scope is CATALOGUE[name].scope


def test_nothing_is_undone_that_cannot_be_done() -> None:
    assert len(CATALOGUE) == 2 * sum(n.partition("-")[0] in PAIRS for n in CATALOGUE)


def test_the_list_explains_each_on_one_line() -> None:
    lines = listing().splitlines()
    assert len(lines) == len(CATALOGUE)
    for fault, line in zip(CATALOGUE.values(), lines, strict=True):
        assert line.startswith(fault.name)
        assert ("NODE" in line) is (fault.scope is Scope.NODE)
        assert fault.does in line
        assert fault.shows in line
