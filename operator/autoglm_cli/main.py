"""Parses `autoglm SUBCOMMAND` and hands over to the subcommand's own `main`.

Modules are imported only when their subcommand is asked for: the router agent must not pay for
Kopf, nor the operator for the planner's model libraries.
"""

import argparse
import dataclasses
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import cast


@dataclasses.dataclass(frozen=True)
class Subcommand:
    """One process of the image."""

    name: str
    summary: str
    module: str
    """Holds `main() -> int`, which reads its settings from the environment."""


SUBCOMMANDS = (
    Subcommand(
        "operator",
        "reconcile AutoGLMClusters and ModelEndpoints, probe endpoints, push routing",
        "autoglm_operator.commands.operator",
    ),
    Subcommand("receiver", "turn alerts into HealingRuns", "autoglm_operator.commands.receiver"),
    Subcommand("healer", "guard, act, verify and undo", "autoglm_operator.commands.healer"),
    Subcommand(
        "router-agent",
        "render and apply the routing document beside HAProxy",
        "autoglm_dataplane.router_agent.main",
    ),
    Subcommand("planner", "plan tasks and answer their clients", "autoglm_dataplane.planner.main"),
    Subcommand("executor", "run subtasks", "autoglm_dataplane.executor.main"),
    Subcommand(
        "simulator",
        "serve a seeded model double with the OpenAI API",
        "autoglm_dataplane.simulator.main",
    ),
    Subcommand(
        "clean-disk",
        "remove rubbish from the node that this pod runs on",
        "autoglm_dataplane.cleaner.main",
    ),
    Subcommand(
        "hold-image",
        "do nothing, so that a node keeps this image",
        "autoglm_dataplane.cleaner.hold",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code; 2 for a word that is none."""
    chosen = parser().parse_args(argv)
    module = next(known.module for known in SUBCOMMANDS if known.name == chosen.subcommand)
    run = cast("Callable[[], int]", importlib.import_module(module).main)
    return run()


def parser() -> argparse.ArgumentParser:
    """The command line of `autoglm`."""
    top = argparse.ArgumentParser(
        prog="autoglm",
        description="Processes of the AutoGLM operator, set up by AUTOGLM_* variables.",
    )
    verbs = top.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    for known in SUBCOMMANDS:
        verbs.add_parser(known.name, help=known.summary, description=known.summary)
    return top


if __name__ == "__main__":
    sys.exit(main())
