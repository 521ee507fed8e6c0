"""Starts `autoglm healer` and `autoglm receiver` as processes of their own, as pods would."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from control_processes import ControlProcess, free_port, running

__all__ = ["HealingProcess", "running"]

ANSWER_SECONDS = 60.0
"""Arbitrary, because it only has to be longer than a busy API server needs for a burst."""


@dataclass
class HealingProcess(ControlProcess):
    """One replica of either."""

    webhook_port: int = 0
    keep_port: bool = False
    """Whether it listens on the same port when it is started again, as behind a Service."""

    def told(self) -> Mapping[str, str]:
        """Where the receiver listens."""
        if self.subcommand != "receiver":
            return {}
        if not (self.keep_port and self.webhook_port):
            self.webhook_port = free_port()
        return {"webhook_host": "127.0.0.1", "webhook_port": str(self.webhook_port)}

    def knows_a_policy(self) -> bool:
        """Whether a receiver has learnt of a policy; before that no alert matches."""
        return b"policy learnt" in self.log.read_bytes()

    def deliver(
        self,
        body: bytes | dict[str, Any],
        token: str | None,
        trust: ssl.SSLContext,
        path: str = "/v1/alertmanager",
    ) -> httpx.Response:
        """Post to the webhook as Alertmanager does."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        with httpx.Client(verify=trust, trust_env=False, timeout=ANSWER_SECONDS) as client:
            url = f"https://localhost:{self.webhook_port}{path}"
            if isinstance(body, dict):
                return client.post(url, json=body, headers=headers)
            return client.post(url, content=body, headers=headers)
