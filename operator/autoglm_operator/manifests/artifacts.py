"""A model's files in a pod: the volume that holds them, and the container that checks them first.

The check itself is the subcommand `verify-artifact` of our own image. Never reads a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from autoglm_operator.manifests import pods

if TYPE_CHECKING:
    from autoglm_api.modelendpoint import Artifact, ManagedEndpoint
    from autoglm_operator.manifests.pods import Images, Manifest

MOUNT: Final = "/models"
"""Where the claim is mounted in pods."""
CONTAINER: Final = "artifact"
"""Name of the container that checks."""
_SCHEME: Final = "pvc://"
# The check needs no accelerator; asking for one would only keep it from the server.
_SHARED: Final = ("cpu", "memory", "ephemeral-storage")


def path_of(artifact: Artifact | None) -> str | None:
    """Where the files are inside a pod; None without an artifact."""
    if artifact is None:
        return None
    _, slash, path = artifact.uri.removeprefix(_SCHEME).partition("/")
    return f"{MOUNT}{slash}{path}"


def volumes(artifact: Artifact | None) -> list[Manifest]:
    """The claim as a volume, if there is one."""
    if artifact is None:
        return []
    claim = artifact.uri.removeprefix(_SCHEME).partition("/")[0]
    return [{"name": "artifact", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}]


def mounts(artifact: Artifact | None) -> list[Manifest]:
    """Where a container finds it, if there is one."""
    if artifact is None:
        return []
    return [{"name": "artifact", "mountPath": MOUNT, "readOnly": True}]


def checks(managed: ManagedEndpoint, images: Images) -> list[Manifest]:
    """What runs before the server and lets it start only over the right files."""
    artifact = managed.artifact
    if artifact is None:
        return []
    built = pods.container(
        CONTAINER,
        images.autoglm,
        pull_policy=images.pull_policy,
        args=["verify-artifact"],
        env=pods.env(
            AUTOGLM_ARTIFACT_DIGEST=artifact.digest,
            AUTOGLM_ARTIFACT_PATH=str(path_of(artifact)),
            AUTOGLM_ARTIFACT_VOLUME=MOUNT,
        ),
        volumeMounts=mounts(artifact),
    )
    asked = managed.resources.as_json()
    resources = {
        kind: {name: asked[kind][name] for name in _SHARED if name in asked[kind]}
        for kind in ("requests", "limits")
    }
    resources = {kind: amounts for kind, amounts in resources.items() if amounts}
    if resources:
        built["resources"] = resources
    return [built]
