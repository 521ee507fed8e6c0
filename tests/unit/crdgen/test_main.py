"""The command writes one file per kind, or says which field it cannot write."""

from pathlib import Path

import pytest
import yaml

from crdgen import __main__ as command
from crdgen.definitions import AnyResource
from crdgen.schema import NotStructural


def test_writes_one_file_per_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["crdgen", str(tmp_path / "new")])
    assert command.main() == 0
    written = sorted((tmp_path / "new").iterdir())
    assert [path.name for path in written] == [
        "autoglm.io_autoglmclusters.yaml",
        "autoglm.io_healingpolicies.yaml",
        "autoglm.io_healingruns.yaml",
        "autoglm.io_modelendpoints.yaml",
    ]
    for path in written:
        text = path.read_text()
        assert text.startswith("# Written by hack/update-crds.sh")
        assert "&id" not in text
        assert yaml.safe_load(text)["kind"] == "CustomResourceDefinition"


def test_a_type_that_cannot_be_written_ends_in_its_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(resource: AnyResource) -> dict[str, object]:
        message = f"{resource.__name__}.spec: every field needs one type"
        raise NotStructural(message)

    monkeypatch.setattr(command, "definition_of", refuse)
    monkeypatch.setattr("sys.argv", ["crdgen", str(tmp_path)])
    assert command.main() == 1
    assert capsys.readouterr().err == "AutoGLMCluster.spec: every field needs one type\n"
