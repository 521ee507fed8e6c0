"""The command line of `hack/cluster`: words in, one provider's method called, an exit code out.

Decides which provider serves a cluster; everything else is the provider's.
"""

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from buildcache.failures import BuildError
from testcluster import addons, faults, record
from testcluster.errors import ClusterError, UsageError
from testcluster.providers import Provider, Wish
from testcluster.providers.choice import NAMES, guess, provider_called
from testcluster.settings import DEFAULT_NAME, DEFAULT_NODES, MOST_NODES, Settings, settings_from

DESCRIPTION = """\
Start, use, break and remove a real Kubernetes cluster for tests.

  up [--nodes 0..4] [--provider kind|embedded|existing] [--with metrics,monitoring]
  down                     remove it with everything it left on the machine
  status                   what runs
  kubectl ARGUMENT...      kubectl as the cluster's administrator
  exec -- COMMAND...       run a command that reaches API server, pods, Services and cluster DNS
  image build|load NAME... build our images, and make them usable in pods
  logs [NAME...]           last lines of the cluster's own programs
  fault NAME [NODE]        break something, or undo it; fault --list explains each
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence instead of a page of usage."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; '{self.prog} --help' explains")


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        options = _parse_first(argv)
        settings = settings_from(options.name, os.environ)
        VERBS[options.verb](settings, options.rest)
    except ClusterError as error:
        return _complain(str(error), error.exit_code)
    except BuildError as error:
        return _complain(str(error), ClusterError.exit_code)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        return _complain(_spell(error), ClusterError.exit_code)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    return 0


def _complain(sentence: str, code: int) -> int:
    print(f"hack/cluster: {sentence}.", file=sys.stderr)
    return code


def _spell(error: OSError) -> str:
    what = f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
    return f"{what}; free some space" if error.errno == errno.ENOSPC else what


def _parse_first(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="hack/cluster",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    help_name = f"which cluster; default: the variable AUTOGLM_CLUSTER, or {DEFAULT_NAME!r}"
    parser.add_argument("--name", help=help_name)
    parser.add_argument("verb", choices=VERBS, metavar="VERB", help="one of the above")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _verb_parser(verb: str, description: str) -> _Parser:
    return _Parser(prog=f"hack/cluster {verb}", description=description, allow_abbrev=False)


def parse_up(words: Sequence[str]) -> argparse.Namespace:
    """Options of `up`."""
    parser = _verb_parser("up", "Start the cluster, finish a half-started one, or undo its faults.")
    parser.add_argument(
        "--nodes",
        type=int,
        choices=range(MOST_NODES + 1),
        help=f"default: {DEFAULT_NODES}; 0 is a control plane without nodes",
    )
    parser.add_argument(
        "--provider",
        choices=NAMES,
        help="default: kind when a Docker engine answers, embedded otherwise",
    )
    parser.add_argument(
        "--with",
        dest="addons",
        type=_addons,
        default=(),
        metavar="ADDON,...",
        help=f"also install: {', '.join(addons.NAMES)}",
    )
    parser.add_argument("--node-image", help="kind only: image of its nodes")
    return parser.parse_args(words)


def _addons(text: str) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(text.split(",")))
    for name in chosen:
        if name not in addons.NAMES:
            message = f"unknown addon {name!r}, choose from {', '.join(addons.NAMES)}"
            raise argparse.ArgumentTypeError(message)
    return chosen


def _up(settings: Settings, words: Sequence[str]) -> None:
    options = parse_up(words)
    known = record.read(settings)
    chosen = options.provider or (known.provider if known else guess())
    if known and known.provider != chosen:
        raise ClusterError(
            f"the cluster {settings.name!r} is up from the provider {known.provider}; "
            "run 'hack/cluster down' first"
        )
    nodes = options.nodes
    if nodes is None:
        nodes = known.nodes if known and known.complete else DEFAULT_NODES
    wish = Wish(nodes, options.addons, options.node_image)
    provider = provider_called(chosen, settings)
    provider.check(wish)
    with record.locked(settings):
        try:
            provider.up(wish)
        except BaseException:
            left = record.read(settings)
            if left and not left.complete:
                call = f"hack/cluster --name {settings.name}"
                _complain(f"a half-made cluster is left: '{call} logs' or '{call} down'", 1)
            raise


def _down(settings: Settings, words: Sequence[str]) -> None:
    _verb_parser("down", "Remove the cluster and all it left on the machine.").parse_args(words)
    known = record.read(settings)
    with record.locked(settings):
        provider_called(known.provider if known else "embedded", settings).down()
        record.remove_lock(settings)


def _status(settings: Settings, words: Sequence[str]) -> None:
    _verb_parser("status", "Say what runs.").parse_args(words)
    for line in _provider(settings).status():
        print(line)


def _kubectl(settings: Settings, words: Sequence[str]) -> None:
    _provider(settings).kubectl(words)


def _exec(settings: Settings, words: Sequence[str]) -> None:
    argv = list(words[1:] if words[:1] == ["--"] else words)
    if not argv:
        raise UsageError("exec needs a command: hack/cluster exec -- COMMAND")
    _provider(settings).execute(argv)


def _image(settings: Settings, words: Sequence[str]) -> None:
    from testcluster import artifacts  # noqa: PLC0415

    parser = _verb_parser("image", "Build our images, and make them usable in pods.")
    parser.add_argument("action", choices=("build", "load"))
    parser.add_argument("names", nargs="+", metavar="NAME")
    options = parser.parse_args(words)
    if options.action == "load":
        _provider(settings).load_images(options.names)
        return
    for image in artifacts.ensure_images(options.names).values():
        print(f"{image.reference} {image.archive}")


def _logs(settings: Settings, words: Sequence[str]) -> None:
    parser = _verb_parser("logs", "Print the last lines of the cluster's own programs.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as etcd or node1/kubelet")
    parser.add_argument(
        "--lines", type=_whole_number, default=20, help="of each program; default: 20"
    )
    options = parser.parse_args(words)
    _provider(settings).logs(options.names, options.lines)


def parse_fault(words: Sequence[str]) -> argparse.Namespace:
    """Options of `fault`; the wrong number of words is refused here."""
    parser = _verb_parser("fault", "Break something of the cluster, or undo it.")
    parser.add_argument("--list", action="store_true", help="what each does and how it shows")
    parser.add_argument("fault", nargs="?", help="one of the list")
    parser.add_argument("node", nargs="?", help="node1, node2, ... where the fault is a node's")
    parser.add_argument(
        "--leave-mib",
        type=_whole_number,
        default=faults.DEFAULT_LEAVE_MIB,
        help="for fill-disk: free space to leave",
    )
    options = parser.parse_args(words)
    if options.list:
        return options
    fault = faults.CATALOGUE.get(options.fault)
    if fault is None:
        raise UsageError(f"there is no fault {options.fault!r}; see 'hack/cluster fault --list'")
    if fault.scope is faults.Scope.NODE and not options.node:
        raise UsageError(f"name a node: hack/cluster fault {fault.name} node1")
    if fault.scope is faults.Scope.CONTROL_PLANE and options.node:
        raise UsageError(f"{fault.name} is about the control plane; leave {options.node} out")
    return options


def _whole_number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def _fault(settings: Settings, words: Sequence[str]) -> None:
    options = parse_fault(words)
    if options.list:
        print(faults.listing())
        return
    fault = faults.CATALOGUE[options.fault]
    _provider(settings).fault(fault, options.node, options.leave_mib)


def _provider(settings: Settings) -> Provider:
    known = record.read(settings)
    if known is None:
        raise ClusterError(
            f"the cluster {settings.name!r} is not up; run 'hack/cluster --name {settings.name} up'"
        )
    return provider_called(known.provider, settings)


VERBS: dict[str, Callable[[Settings, Sequence[str]], None]] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "kubectl": _kubectl,
    "exec": _exec,
    "image": _image,
    "logs": _logs,
    "fault": _fault,
}
