"""Which layers an image is made of, and how each is filled."""

import functools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import programs
from buildcache import keys
from images import debian, layerstore, oci, pythonparts, roots
from images.catalogue import BASE_PACKAGES, NONROOT, Content, Recipe, Suite
from images.layerstore import Layer, Order
from programs.catalogue import CATALOGUE as PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Callable

Stack = list[Layer]
"""Layers of an image, the lowest first."""


class Stacks:
    """Makes stacks of layers; within one run every Debian package is fetched at most once."""

    def __init__(self, *, refresh: bool) -> None:
        """With refresh, packages are fetched anew although the cache holds them."""
        self._refresh = refresh
        self._base = functools.cache(self._make_base)

    def of(self, recipe: Recipe) -> Stack:
        """The layers of a recipe's image.

        Raises:
            BuildError: One of them cannot be made.
        """
        makers: dict[Content, Callable[[Recipe], Stack]] = {
            Content.PACKAGES: self._packages,
            Content.PYTHON: self._python,
            Content.PROGRAM: self._program,
        }
        return makers[recipe.content](recipe)

    def _make_base(self, suite: Suite) -> Layer:
        return layerstore.layer(
            Order(
                f"base-{suite.value}",
                {"packages": BASE_PACKAGES},
                functools.partial(debian.unpack, suite, ()),
                refresh=self._refresh,
            )
        )

    def _packages(self, recipe: Recipe) -> Stack:
        def fill(root: Path) -> dict[str, str]:
            versions = debian.unpack(recipe.suite, recipe.packages, root)
            if recipe.content is Content.PYTHON:
                pythonparts.prepare_interpreter(root)
            if recipe.applets_of:
                _link_applets(root, recipe.applets_of)
            return versions

        inputs: dict[str, keys.Value] = {"packages": recipe.packages, "applets": recipe.applets_of}
        if recipe.content is Content.PYTHON:
            inputs["form of Python"] = _form_of_python()
        base = self._base(recipe.suite)
        order = Order(f"{recipe.name}-packages", inputs, fill, base, refresh=self._refresh)
        return [base, layerstore.layer(order)]

    def _python(self, recipe: Recipe) -> Stack:
        below = self._packages(recipe)
        machine = next(
            long for long, short in oci.ARCHITECTURES.items() if short == oci.architecture()
        )

        def fill_libraries(root: Path) -> dict[str, str]:
            roots.unpack_layers([layer.blob.path for layer in below], root)
            pythonparts.install_requirements(root, below[-1].versions, machine)
            return dict(below[-1].versions)

        locked: dict[str, keys.Value] = {
            "lock": keys.file_digest(pythonparts.LOCK),
            "form of Python": _form_of_python(),
        }
        libraries = layerstore.layer(
            Order(
                f"{recipe.name}-libraries",
                locked,
                fill_libraries,
                below[-1],
                keep_root=True,
            )
        )

        sources = keys.tree_digests(pythonparts.SOURCES)

        def fill_own(root: Path) -> dict[str, str]:
            pythonparts.install_own(libraries.root, root, sources)
            return dict(libraries.versions)

        inputs: dict[str, keys.Value] = {
            "sources": sources,
            "form of Python": _form_of_python(),
            "compiled by": libraries.blob.digest,
        }
        own = layerstore.layer(Order(f"{recipe.name}-own", inputs, fill_own))
        return [*below, libraries, own]

    def _program(self, recipe: Recipe) -> Stack:
        base = self._base(Suite.STABLE)
        binary = programs.ensure([recipe.program])[recipe.program]

        def fill_frame(root: Path) -> dict[str, str]:
            _frame(base, root)
            return {}

        def fill_program(root: Path) -> dict[str, str]:
            target = root / "bin" / recipe.program
            target.parent.mkdir()
            shutil.copy(binary, target)
            target.chmod(0o755)
            return {recipe.program: PROGRAMS[recipe.program].version}

        # The base's digest stands for the bundle of authorities that is taken from it.
        frame = layerstore.layer(
            Order("frame", {"base": base.blob.digest, "user": NONROOT}, fill_frame)
        )
        key = (
            binary.parent.name
        )  # a program lies in a folder named by the key of all it is built of
        program = layerstore.layer(Order(f"{recipe.name}-program", {"program": key}, fill_program))
        return [frame, program]


def _form_of_python() -> str:
    """Digests of our own sources that decide what the Python layers hold."""
    parts = (Path(pythonparts.__file__), pythonparts.COMMAND)
    return " ".join(keys.file_digest(path) for path in parts)


def _frame(base: Layer, root: Path) -> None:
    """What a static program still needs: users, /tmp and the bundle of authorities."""
    whole = root / ".base"
    roots.unpack_layers([base.blob.path], whole)
    bundle = Path("etc/ssl/certs/ca-certificates.crt")
    (root / bundle).parent.mkdir(parents=True)
    shutil.copy(whole / bundle, root / bundle)
    shutil.rmtree(whole)
    debian.write_users(root)
    for name in ("dev", "proc", "sys", "tmp"):
        (root / name).mkdir()
    (root / "tmp").chmod(0o1777)


def _link_applets(root: Path, program: str) -> None:
    """Link every name that a program of many names plays to it, unless that name is taken."""
    listed = roots.run_inside(root, [f"/usr/bin/{program}", "--list"])
    for name in listed.stdout.split():
        link = root / "usr" / "bin" / name
        if not link.exists() and not link.is_symlink():
            link.symlink_to(program)
