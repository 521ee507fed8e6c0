"""How every process reads its environment."""

from ipaddress import IPv4Network
from typing import Annotated, Self

import pytest
from pydantic import Field, model_validator

from autoglm_api.durations import Between, Duration
from autoglm_api.settings import Settings, SettingsError, known, read


class Example(Settings):
    """One of each kind of setting."""

    image: Annotated[str, Field(min_length=1)]
    names: tuple[str, ...] = ()
    denied: tuple[IPv4Network, ...] = ()
    workers: Annotated[int, Field(ge=1, le=64)] = 8
    pause: Annotated[Duration, Between("0s", "1h")] = Field(default="25s", validate_default=True)

    @model_validator(mode="after")
    def _together(self) -> Self:
        if len(self.names) > self.workers:
            raise ValueError("have a worker per name")
        return self


def test_nothing_set_gives_the_defaults() -> None:
    found = read(Example, {"AUTOGLM_IMAGE": "a", "PATH": "/bin"})
    assert (found.names, found.workers, found.pause.total_seconds()) == ((), 8, 25.0)
    assert (found.log_level, found.pod_name) == ("INFO", "")


def test_lists_numbers_durations_and_the_downward_api_are_read() -> None:
    environ = {
        "AUTOGLM_IMAGE": "a",
        "AUTOGLM_NAMES": "a, b,",
        "AUTOGLM_DENIED": "10.0.0.0/8",
        "AUTOGLM_WORKERS": "3",
        "AUTOGLM_PAUSE": "1s500ms",
        "POD_NAME": "double-1",
    }
    found = read(Example, environ)
    assert (found.names, found.workers, found.pod_name) == (("a", "b"), 3, "double-1")
    assert str(found.denied[0]) == "10.0.0.0/8"
    assert found.pause.total_seconds() == 1.5


def test_the_shells_own_variables_are_left_alone() -> None:
    read(Example, {"AUTOGLM_IMAGE": "a", "AUTOGLM_CACHE": "/cache", "AUTOGLM_CLUSTER": "mine"})


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("AUTOGLM_WORKRS", "9", "AUTOGLM_WORKRS is not a setting of this process; known are: "),
        ("AUTOGLM_POD_NAME", "x", "AUTOGLM_POD_NAME is not a setting"),
        ("AUTOGLM_WORKERS", "many", "AUTOGLM_WORKERS cannot be used: "),
        ("AUTOGLM_IMAGE", "", "AUTOGLM_IMAGE cannot be used: "),
        ("AUTOGLM_PAUSE", "soon", "AUTOGLM_PAUSE cannot be used: 'soon' is no duration"),
        ("AUTOGLM_NAMES", "a,a,a,a,a,a,a,a,a", "The settings do not fit together: have a worker"),
        ("POD_UID", "x" * 65, "POD_UID cannot be used: "),
    ],
)
def test_a_bad_variable_is_named(variable: str, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(Example, {"AUTOGLM_IMAGE": "a", variable: text})
    assert str(refused.value).startswith(sentence)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(SettingsError, match="AUTOGLM_IMAGE cannot be used: Field required"):
        read(Example, {})


def test_the_downward_api_is_not_offered_as_a_setting() -> None:
    assert known(Example) == (
        "AUTOGLM_LOG_LEVEL, AUTOGLM_IMAGE, AUTOGLM_NAMES, AUTOGLM_DENIED, AUTOGLM_WORKERS,"
        " AUTOGLM_PAUSE"
    )


def test_the_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGLM_IMAGE", "a")
    assert read(Example).image == "a"
