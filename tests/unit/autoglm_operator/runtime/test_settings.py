import pytest

from autoglm_operator.commands.operator_settings import OperatorSettings
from autoglm_operator.runtime import settings

IMAGES = {"AUTOGLM_IMAGE": "a", "AUTOGLM_HAPROXY_IMAGE": "h", "AUTOGLM_VALKEY_IMAGE": "v"}


def test_reads_lists_numbers_and_the_downward_api() -> None:
    read = settings.read(
        OperatorSettings,
        {
            **IMAGES,
            "AUTOGLM_WATCH_NAMESPACES": "a, b,",
            "AUTOGLM_DENIED_CIDRS": "10.0.0.0/8",
            "AUTOGLM_WORKERS": "3",
            "POD_UID": "u",
            "HOME": "/",
            "AUTOGLM_CACHE": "/cache",
        },
    )
    assert read.watch_namespaces == ("a", "b")
    assert str(read.denied_cidrs[0]) == "10.0.0.0/8"
    assert (read.workers, read.pod_uid) == (3, "u")


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("AUTOGLM_WORKRS", "3", "AUTOGLM_WORKRS is not a setting of this process; known are: "),
        ("AUTOGLM_WORKERS", "many", "AUTOGLM_WORKERS cannot be used: "),
        ("AUTOGLM_IMAGE", "", "AUTOGLM_IMAGE cannot be used: "),
        ("POD_UID", "x" * 65, "POD_UID cannot be used: "),
    ],
)
def test_refuses_with_a_sentence(variable: str, value: str, sentence: str) -> None:
    with pytest.raises(settings.SettingsError) as refused:
        settings.read(OperatorSettings, {**IMAGES, variable: value})
    assert str(refused.value).startswith(sentence)


def test_reads_the_process_environment_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in IMAGES.items():
        monkeypatch.setenv(variable, value)
    assert settings.read(OperatorSettings).image == "a"
