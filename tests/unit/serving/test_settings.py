"""What processes of the data plane are told, and the secret files that it names."""

from datetime import timedelta
from pathlib import Path

import pytest

from autoglm_api.settings import SettingsError, read
from autoglm_dataplane.planner.settings import PlannerSettings
from autoglm_dataplane.serving.settings import read_secret
from autoglm_dataplane.simulator.settings import SimulatorSettings


def test_nothing_set_gives_the_defaults() -> None:
    settings = read(SimulatorSettings, {})
    assert settings.port == 8000
    assert settings.shutdown_grace == timedelta(seconds=25)


def test_settings_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(SettingsError, match="The settings do not fit together: set both"):
        read(SimulatorSettings, {"AUTOGLM_TLS_KEY_FILE": "/k"})


def test_a_planner_needs_a_store() -> None:
    with pytest.raises(SettingsError, match="AUTOGLM_STORE_URL cannot be used: Field required"):
        read(PlannerSettings, {})


def test_a_secret_is_read_without_its_newline(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("abc\n")
    assert read_secret(file, "X") == "abc"


def test_a_secret_that_is_absent_or_empty_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for file in (empty, tmp_path / "absent"):
        with pytest.raises(SettingsError, match="AUTOGLM_X names"):
            read_secret(file, "AUTOGLM_X")
