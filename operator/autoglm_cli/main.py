"""Parses `autoglm SUBCOMMAND` and hands over to the subcommand's own module.

Modules are imported only when their subcommand is asked for: the router agent must not pay for
Kopf, nor the operator for the planner's model libraries.
"""

import argparse
import dataclasses
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Protocol, cast


@dataclasses.dataclass(frozen=True)
class Subcommand:
    """One process of the image, or one command for people."""

    name: str
    summary: str
    module: str
    """Of a process: holds `main() -> int`, which reads its settings from the environment. Of a
    command: holds `configure(parser)` and `run(options) -> int`."""


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
    Subcommand(
        "router-lane",
        "find and replace the model in bodies that HAProxy cannot hold",
        "autoglm_dataplane.router_agent.lanemain",
    ),
    Subcommand("planner", "plan tasks and answer their clients", "autoglm_dataplane.planner.main"),
    Subcommand("executor", "run subtasks", "autoglm_dataplane.executor.main"),
    Subcommand(
        "verify-artifact",
        "check a model's files before a server loads them",
        "autoglm_dataplane.artifact.main",
    ),
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


# What people type; these take arguments and go to the API server as whoever types them.
COMMANDS = (
    Subcommand("approve", "allow the step that a healing run waits for", "autoglm_cli.approve"),
    Subcommand("timeline", "print what a healing run did and when", "autoglm_cli.timeline"),
    Subcommand("export", "print healing runs as lines of JSON", "autoglm_cli.export"),
    Subcommand("leases", "print what healing changed and will undo", "autoglm_cli.leases"),
    Subcommand(
        "undo", "pause healing, have all its changes undone and wait for it", "autoglm_cli.undo"
    ),
)


class _Command(Protocol):
    """The module of a command for people."""

    def configure(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code; 2 for a word that is none."""
    words = list(sys.argv[1:] if argv is None else argv)
    chosen = parser(words[:1]).parse_args(words)
    command = next((known for known in COMMANDS if known.name == chosen.subcommand), None)
    if command is not None:
        return _command(command).run(chosen)
    module = next(known.module for known in SUBCOMMANDS if known.name == chosen.subcommand)
    run = cast("Callable[[], int]", importlib.import_module(module).main)
    return run()


def parser(asked_for: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The command line of `autoglm`; only the commands asked for are imported and described."""
    top = argparse.ArgumentParser(
        prog="autoglm",
        description="Processes of the AutoGLM operator, set up by AUTOGLM_* variables, and commands"
        " for people, which use kubectl's settings.",
    )
    verbs = top.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    for known in (*SUBCOMMANDS, *COMMANDS):
        verb = verbs.add_parser(known.name, help=known.summary, description=known.summary)
        if known in COMMANDS and known.name in asked_for:
            _command(known).configure(verb)
    return top


def _command(known: Subcommand) -> _Command:
    return cast("_Command", importlib.import_module(known.module))


if __name__ == "__main__":
    sys.exit(main())
