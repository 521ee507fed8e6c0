"""Builds the same images with Docker, for machines that are no Debian or whose user is not root.

It is used only when this machine cannot build them without Docker; see `building`.
"""

import subprocess
from pathlib import Path

import programs
from buildcache import keys, places, progress, publishing
from buildcache.failures import BuildError
from images.catalogue import Content, Recipe

PROJECT = Path(__file__).parent.parent.parent
DOCKERFILE = Path(__file__).parent / "Dockerfile"


def answers() -> bool:
    """Whether a Docker engine is there to build with."""
    try:
        asked = subprocess.run(["docker", "info"], check=False, capture_output=True)
    except FileNotFoundError:
        return False
    return asked.returncode == 0


def build(recipe: Recipe, registry: str, *, refresh: bool) -> tuple[str, Path]:
    """Build an image and return its reference and archive.

    Raises:
        BuildError: Docker cannot build it.
    """
    stable = f"{registry}/{recipe.name}:dev"
    progress.say(f"image {recipe.name}: building with Docker")
    command = ["docker", "build", "--quiet", "--file", str(DOCKERFILE), "--target", recipe.name]
    command += ["--tag", stable, *(["--pull", "--no-cache"] if refresh else [])]
    if recipe.content is Content.PROGRAM:
        binary = programs.ensure([recipe.program])[recipe.program]
        command += ["--build-context", f"programs={binary.parent}"]
    digest = _run([*command, str(PROJECT)]).rsplit(":", 1)[-1]
    key = digest[: keys.KEY_LENGTH]
    reference = f"{registry}/{recipe.name}:{digest[:12]}"
    _run(["docker", "tag", stable, reference])

    def fill(part: Path) -> None:
        _run(["docker", "save", "--output", str(part / "image.tar"), reference, stable])

    folder = publishing.thing(places.folder("images/docker"), recipe.name, key, fill)
    return reference, folder / "image.tar"


def versions(recipe: Recipe, reference: str) -> dict[str, str]:
    """Versions of the recipe's Debian packages inside a built image."""
    if not recipe.packages:
        return {}
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${Version}\\n", *recipe.packages]
    listed = _run(["docker", "run", "--rm", "--entrypoint", query[0], reference, *query[1:]])
    return dict(line.split(" ", 1) for line in listed.splitlines())


def _run(command: list[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"`{' '.join(command[:2])}` failed; Docker says:\n{done.stderr.strip()}")
    return done.stdout.strip()
