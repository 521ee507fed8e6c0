"""How a process reads its environment."""

from datetime import timedelta
from pathlib import Path

import pytest

from autoglm_dataplane.planner.settings import PlannerSettings
from autoglm_dataplane.serving.settings import SettingsError, read, read_secret
from autoglm_dataplane.simulator.settings import SimulatorSettings


def test_nothing_set_gives_the_defaults() -> None:
    settings = read(SimulatorSettings, {"PATH": "/bin"})
    assert settings.port == 8000
    assert settings.shutdown_grace == timedelta(seconds=25)


def test_lists_durations_and_the_downward_api_are_read() -> None:
    environ = {"AUTOGLM_MODELS": "a, b,", "AUTOGLM_LATENCY": "1s500ms", "POD_NAME": "double-1"}
    settings = read(SimulatorSettings, environ)
    assert settings.models == ("a", "b")
    assert settings.latency == timedelta(milliseconds=1500)
    assert settings.pod_name == "double-1"


def test_the_shells_own_variables_are_left_alone() -> None:
    read(SimulatorSettings, {"AUTOGLM_CACHE": "/cache", "AUTOGLM_CLUSTER": "mine"})


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("AUTOGLM_SPEED", "9", "AUTOGLM_SPEED is not a setting of this process; known are"),
        ("AUTOGLM_POD_NAME", "x", "AUTOGLM_POD_NAME is not a setting"),
        ("AUTOGLM_PORT", "high", "AUTOGLM_PORT cannot be used"),
        ("AUTOGLM_LATENCY", "soon", "AUTOGLM_LATENCY cannot be used: 'soon' is no duration"),
        ("AUTOGLM_TLS_KEY_FILE", "/k", "The settings do not fit together: set both"),
    ],
)
def test_a_bad_variable_is_named(variable: str, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        read(SimulatorSettings, {variable: text})


def test_a_missing_setting_is_named() -> None:
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
