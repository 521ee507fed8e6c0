"""The samples in docs/ are objects that the types understand."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import yaml

from autoglm_api.autoglmcluster import AutoGLMClusterSpec
from autoglm_api.base import SpecModel
from autoglm_api.healingpolicy import HealingPolicySpec
from autoglm_api.modelendpoint import ModelEndpointSpec

SAMPLES = Path(__file__).parents[3] / "docs" / "samples"
SPECS: dict[str, type[SpecModel]] = {
    "AutoGLMCluster": AutoGLMClusterSpec,
    "HealingPolicy": HealingPolicySpec,
    "ModelEndpoint": ModelEndpointSpec,
}
OURS = [
    (f"{path.stem}-{document['metadata']['name']}", document)
    for path in sorted(SAMPLES.glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
    if document["apiVersion"].startswith("autoglm.io/")
]


@pytest.mark.parametrize(("name", "document"), OURS, ids=[name for name, _ in OURS])
def test_a_sample_says_only_what_its_type_knows(name: str, document: dict[str, object]) -> None:
    written = SPECS[str(document["kind"])].model_validate(document["spec"]).as_json()
    assert _covered(document["spec"], written), f"{name} has a field that its type does not know"


def _covered(asked: object, known: object) -> bool:
    return all(_at(known, path) == value for path, value in _leaves(asked))


def _leaves(node: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    children = _children(node)
    if not children:
        yield path, node
    for name, child in children.items():
        yield from _leaves(child, (*path, name))


def _at(node: object, path: tuple[str, ...]) -> object:
    for name in path:
        node = _children(node).get(name)
    return node


def _children(node: object) -> dict[str, object]:
    if isinstance(node, dict):
        return {str(key): value for key, value in cast("dict[object, object]", node).items()}
    if isinstance(node, list):
        return {str(place): value for place, value in enumerate(cast("list[object]", node))}
    return {}
