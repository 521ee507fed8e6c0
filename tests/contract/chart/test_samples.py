"""The samples in docs/ are objects that the types understand."""

from pathlib import Path
from typing import Any

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


def _covered(asked: Any, known: Any) -> bool:
    if isinstance(asked, dict) and isinstance(known, dict):
        return all(key in known and _covered(asked[key], known[key]) for key in asked)
    if isinstance(asked, list) and isinstance(known, list):
        return len(asked) == len(known) and all(map(_covered, asked, known))
    return True
