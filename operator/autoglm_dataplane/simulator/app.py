"""Puts the simulator's routes together.

It never answers anything itself.
"""

from starlette.applications import Starlette

from autoglm_dataplane.serving.probes import always_ready, probe_routes
from autoglm_dataplane.simulator import admin, api
from autoglm_dataplane.simulator.state import Simulation


def build(simulation: Simulation) -> Starlette:
    """The application of one simulator."""
    return Starlette(
        routes=[
            *api.routes(simulation),
            *admin.routes(simulation),
            *probe_routes(simulation.registry, always_ready),
        ]
    )
