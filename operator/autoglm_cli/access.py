"""How the commands for people reach the API server: as whoever types them.

Nothing here is used by the processes of the image.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable

from autoglm_api import kinds
from autoglm_api.healingrun import HealingRun
from autoglm_cli.settings import NoKubeconfigError, default_namespace, kubeconfig
from autoglm_operator.clients import errors
from autoglm_operator.clients.kube import KubeClient
from autoglm_operator.clients.lowlevel import connect

Work = Callable[[KubeClient, argparse.Namespace], Awaitable[int]]


class RefusedError(Exception):
    """The command cannot do what was asked; the text says why and what to do."""


def add_namespace(parser: argparse.ArgumentParser) -> None:
    """Let a command take a namespace as kubectl does."""
    parser.add_argument("-n", "--namespace", help="namespace; default: that of the context")


def add_run(parser: argparse.ArgumentParser) -> None:
    """Let a command take the name of a run and its namespace."""
    parser.add_argument("run", metavar="RUN", help="name of the HealingRun")
    add_namespace(parser)


def call(work: Work, options: argparse.Namespace) -> int:
    """Do some work at the API server; 1 and one sentence if that fails."""
    try:
        return asyncio.run(_connected(work, options))
    except (NoKubeconfigError, RefusedError) as error:
        print(f"autoglm: {error}", file=sys.stderr)
    except errors.ApiError as error:
        # The API server's own sentence was made for people.
        print(f"autoglm: {error.message or error}", file=sys.stderr)
    return 1


async def read_run(kube: KubeClient, options: argparse.Namespace) -> HealingRun:
    """The run that the arguments of `add_run` name.

    Raises:
        RefusedError: there is none.
    """
    namespace, name = options.namespace or default_namespace(), options.run
    found = await kube.get(kinds.HEALING_RUN, namespace, name)
    if found is None:
        message = f"There is no HealingRun {name} in namespace {namespace}: see kubectl get hr -A."
        raise RefusedError(message)
    return HealingRun.read(found)


async def _connected(work: Work, options: argparse.Namespace) -> int:
    kube = KubeClient(await connect(kubeconfig(), user_agent="autoglm"))
    try:
        return await work(kube, options)
    finally:
        await kube.close()
