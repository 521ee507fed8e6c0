"""A shell in which somebody builds or tests the project may start its processes too."""

import re
from pathlib import Path

from autoglm_api.settings import BUILD_VARIABLES

ROOT = Path(__file__).parents[3]
# The demo and the task stack set variables of the processes that they start.
ROOMS = ("testcluster", "testrun", "images", "buildcache", "programs", "cluster", "venv", "test")


def _named_in_hack() -> set[str]:
    files = [
        path
        for room in ROOMS
        for path in [ROOT / "hack" / room, *(ROOT / "hack" / room).rglob("*")]
        if path.is_file() and path.suffix in {"", ".py", ".sh"}
    ]
    return {name for path in files for name in re.findall(r"AUTOGLM_[A-Z_]+", path.read_text())}


def test_every_variable_of_the_tools_is_left_alone_by_the_processes() -> None:
    assert _named_in_hack() == BUILD_VARIABLES
