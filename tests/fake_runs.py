"""An API server that holds HealingRuns, Events and one ConfigMap, for tests without sockets.

Exists so that a test of the receiver says how each create ends. Never checks rights or schemas.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from autoglm_api.kinds import Kind
from autoglm_operator.clients import errors

Manifest = dict[str, Any]


def refused(status: int, reason: str, message: str = "no") -> errors.ApiError:
    """A refusal as the client raises it."""
    return errors.refusal(status, reason, message)


@dataclass
class FakeRuns:
    """Satisfies what receiver and EventRecorder use of the API client."""

    faults: list[Exception | None] = field(default_factory=list[Exception | None])
    """How the next creates or patches end; None for well."""
    runs: dict[str, Manifest] = field(default_factory=dict[str, Manifest])
    events: list[Manifest] = field(default_factory=list[Manifest])
    config_map: Manifest | None = None
    calls: int = 0

    async def create(self, obj: Manifest, *, manager: str | None = None) -> Manifest:
        """Store an object, unless its name is taken."""
        if obj["kind"] == "Event":
            self.events.append(obj)
            return obj
        assert manager == "autoglm-receiver"
        self._fail()
        name = f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
        if name in self.runs:
            raise refused(409, "AlreadyExists")
        self.runs[name] = obj
        return obj

    async def get(self, _: Kind, __: str | None, ___: str) -> Manifest | None:
        """The ConfigMap."""
        await asyncio.sleep(0)
        return self.config_map

    async def patch(self, _: Kind, __: str | None, ___: str, body: Manifest) -> Manifest:
        """Merge into the ConfigMap, if it is still the one that was read."""
        await asyncio.sleep(0)
        self._fail()
        live = self.config_map
        assert live is not None
        if body["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]:
            raise refused(409, "Conflict")
        known: dict[str, Any] = live.get("data") or {}
        data = known | body["data"]
        version = str(int(live["metadata"]["resourceVersion"]) + 1)
        self.config_map = {
            "metadata": {"resourceVersion": version},
            "data": {key: value for key, value in data.items() if value is not None},
        }
        return self.config_map

    def _fail(self) -> None:
        self.calls += 1
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault
