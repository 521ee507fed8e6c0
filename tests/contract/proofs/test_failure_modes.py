"""Each failure that other healers were seen to have has a test here that carries its name."""

import importlib
from functools import reduce

import pytest

import failure_modes
from failure_modes import MODES, FailureMode


def test_they_are_twenty_and_in_order() -> None:
    assert [mode.number for mode in MODES] == list(range(1, 21))


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: f"{mode.number:02} {mode.name}")
def test_each_has_tests_that_carry_its_name(mode: FailureMode) -> None:
    own = [name for name in failure_modes.tests() if name.startswith(f"test_{mode.number:02}_")]
    assert [word for word in mode.words if not any(word in name for name in own)] == []


def test_every_test_is_about_one_of_them() -> None:
    starts = tuple(f"test_{mode.number:02}_" for mode in MODES)
    assert [name for name in failure_modes.tests() if not name.startswith(starts)] == []


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.guard)
def test_what_rules_it_out_is_still_there(mode: FailureMode) -> None:
    module, _, path = mode.guard.partition(":")
    found = importlib.import_module(f"autoglm_operator.{module}")
    assert callable(reduce(getattr, path.split("."), found))
