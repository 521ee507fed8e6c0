"""`autoglm export`: prints every HealingRun as one line of JSON, for archives and analysis.

Runs are deleted in the end; whoever needs the record for longer exports it. Oldest first.
"""

import argparse
import json

from autoglm_api import kinds
from autoglm_cli import access
from autoglm_operator.clients.kube import KubeClient


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("-n", "--namespace", help="only this namespace; default: all of them")
    parser.add_argument("--policy", help="only runs of the policy of this name")


def run(options: argparse.Namespace) -> int:
    """Print the runs."""
    return access.call(_print, options)


async def _print(kube: KubeClient, options: argparse.Namespace) -> int:
    found = await kube.list(kinds.HEALING_RUN, options.namespace)
    found.sort(key=lambda obj: (obj["metadata"]["creationTimestamp"], obj["metadata"]["name"]))
    for obj in found:
        if options.policy in (None, obj["spec"]["policy"]["name"]):
            obj["metadata"].pop("managedFields", None)
            print(json.dumps(obj, separators=(",", ":"), sort_keys=True))
    return 0
