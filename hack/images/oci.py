"""Writes and reads OCI image archives; never looks into a layer.

Source: OCI image specification 1.1 (layout, index, manifest, config).
"""

import dataclasses
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from buildcache.failures import BuildError

MEDIA = "application/vnd.oci.image"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Machine types as the kernel names them and as images do."""


@dataclasses.dataclass(frozen=True)
class Blob:
    """A layer that lies in a file."""

    path: Path
    digest: str
    """With its algorithm: sha256:..."""
    size: int


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a container of the image starts."""

    user: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    stop_signal: str = ""


def architecture() -> str:
    """This machine's architecture as images name it."""
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise BuildError(f"images are built for {', '.join(ARCHITECTURES)}, not for {machine}")
    return ARCHITECTURES[machine]


def digest(data: bytes) -> str:
    """Digest of data, with its algorithm."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def config(settings: Settings, layers: Sequence[Blob], machine: str) -> bytes:
    """The image's config; it has no times, so equal images are equal bytes."""
    run: dict[str, Any] = {
        "User": settings.user,
        "Entrypoint": list(settings.entrypoint),
        "Cmd": list(settings.command),
        "Env": [f"{name}={value}" for name, value in settings.environment.items()],
        "Labels": dict(settings.labels),
        "StopSignal": settings.stop_signal,
        "WorkingDir": "/",
    }
    return _json(
        {
            "architecture": machine,
            "os": "linux",
            "config": {name: value for name, value in run.items() if value},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
            "history": [{"created_by": "hack/images"} for _ in layers],
        }
    )


def manifest(config_data: bytes, layers: Sequence[Blob]) -> bytes:
    """The image's manifest; its digest names the image."""
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{MEDIA}.manifest.v1+json",
            "config": _descriptor(f"{MEDIA}.config.v1+json", config_data),
            "layers": [
                {
                    "mediaType": f"{MEDIA}.layer.v1.tar",
                    "digest": layer.digest,
                    "size": layer.size,
                }
                for layer in layers
            ],
        }
    )


def write(
    out: Path,
    references: Sequence[str],
    documents: tuple[bytes, bytes],
    layers: Sequence[Blob],
) -> None:
    """Write an archive of config and manifest under these references."""
    entries = [
        {
            **_descriptor(f"{MEDIA}.manifest.v1+json", documents[1]),
            "annotations": {
                "io.containerd.image.name": reference,
                "org.opencontainers.image.ref.name": reference.rsplit(":", 1)[-1],
            },
        }
        for reference in references
    ]
    index = {"schemaVersion": 2, "mediaType": f"{MEDIA}.index.v1+json", "manifests": entries}
    with tarfile.open(out, "w") as tar:
        _put(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _put(tar, "index.json", _json(index))
        for data in documents:
            _put(tar, _blob_path(digest(data)), data)
        for layer in {layer.digest: layer for layer in layers}.values():
            header = tarfile.TarInfo(_blob_path(layer.digest))
            header.size = layer.size
            with layer.path.open("rb") as file:
                tar.addfile(header, file)


def layer_paths(archive: tarfile.TarFile) -> list[str]:
    """Paths inside an archive of its image's layers, the lowest first."""
    index = _read(archive, "index.json")
    found = _read(archive, _blob_path(index["manifests"][0]["digest"]))
    return [_blob_path(layer["digest"]) for layer in found["layers"]]


def _blob_path(named: str) -> str:
    return "blobs/" + named.replace(":", "/")


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


def _json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _put(tar: tarfile.TarFile, path: str, data: bytes) -> None:
    header = tarfile.TarInfo(path)
    header.size = len(data)
    tar.addfile(header, io.BytesIO(data))


def _read(archive: tarfile.TarFile, path: str) -> dict[str, Any]:
    member = archive.extractfile(path)
    if member is None:
        raise BuildError(f"{archive.name!s} is no image archive: {path} is not a file")
    document: dict[str, Any] = json.load(member)
    return document
