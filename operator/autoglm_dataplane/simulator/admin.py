"""The admin calls of the simulator: standing faults, scripted answers, counts, a crash.

They need no key: the simulator is a double for demo and tests and holds nobody's data. They never
touch an answer that is under way.
"""

import json
import os
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from autoglm_dataplane.simulator.faults import FaultError, standing
from autoglm_dataplane.simulator.state import Simulation, script_of

CRASH_CODE = 137
"""What a container's status shows after SIGKILL; here it marks a crash that was asked for."""


def routes(simulation: Simulation) -> list[Route]:
    """All admin routes."""
    return [
        *_fault_routes(simulation),
        *_answer_routes(simulation),
        *_count_routes(simulation),
        Route("/admin/crash", _crash, methods=["POST"]),
    ]


def _fault_routes(simulation: Simulation) -> list[Route]:
    async def show(_: Request) -> Response:
        fault = simulation.fault
        return JSONResponse(fault and fault.model_dump(mode="json", exclude_none=True))

    async def put(request: Request) -> Response:
        return await _store(request, lambda body: simulation.set_fault(standing(body)))

    async def clear(_: Request) -> Response:
        simulation.set_fault(None)
        return Response(status_code=204)

    path = "/admin/faults"
    return [
        Route(path, show, methods=["GET"]),
        Route(path, put, methods=["POST"]),
        Route(path, clear, methods=["DELETE"]),
    ]


def _answer_routes(simulation: Simulation) -> list[Route]:
    async def add(request: Request) -> Response:
        return await _store(request, lambda body: simulation.scripts.append(script_of(body)))

    async def clear(_: Request) -> Response:
        simulation.scripts.clear()
        return Response(status_code=204)

    path = "/admin/answers"
    return [Route(path, add, methods=["POST"]), Route(path, clear, methods=["DELETE"])]


def _count_routes(simulation: Simulation) -> list[Route]:
    async def show(_: Request) -> Response:
        return JSONResponse({"simulator": simulation.name, **simulation.ledger.as_json()})

    async def clear(_: Request) -> Response:
        simulation.ledger.clear()
        return Response(status_code=204)

    path = "/admin/requests"
    return [Route(path, show, methods=["GET"]), Route(path, clear, methods=["DELETE"])]


async def _crash(_: Request) -> Response:
    os._exit(CRASH_CODE)


async def _store(request: Request, store: Callable[[object], None]) -> Response:
    try:
        store(json.loads(await request.body()))
    except (ValueError, FaultError) as error:
        return JSONResponse({"error": {"message": str(error)}}, status_code=400)
    return Response(status_code=204)
