"""`autoglm planner`: starts a planner.

It only wires; what happens to a run is said in the other modules.
"""

import sys

import uvicorn

from autoglm_dataplane.planner import app
from autoglm_dataplane.planner.api import Api
from autoglm_dataplane.planner.duties import Planner
from autoglm_dataplane.planner.planning import PlanningClient
from autoglm_dataplane.planner.running import Runner, Store
from autoglm_dataplane.planner.settings import PlannerSettings
from autoglm_dataplane.serving import server
from autoglm_dataplane.serving.probes import new_registry
from autoglm_dataplane.serving.tokens import TokenFile
from autoglm_dataplane.taskstore.feed import Feed
from autoglm_dataplane.taskstore.outages import Outages
from autoglm_dataplane.taskstore.reaping import Reaper
from autoglm_dataplane.taskstore.runs import RunStore
from autoglm_dataplane.taskstore.tasks import TaskStore


def build(settings: PlannerSettings) -> uvicorn.Server:
    """A server with its planner.

    Raises:
        SettingsError: the token file cannot be used.
    """
    connection, keys = settings.connection(), settings.keys()
    registry = new_registry()
    name, retention = settings.name, settings.run_retention
    token = TokenFile(settings.internal_token_file, "AUTOGLM_INTERNAL_TOKEN_FILE")
    store = Store(
        runs=RunStore(connection, keys, name, retention=retention),
        tasks=TaskStore(connection, keys, retention=retention),
        feed=Feed(connection, keys),
        outages=Outages(registry),
    )
    planning = PlanningClient(settings.internal_url, token)
    planner = Planner(
        store,
        Runner(store, planning),
        Reaper(connection, keys, name, retention=retention),
        registry,
        settings.max_runs,
    )

    async def close() -> None:
        await planning.close()
        await connection.close()

    api = Api(settings, token, store.runs, store.feed)
    return server.server_of(app.build(api, planner, store, registry, close), settings)


def main() -> int:
    """Run until SIGTERM; returns the exit code."""
    return server.run(PlannerSettings, build)


if __name__ == "__main__":
    sys.exit(main())
