"""Builds images that the cache does not hold, and says where they lie.

An image is named by the digest of its manifest, so equal images have equal references and a changed
one never hides behind an old reference. Debian's testing suite moves by the day and is no part of a
layer's key: an image keeps the versions it was built with, and records them, until it is refreshed.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from buildcache import keys, places, progress, publishing
from buildcache.failures import BuildError
from images import aptsources, docker, oci, roots
from images.catalogue import NONROOT, Content, Recipe, chosen
from images.stacks import Stack, Stacks

REGISTRY = "registry.local"
"""Host part of references: a name for the test cluster's own registry that no resolver knows."""

TAG_LENGTH = 12
"""Hex digits of the manifest's digest in a tag; enough for people to compare."""

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclasses.dataclass(frozen=True)
class Image:
    """An image in the cache."""

    name: str
    reference: str
    """Names exactly this content: `registry.local/NAME:DIGEST`."""
    archive: Path
    """OCI image archive; it also carries the reference `registry.local/NAME:dev`."""
    versions: Mapping[str, str]
    """Versions of the programs it is made for, by Debian package or program."""

    @property
    def rootfs(self) -> Path:
        """The image's root file system, unpacked at the first use.

        It lets tests run the image's programs on this machine, see `command_inside`.
        """
        return publishing.thing(
            places.folder("images/roots"),
            self.name,
            keys.key_of({"reference": self.reference}),
            lambda part: roots.unpack_archive(self.archive, part),
        )


def ensure(names: Iterable[str], *, refresh: bool = False) -> dict[str, Image]:
    """The named images; those the cache does not hold are built first.

    Args:
        names: Names of the catalogue.
        refresh: Fetch Debian packages anew, and so take the versions of today.

    Raises:
        BuildError: A name is unknown, or an image cannot be built.
    """
    recipes = chosen(names)
    if not recipes:
        return {}
    obstacle = _obstacle()
    if obstacle is None:
        stacks = Stacks(refresh=refresh)
        return {recipe.name: _ensure(recipe, stacks.of(recipe)) for recipe in recipes}
    if not docker.answers():
        raise obstacle
    return {recipe.name: _ensure_with_docker(recipe, refresh=refresh) for recipe in recipes}


def _obstacle() -> BuildError | None:
    """Why this machine cannot build images without Docker, if it cannot."""
    try:
        roots.needs()
        aptsources.of_this_machine()
    except BuildError as error:
        return error
    return None


def _ensure_with_docker(recipe: Recipe, *, refresh: bool) -> Image:
    reference, archive = docker.build(recipe, REGISTRY, refresh=refresh)
    return Image(recipe.name, reference, archive, docker.versions(recipe, reference))


def _ensure(recipe: Recipe, stack: Stack) -> Image:
    versions = recorded(recipe, stack[-1].versions)
    blobs = [layer.blob for layer in stack]
    config = oci.config(_settings(recipe, versions), blobs, oci.architecture())
    manifest = oci.manifest(config, blobs)
    digest = oci.digest(manifest).removeprefix("sha256:")
    references = [f"{REGISTRY}/{recipe.name}:{tag}" for tag in (digest[:TAG_LENGTH], "dev")]

    def fill(part: Path) -> None:
        oci.write(part / "image.tar", references, (config, manifest), blobs)
        (part / "built.json").write_text(_record(references[0], stack, versions))
        progress.say(f"image {references[0]}: written")

    folder, key = places.folder("images/archives"), digest[: keys.KEY_LENGTH]
    target = publishing.thing(folder, recipe.name, key, fill)
    return Image(recipe.name, references[0], target / "image.tar", versions)


def recorded(recipe: Recipe, versions: Mapping[str, str]) -> dict[str, str]:
    """The versions that are an image's own, checked against what this project is tested with.

    Raises:
        BuildError: One of them is out of its range.
    """
    for package, accepted in recipe.accepted.items():
        if not accepted.holds(versions[package]):
            raise BuildError(
                f"Debian {recipe.suite.value} has {package} {versions[package]}, but this project "
                f"is tested with {accepted}; set AUTOGLM_DEBIAN_ARCHIVE to an archive that has it, "
                "or test the new one and widen the range in hack/images/catalogue.py"
            )
    names = [recipe.program] if recipe.content is Content.PROGRAM else recipe.packages
    return {name: versions[name] for name in names if versions[name]}


def _settings(recipe: Recipe, versions: Mapping[str, str]) -> oci.Settings:
    labels = {"org.opencontainers.image.title": recipe.name}
    labels |= {f"autoglm.io/version.{name}": version for name, version in versions.items()}
    return oci.Settings(
        user=NONROOT,
        entrypoint=recipe.entrypoint,
        command=recipe.command,
        environment={"PATH": SEARCH_PATH, "LANG": "C.UTF-8", **recipe.environment},
        labels=labels,
        stop_signal=recipe.stop_signal,
    )


def _record(reference: str, stack: Stack, versions: Mapping[str, str]) -> str:
    """What was built, for people: programs, every package, layers."""
    return json.dumps(
        {
            "reference": reference,
            "versions": dict(versions),
            "packages": dict(stack[-1].versions),
            "layers": {layer.folder.name: layer.blob.size for layer in stack},
        },
        indent=1,
    )
