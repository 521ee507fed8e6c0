"""`autoglm executor`: starts an executor.

It only wires; what happens to a task is said in the other modules.
"""

import random  # noqa: TID251  # spreads repeated questions; nothing depends on the numbers
import sys

import uvicorn

from autoglm_dataplane.executor import app
from autoglm_dataplane.executor.models import Models
from autoglm_dataplane.executor.service import Executor, Store
from autoglm_dataplane.executor.settings import ExecutorSettings
from autoglm_dataplane.serving import server
from autoglm_dataplane.serving.probes import new_registry
from autoglm_dataplane.serving.tokens import TokenFile
from autoglm_dataplane.taskstore.outages import Outages
from autoglm_dataplane.taskstore.runs import RunStore
from autoglm_dataplane.taskstore.tasks import TaskStore


def build(settings: ExecutorSettings) -> uvicorn.Server:
    """A server with its executor.

    Raises:
        SettingsError: the token file cannot be used.
    """
    connection, keys = settings.connection(), settings.keys()
    registry = new_registry()
    token = TokenFile(settings.internal_token_file, "AUTOGLM_INTERNAL_TOKEN_FILE")
    models = Models(settings.internal_url, token, random.Random())  # noqa: S311  # no secret
    store = Store(
        tasks=TaskStore(connection, keys, retention=settings.run_retention),
        runs=RunStore(connection, keys, settings.name, retention=settings.run_retention),
        outages=Outages(registry),
    )
    executor = Executor(settings.name, settings.slots, store, models, registry)

    async def close() -> None:
        await models.close()
        await connection.close()

    return server.server_of(app.build(executor, settings, registry, close), settings)


def main() -> int:
    """Run until SIGTERM; returns the exit code."""
    return server.run(ExecutorSettings, build)


if __name__ == "__main__":
    sys.exit(main())
