"""The Dockerfile says the same as the catalogue, for those who build with Docker."""

import json
import re

import pytest

from images.building import SEARCH_PATH
from images.catalogue import BASE_PACKAGES, CATALOGUE, NONROOT, Recipe, Suite
from images.docker import DOCKERFILE

STAGES = {
    stage.split(" AS ")[1].split("\n")[0]: stage
    for stage in DOCKERFILE.read_text().replace("\\\n", " ").split("\nFROM ")[1:]
}


def instructions(stage: str, word: str) -> list[str]:
    return re.findall(rf"^{word} (.*)$", STAGES[stage], re.MULTILINE)


@pytest.fixture(params=CATALOGUE)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return CATALOGUE[request.param]


def test_suites_are_the_same() -> None:
    args = dict(re.findall(r"^ARG (\w+)=(\w+)$", DOCKERFILE.read_text(), re.MULTILINE))
    assert args == {suite.name: suite.value for suite in Suite}


@pytest.mark.parametrize("stage", ["stable", "testing"])
def test_bases_hold_the_same_packages(stage: str) -> None:
    assert all(name in STAGES[stage] for name in BASE_PACKAGES if name != "base-files")


@pytest.mark.parametrize("stage", ["stable", "testing", "frame"])
def test_bases_search_programs_in_the_same_places(stage: str) -> None:
    assert instructions(stage, "ENV") == [f"PATH={SEARCH_PATH} LANG=C.UTF-8"]


def test_image_starts_in_the_same_way(recipe: Recipe) -> None:
    started = {
        word: json.loads(instructions(recipe.name, word)[0])
        for word in ("ENTRYPOINT", "CMD")
        if instructions(recipe.name, word)
    }
    wanted = {"ENTRYPOINT": list(recipe.entrypoint), "CMD": list(recipe.command)}
    assert started == {word: value for word, value in wanted.items() if value}
    assert instructions(recipe.name, "USER") == [NONROOT]
    assert "".join(instructions(recipe.name, "STOPSIGNAL")) == recipe.stop_signal


def test_image_has_the_same_environment(recipe: Recipe) -> None:
    words = " ".join(instructions(recipe.name, "ENV")).split()
    assert dict(word.split("=", 1) for word in words) == dict(recipe.environment)


def test_image_has_the_same_programs_in_the_same_range(recipe: Recipe) -> None:
    stage = STAGES["python"] if recipe.name == "autoglm" else STAGES[recipe.name]
    installed = re.findall(r"--no-install-recommends (.*?) +&&", stage)
    assert installed == ([" ".join(recipe.packages)] if recipe.packages else [])
    accepted = re.findall(r"accept (\S+) (\S+) (\S+)", stage)
    assert accepted == [(name, r.at_least, r.below) for name, r in recipe.accepted.items()]
    assert not recipe.program or f"/{recipe.program} /bin/{recipe.program}" in stage
