"""The simulator's routes, without a socket."""

from collections.abc import AsyncGenerator

import httpx
import pytest
from prometheus_client import CollectorRegistry

from autoglm_dataplane.simulator.app import build
from autoglm_dataplane.simulator.settings import SimulatorSettings
from autoglm_dataplane.simulator.state import Simulation

CHAT = "/v1/chat/completions"
QUESTION = {"model": "double", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def simulation() -> Simulation:
    settings = SimulatorSettings(pod_name="double-1", models=("double",))
    return Simulation(settings, CollectorRegistry())


@pytest.fixture
async def client(simulation: Simulation) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build(simulation))
    async with httpx.AsyncClient(transport=transport, base_url="http://double") as client:
        yield client


async def test_an_answer_names_its_simulator(client: httpx.AsyncClient) -> None:
    reply = await client.post(CHAT, json=QUESTION, headers={"x-request-id": "r-1"})
    assert reply.headers["x-simulator"] == reply.json()["system_fingerprint"] == "double-1"
    assert reply.headers["x-request-id"] == "r-1"


async def test_a_stream_ends_with_usage_if_asked_for(client: httpx.AsyncClient) -> None:
    body = {**QUESTION, "stream": True, "stream_options": {"include_usage": True}}
    lines = (await client.post(CHAT, json=body)).text.strip().split("\n\n")
    assert lines[-1] == "data: [DONE]"
    assert '"total_tokens"' in lines[-2]
    assert '"finish_reason": "stop"' in lines[-3]


async def test_the_key_is_asked_for_where_there_is_one(
    client: httpx.AsyncClient, simulation: Simulation
) -> None:
    simulation.api_key = "secret"
    assert (await client.get("/v1/models")).status_code == 401
    good = {"authorization": "Bearer secret"}
    assert (await client.get("/v1/models", headers=good)).json()["data"][0]["id"] == "double"


async def test_an_asked_error_comes_in_openais_form(client: httpx.AsyncClient) -> None:
    headers = {"x-sim-status": "429", "x-sim-retry-after": "7"}
    reply = await client.post(CHAT, json=QUESTION, headers=headers)
    assert reply.status_code == 429
    assert reply.headers["retry-after"] == "7"
    assert reply.json()["error"]["code"] == "simulated"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({**QUESTION, "model": "other"}, 404),
        ({"model": "double", "messages": []}, 400),
        ([], 400),
    ],
)
async def test_a_bad_request_is_refused(
    client: httpx.AsyncClient, body: object, status: int
) -> None:
    assert (await client.post(CHAT, json=body)).status_code == status


async def test_a_fault_of_another_pod_is_not_ours(client: httpx.AsyncClient) -> None:
    headers = {"x-sim-status": "500", "x-sim-only": "double-2"}
    assert (await client.post(CHAT, json=QUESTION, headers=headers)).status_code == 200


async def test_admin_calls_set_show_and_take_back_a_fault(client: httpx.AsyncClient) -> None:
    assert (await client.post("/admin/faults", json={"status": 503})).status_code == 204
    assert (await client.get("/admin/faults")).json()["status"] == 503
    assert (await client.post(CHAT, json=QUESTION)).status_code == 503
    assert (await client.delete("/admin/faults")).status_code == 204
    assert (await client.post(CHAT, json=QUESTION)).status_code == 200


async def test_a_bad_admin_call_is_refused_with_a_sentence(client: httpx.AsyncClient) -> None:
    for path, body in (("/admin/faults", {"status": 1}), ("/admin/answers", {"content": "x"})):
        reply = await client.post(path, json=body)
        assert reply.status_code == 400
        assert reply.json()["error"]["message"]


async def test_requests_are_counted_until_cleared(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        await client.post(CHAT, json=QUESTION, headers={"x-request-id": "r-1"})
    counts = (await client.get("/admin/requests")).json()
    assert (counts["simulator"], counts["requests"]) == ("double-1", {"r-1": 2})
    await client.delete("/admin/requests")
    assert (await client.get("/admin/requests")).json()["total"] == 0


async def test_probes_and_metrics_answer(client: httpx.AsyncClient) -> None:
    await client.post(CHAT, json=QUESTION)
    for path in ("/healthz", "/readyz"):
        assert (await client.get(path)).status_code == 200
    exposed = (await client.get("/metrics")).text
    assert 'autoglm_simulated_requests_total{code="200",model="double"} 1.0' in exposed
