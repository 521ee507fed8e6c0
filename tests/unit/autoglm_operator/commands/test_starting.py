"""How a process of the control plane starts."""

import logging
from collections.abc import Coroutine, Generator
from pathlib import Path
from typing import Any

import pytest

from autoglm_api.settings import SettingsError
from autoglm_operator.commands.starting import USAGE, start
from autoglm_operator.runtime.settings import ProcessSettings


@pytest.fixture(autouse=True)
def _quiet_root() -> Generator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


async def ends_with_3(settings: ProcessSettings, kubeconfig: Path | None) -> int:
    assert (settings.pod_uid, kubeconfig) == ("u", Path("/k"))
    return 3


def has_no_certificate(_: ProcessSettings, __: Path | None) -> Coroutine[Any, Any, int]:
    raise SettingsError("There is no certificate.")


def test_the_exit_code_is_that_of_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_UID", "u")
    monkeypatch.setenv("KUBECONFIG", "/k")
    assert start(ProcessSettings, ends_with_3) == 3


def test_a_bad_setting_ends_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUTOGLM_PROBE_PORT", "high")
    assert start(ProcessSettings, ends_with_3) == USAGE
    said = capsys.readouterr().err
    assert said.startswith("AUTOGLM_PROBE_PORT cannot be used: ")
    assert said.count("\n") == 1


def test_what_is_missing_before_the_work_ends_in_one_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert start(ProcessSettings, has_no_certificate) == USAGE
    assert capsys.readouterr().err == "There is no certificate.\n"
