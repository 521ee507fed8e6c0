"""Push an OCI image archive into the cluster's registry.

Runs as a program of its own (`python -m testcluster.registry ADDRESS ARCHIVE REFERENCE...`) so
that it can live inside the cluster's network, where the registry is.
"""

import http.client
import json
import sys
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from testcluster.commands import CommandError, in_network, run
from testcluster.errors import ClusterError
from testcluster.settings import Settings

HOST = "registry.local"
"""How images of the cluster's registry are named; nodes know where it is."""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DONE = range(200, 300)


@dataclass(frozen=True)
class Target:
    """Where one name of an image goes."""

    repository: str
    tag: str


def target_of(reference: str) -> Target:
    """Split `registry.local/NAME:TAG`.

    Raises:
        ClusterError: it is not of that form.
    """
    host, _, rest = reference.partition("/")
    repository, _, tag = rest.rpartition(":")
    if host != HOST or not repository or not tag:
        raise ClusterError(f"the image {reference!r} must be called {HOST}/NAME:TAG")
    return Target(repository, tag)


def push(settings: Settings, archive: Path, references: Sequence[str]) -> None:
    """Push an archive under several names, from inside the cluster's network."""
    for reference in references:
        target_of(reference)
    hack = Path(__file__).parents[1]
    program = [sys.executable, "-m", "testcluster.registry", settings.topology.registry]
    argv = ["env", f"PYTHONPATH={hack}", *program, str(archive), *references]
    try:
        run(in_network(settings.control_namespace, argv), timeout_seconds=300)
    except CommandError as error:
        raise ClusterError(
            f"the image {references[0]} cannot be pushed: {error.said}; 'hack/cluster up' starts "
            "the registry again and 'hack/cluster logs registry' says why it ended"
        ) from error


class _Registry:
    """The few calls of the distribution protocol that a push needs."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=60)

    def wait(self, patience_seconds: float = 20) -> None:
        """Return when it answers; `up` has started it a moment before."""
        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                self._call("GET", "/v2/")
            except ConnectionRefusedError:
                self._connection.close()  # or it refuses to begin another request
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def has_blob(self, repository: str, digest: str) -> bool:
        return self._call("HEAD", f"/v2/{repository}/blobs/{digest}") in DONE

    def put_blob(self, repository: str, digest: str, content: IO[bytes], size: int) -> None:
        self._expect("POST", f"/v2/{repository}/blobs/uploads/")
        where = self._location
        path = where[where.index("/v2/") :]
        path += f"{'&' if '?' in path else '?'}digest={digest}"
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        self._expect("PUT", path, content, headers)

    def put_manifest(self, target: Target, manifest: bytes) -> None:
        path = f"/v2/{target.repository}/manifests/{target.tag}"
        self._expect("PUT", path, manifest, {"Content-Type": MANIFEST})

    def _expect(
        self,
        method: str,
        path: str,
        body: IO[bytes] | bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        status = self._call(method, path, body, headers)
        if status not in DONE:
            raise ClusterError(f"the registry answered {status} to {method} {path}")

    def _call(
        self,
        method: str,
        path: str,
        body: IO[bytes] | bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> int:
        self._connection.request(method, path, body, headers or {})
        response = self._connection.getresponse()
        response.read()
        self._location = response.headers.get("Location") or ""
        return response.status


def push_here(address: str, archive: Path, references: Sequence[str]) -> None:
    """Push an archive from within the network that holds the registry."""
    registry = _Registry(address)
    registry.wait()
    with tarfile.open(archive) as tar:
        manifest = _manifest(tar)
        parsed = json.loads(manifest)
        for target in map(target_of, references):
            for part in (parsed["config"], *parsed["layers"]):
                digest = str(part["digest"])
                if not registry.has_blob(target.repository, digest):
                    blob = _member(tar, _blob_path(digest))
                    registry.put_blob(target.repository, digest, blob, int(part["size"]))
            registry.put_manifest(target, manifest)


def _manifest(tar: tarfile.TarFile) -> bytes:
    index = cast("dict[str, Any]", json.loads(_member(tar, "index.json").read()))
    entry = index["manifests"][0]
    if entry["mediaType"] != MANIFEST:
        raise ClusterError(f"the archive holds {entry['mediaType']}, not one image")
    return _member(tar, _blob_path(str(entry["digest"]))).read()


def _blob_path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    try:
        file = tar.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise ClusterError(f"{tar.name!r} is no OCI image archive: it lacks {name}")
    return file


def main(argv: Sequence[str]) -> int:
    """Entry point of the program."""
    address, archive, *references = argv
    try:
        push_here(address, Path(archive), references)
    except (ClusterError, OSError, http.client.HTTPException) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
