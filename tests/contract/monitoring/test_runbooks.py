"""Runbooks use the words that the code says, and the names that the chart gives."""

import re
from pathlib import Path

import pytest

import runbook_commands
from autoglm_api import kinds
from autoglm_api.conditions import Reason
from autoglm_api.healingladder import ActionName
from autoglm_api.kinds import Kind
from autoglm_cli.main import COMMANDS
from shipped_rules import alerts

OF_KUBERNETES = {
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "FailedScheduling",
    "ImagePullBackOff",
}
WORD = re.compile(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`")
RUNBOOKS = sorted(runbook_commands.RUNBOOKS.glob("*.md"))
OWN_COMMAND = re.compile(r"^autoglm ([a-z-]+)|`autoglm ([a-z-]+)", re.MULTILINE)
OWN_NAME = re.compile(r"\b(?:deploy[/ ]|configmap )(autoglm-[a-z]+)")
NAMES = {
    "autoglm-operator",
    "autoglm-receiver",
    "autoglm-healer",
    "autoglm-rules",
    "autoglm-healing",  # made by a person, to pause everything
}
CAPITALS = re.compile(r"(?<![A-Za-z_-])[A-Z][A-Z-]*(?![A-Za-z_-])")
TO_FILL = {
    "ALERTMANAGER",
    "CLAIM",
    "CLUSTER",
    "CONTAINER",
    "ENDPOINT",
    "HPA",
    "MONITORING",
    "N",
    "NAMESPACE",
    "NODE",
    "PATH",
    "POD",
    "POLICY",
    "PROMETHEUS",
    "RUN",
    "SIZE",
    "STEP",
    "WORKLOAD",
    "YOUR-USER-NAME",
}


def known_words() -> set[str]:
    ours = {each.kind for each in vars(kinds).values() if isinstance(each, Kind)}
    return {*Reason, *ActionName} | ours | {alert.name for alert in alerts()} | OF_KUBERNETES


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_a_word_of_a_status_is_one_that_somebody_says(path: Path) -> None:
    assert set(WORD.findall(path.read_text(encoding="utf-8"))) <= known_words()


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_a_name_of_ours_is_one_that_the_chart_gives(path: Path) -> None:
    assert set(OWN_NAME.findall(path.read_text(encoding="utf-8"))) <= NAMES


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_a_command_of_ours_is_one_for_people(path: Path) -> None:
    found = {one or other for one, other in OWN_COMMAND.findall(path.read_text(encoding="utf-8"))}
    assert found <= {command.name for command in COMMANDS}


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_a_command_says_in_known_words_what_is_to_be_filled_in(path: Path) -> None:
    for command in runbook_commands.commands(path):
        bare = re.sub(r"NODE:|NAME:|TAINTS:|EXPANSION:|ALERTMANAGER\||DEAD_MAN", "", command.text)
        assert set(CAPITALS.findall(bare)) <= TO_FILL, command.text


def test_commands_are_found_in_blocks_and_in_sentences() -> None:
    found = runbook_commands.commands(runbook_commands.RUNBOOKS / "KubeNodeNotReady.md")
    texts = [each.text for each in found]
    assert "kubectl describe node NODE" in texts
    assert "kubectl cordon NODE" in texts
    assert not [text for text in texts if "systemctl" in text or "#" in text]
