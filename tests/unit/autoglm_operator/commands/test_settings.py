"""What processes of the control plane are told."""

import pytest

from autoglm_api.settings import SettingsError, read
from autoglm_operator.commands.operator_settings import OperatorSettings

IMAGES = {"AUTOGLM_IMAGE": "a", "AUTOGLM_HAPROXY_IMAGE": "h", "AUTOGLM_VALKEY_IMAGE": "v"}


def test_the_operator_is_told_namespaces_and_networks() -> None:
    told = {"AUTOGLM_WATCH_NAMESPACES": "a, b,", "AUTOGLM_DENIED_CIDRS": "10.0.0.0/8"}
    found = read(OperatorSettings, {**IMAGES, **told})
    assert found.watch_namespaces == ("a", "b")
    assert str(found.denied_cidrs[0]) == "10.0.0.0/8"


def test_a_process_lives_in_the_namespace_of_its_pod() -> None:
    assert read(OperatorSettings, IMAGES).namespace == "default"
    assert read(OperatorSettings, {**IMAGES, "POD_NAMESPACE": "mine"}).namespace == "mine"


def test_the_operator_needs_its_images() -> None:
    with pytest.raises(SettingsError, match=r"^AUTOGLM_IMAGE cannot be used: "):
        read(OperatorSettings, {**IMAGES, "AUTOGLM_IMAGE": ""})
