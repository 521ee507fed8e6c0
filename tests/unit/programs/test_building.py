import dataclasses
from pathlib import Path

import pytest

from programs import catalogue
from programs.building import explain, program_key
from programs.catalogue import Program
from programs.toolchain import Toolchain

GO = Toolchain(Path("/go"), "go1.26.8", "amd64")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setattr(catalogue, "MODULES", tmp_path)
    (tmp_path / "tool").mkdir()
    (tmp_path / "tool" / "go.mod").write_text("module example.org/tool\n")
    (tmp_path / "tool" / "main.go").write_text("package main")
    return Program("tool", "tool")


def test_key_is_the_same_for_the_same_inputs(program: Program) -> None:
    assert program_key(program, GO) == program_key(dataclasses.replace(program), GO)


def test_key_does_not_depend_on_where_go_lies(program: Program) -> None:
    elsewhere = dataclasses.replace(GO, command=Path("/other/go"))
    assert program_key(program, GO) == program_key(program, elsewhere)


@pytest.mark.parametrize("file", ["go.mod", "go.sum", "main.go"])
def test_key_changes_with_every_source(program: Program, file: str) -> None:
    before = program_key(program, GO)
    (program.folder / file).write_text("changed")
    assert program_key(program, GO) != before


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(GO, version="go1.27.0"),
        dataclasses.replace(GO, architecture="arm64"),
    ],
)
def test_key_changes_with_the_toolchain(program: Program, other: Toolchain) -> None:
    assert program_key(program, other) != program_key(program, GO)


@pytest.mark.parametrize(
    "other",
    [
        Program("tool", "tool", tags="no_btrfs"),
        Program("tool", "tool", package="example.org/other"),
    ],
)
def test_key_changes_with_how_it_is_built(program: Program, other: Program) -> None:
    assert program_key(other, GO) != program_key(program, GO)


def test_silent_module_proxy_is_explained_in_one_sentence() -> None:
    log = "go: downloading k8s.io/api v0.36.2\ngo: k8s.io/api@v0.36.2: dial tcp: i/o timeout\n"
    sentence = explain("helm", log)
    assert "helm cannot be built: the Go module proxy gave no module" in sentence
    assert "check the network" in sentence
    assert "\n" not in sentence


def test_full_disk_is_explained_in_one_sentence() -> None:
    assert "the disk is full" in explain("helm", "link: write: no space left on device\nexit 1\n")


def test_compiler_errors_are_shown_without_the_downloads() -> None:
    shown = explain("helm", "go: downloading a v1\nmain.go:3: undefined: x\n")
    assert "does not compile" in shown
    assert "undefined: x" in shown
    assert "downloading" not in shown
