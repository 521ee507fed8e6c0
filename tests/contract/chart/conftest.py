"""The chart, rendered by the real helm."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import programs

CHART = Path(__file__).parents[3] / "charts" / "autoglm-operator"

Render = Callable[..., list[dict[str, Any]]]


class Yaml12Loader(yaml.SafeLoader):
    """Reads `=` as text, as YAML 1.2 and Kubernetes do; it is a value of `matchType`."""


Yaml12Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: str(node.value))


@pytest.fixture
def read_yaml() -> Callable[[Path], dict[str, Any]]:
    """Reads one document of a file."""

    def read(path: Path) -> dict[str, Any]:
        document: dict[str, Any] = yaml.load(path.read_text(), Loader=Yaml12Loader)  # noqa: S506
        return document

    return read


@pytest.fixture(scope="session")
def helm() -> Path:
    return programs.ensure(["helm"])["helm"]


@pytest.fixture
def render(helm: Path) -> Render:
    """Renders the chart with `--set` values; a refusal raises CalledProcessError with its text."""

    def run(*values: str) -> list[dict[str, Any]]:
        options = [word for value in values for word in ("--set", value)]
        command = [str(helm), "template", "autoglm", str(CHART), "--namespace", "autoglm-system"]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
        documents = yaml.load_all(done.stdout, Loader=Yaml12Loader)
        return [document for document in documents if document]

    return run
