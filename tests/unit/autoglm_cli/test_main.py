"""`autoglm` finds its subcommands, and imports nothing it was not asked for."""

import importlib
import subprocess
import sys

import pytest

from autoglm_cli import main as cli


@pytest.mark.parametrize("known", cli.SUBCOMMANDS, ids=lambda known: known.name)
def test_every_subcommand_has_a_main(known: cli.Subcommand) -> None:
    assert callable(importlib.import_module(known.module).main)


def test_runs_the_subcommand_and_returns_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("autoglm_dataplane.simulator.main")
    monkeypatch.setattr(module, "main", lambda: 7)
    assert cli.main(["simulator"]) == 7


def test_an_unknown_subcommand_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as refusal:
        cli.main(["operater"])
    assert refusal.value.code == 2
    assert "router-agent" in capsys.readouterr().err


def test_asking_for_help_imports_no_heavy_library() -> None:
    code = (
        "import sys; from autoglm_cli.main import parser; parser().format_help();"
        "print([m for m in ('kopf', 'kubernetes', 'openai', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
