"""Speaks to the router agents: pushes a routing document and reads what is in force.

The connection goes to a pod's address, but is verified under the cluster's fixed agent name, so a
pod that took over an address cannot pass for a router. Redirects are never followed, and of an
error only its code and the agent's one sentence are kept.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass
from typing import Any, cast

import httpx

AGENT_PORT = 9443
# A push is applied within 1 s; a reload may wait 2 s for the one before it.
PUSH_TIMEOUT_SECONDS = 5.0
ANSWER_LIMIT = 300
OK = 200
CONFLICT = 409
UNPROCESSABLE = 422


class AgentError(Exception):
    """A router agent could not be asked, or gave no usable answer."""


class AgentRefusedError(AgentError):
    """A router agent refused a document for good; the message is its reason."""


@dataclass(frozen=True, slots=True)
class Applied:
    """Which document a router has in force, and how it finds its upstreams.

    Attributes:
        version: Version of the document.
        hash: Its hash.
        open_circuits: Upstreams that this router keeps requests from; None if it does not know.
    """

    version: int
    hash: str
    open_circuits: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """Where an agent is and how it is recognised.

    Attributes:
        address: Address of the pod.
        server_name: Name in its certificate.
        authority: PEM of the authority that signed it.
        token: The push token.
        port: Port of the agent.
    """

    address: str
    server_name: str
    authority: bytes
    token: str
    port: int = AGENT_PORT

    def __repr__(self) -> str:
        return f"Agent({self.address!r}, {self.server_name!r})"


class AgentClient:
    """Pushes to and asks router agents; connections are kept per authority."""

    def __init__(self, *, timeout: float = PUSH_TIMEOUT_SECONDS) -> None:
        self._timeout = timeout
        self._clients: dict[bytes, httpx.AsyncClient] = {}

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    async def push(self, agent: Agent, document: bytes) -> Applied:
        """Hand a document over and return what the router has in force afterwards.

        A router with a newer document answers with that one: it is no error.

        Raises:
            AgentRefusedError: The router refused the document.
            AgentError: The router could not be asked.
        """
        response = await self._send(agent, "PUT", document)
        if response.status_code in {OK, CONFLICT}:
            return _applied(response)
        if response.status_code == UNPROCESSABLE:
            raise AgentRefusedError(_reason(response))
        raise AgentError(f"the agent answered {response.status_code}")

    async def applied(self, agent: Agent) -> Applied:
        """Ask which document is in force.

        Raises:
            AgentError: The router could not be asked.
        """
        response = await self._send(agent, "GET", None)
        if response.status_code != OK:
            raise AgentError(f"the agent answered {response.status_code}")
        return _applied(response)

    async def _send(self, agent: Agent, method: str, content: bytes | None) -> httpx.Response:
        host = f"[{agent.address}]" if ":" in agent.address else agent.address
        headers = {
            "Authorization": f"Bearer {agent.token}",
            "Content-Type": "application/json",
            "Host": agent.server_name,
        }
        try:
            async with asyncio.timeout(self._timeout):
                return await self._client(agent.authority).request(
                    method,
                    f"https://{host}:{agent.port}/v1/routing",
                    content=content,
                    headers=headers,
                    extensions={"sni_hostname": agent.server_name},
                )
        except TimeoutError as error:
            raise AgentError("the agent did not answer in time") from error
        except (httpx.HTTPError, ssl.SSLError) as error:
            raise AgentError(f"the agent cannot be reached: {type(error).__name__}") from error

    def _client(self, authority: bytes) -> httpx.AsyncClient:
        client = self._clients.get(authority)
        if client is None:
            context = ssl.create_default_context(cadata=authority.decode())
            client = httpx.AsyncClient(
                verify=context, trust_env=False, follow_redirects=False, timeout=self._timeout
            )
            self._clients[authority] = client
        return client


def _applied(response: httpx.Response) -> Applied:
    try:
        answer = cast("dict[str, Any]", response.json())
        opened = answer.get("open_circuits")
        return Applied(
            int(answer["version"]),
            str(answer["hash"]),
            None if opened is None else frozenset(map(str, opened)),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise AgentError("the agent's answer cannot be read") from error


def _reason(response: httpx.Response) -> str:
    try:
        answer = cast("dict[str, Any]", json.loads(response.content))
        reason = str(answer.get("reason") or answer.get("message") or answer.get("error") or "")
    except (ValueError, AttributeError):
        reason = ""
    return reason[:ANSWER_LIMIT] or "no reason was given"
