"""What every process of the control plane is told by its environment.

The environment itself is read by `autoglm_api.settings`, alike in both planes.
"""

from __future__ import annotations

from pydantic import Field

from autoglm_api.settings import Settings


class ProcessSettings(Settings):
    """What every process of the control plane is told."""

    probe_host: str = Field("", max_length=45)
    """Address of `/healthz`, `/readyz` and `/metrics`; empty means every address."""

    probe_port: int = Field(8081, ge=0, le=65535)
    """Port of `/healthz`, `/readyz` and `/metrics`; 0 picks a free one."""

    api_timeout_seconds: float = Field(10.0, gt=0, le=60)
    """Time limit of one call to the API server, in seconds."""

    api_concurrency: int = Field(16, ge=1, le=256)
    """Calls to the API server that may be under way at once."""

    @property
    def namespace(self) -> str:
        """Where the process itself lives."""
        return self.pod_namespace or "default"
