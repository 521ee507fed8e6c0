import hashlib
import json
import platform
import tarfile
from pathlib import Path
from typing import Any

import pytest

from buildcache import keys
from buildcache.failures import BuildError
from images import layers, oci, roots
from images.oci import Blob, Settings

SETTINGS = Settings("65532:65532", ("tool",), ("--serve",), {"PATH": "/bin"}, {"title": "t"})
REFERENCES = ["registry.local/tool:abc", "registry.local/tool:dev"]


def a_layer(folder: Path, name: str) -> Blob:
    root, file = folder / name, folder / f"{name}.tar"
    root.mkdir(parents=True)
    (root / name).write_text(name)
    layers.pack(root, file)
    return Blob(file, f"sha256:{keys.file_digest(file)}", file.stat().st_size)


def an_archive(folder: Path) -> Path:
    blobs = [a_layer(folder, "lower"), a_layer(folder, "upper")]
    config = oci.config(SETTINGS, blobs, "amd64")
    out = folder / "image.tar"
    oci.write(out, REFERENCES, (config, oci.manifest(config, blobs)), blobs)
    return out


def read(archive: Path, path: str) -> bytes:
    with tarfile.open(archive) as tar:
        member = tar.extractfile(path)
        assert member is not None
        return member.read()


def document(archive: Path, descriptor: dict[str, Any]) -> dict[str, Any]:
    data = read(archive, "blobs/" + descriptor["digest"].replace(":", "/"))
    assert len(data) == descriptor["size"]
    found: dict[str, Any] = json.loads(data)
    return found


def test_same_layers_and_settings_give_the_same_archive(tmp_path: Path) -> None:
    one, two = an_archive(tmp_path / "one"), an_archive(tmp_path / "two")
    assert one.read_bytes() == two.read_bytes()


def test_blobs_lie_under_their_own_digests(tmp_path: Path) -> None:
    archive = an_archive(tmp_path)
    with tarfile.open(archive) as tar:
        blobs = [name for name in tar.getnames() if name.startswith("blobs/sha256/")]
    assert len(blobs) == 4
    for path in blobs:
        assert hashlib.sha256(read(archive, path)).hexdigest() == path.removeprefix("blobs/sha256/")


def test_archive_carries_all_references_of_one_manifest(tmp_path: Path) -> None:
    index = json.loads(read(an_archive(tmp_path), "index.json"))
    named = [entry["annotations"]["io.containerd.image.name"] for entry in index["manifests"]]
    assert named == REFERENCES
    assert len({entry["digest"] for entry in index["manifests"]}) == 1


def test_config_says_how_the_container_starts(tmp_path: Path) -> None:
    archive = an_archive(tmp_path)
    index = json.loads(read(archive, "index.json"))
    manifest = document(archive, index["manifests"][0])
    config = document(archive, manifest["config"])
    assert config["config"] == {
        "User": "65532:65532",
        "Entrypoint": ["tool"],
        "Cmd": ["--serve"],
        "Env": ["PATH=/bin"],
        "Labels": {"title": "t"},
        "WorkingDir": "/",
    }
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]


def test_archive_unpacks_into_all_its_layers(tmp_path: Path) -> None:
    root = tmp_path / "root"
    roots.unpack_archive(an_archive(tmp_path / "made"), root)
    assert {path.name for path in root.iterdir()} == {"lower", "upper"}


def test_unknown_machine_type_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(BuildError, match="not for riscv64"):
        oci.architecture()
