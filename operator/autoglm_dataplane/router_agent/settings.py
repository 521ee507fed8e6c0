"""What the router agent is told by its environment."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from autoglm_api.durations import Between, Duration
from autoglm_dataplane.router_agent.layout import Layout, Ports
from autoglm_dataplane.serving.settings import ProcessSettings

AGENT_PORT: Final = 9443


class RouterAgentSettings(ProcessSettings):
    """One agent beside one HAProxy."""

    port: Annotated[int, Field(ge=1, le=65535)] = AGENT_PORT
    """Port of the push API and of the probes, served by TLS."""
    run_dir: Path = Path("/run/router")
    """Shared with HAProxy: configuration, maps and sockets. In memory, because it holds keys."""
    state_dir: Path = Path("/var/lib/router")
    """Directory of the agent alone: the newest document that HAProxy took, and pinned addresses."""
    secret_dir: Path = Path("/etc/router")
    """The mounted Secret: `routing.json`, `push-token`, `tls.crt` and `tls.key`."""
    bind: Annotated[str, Field(max_length=45, pattern=r"^[0-9a-f.:]*$")] = ""
    """Address that HAProxy listens on; empty means every address of the pod's own family."""
    client_port: Annotated[int, Field(ge=1, le=65535)] = 8080
    """HAProxy's port for clients."""
    internal_port: Annotated[int, Field(ge=1, le=65535)] = 8090
    """HAProxy's port for planner and executors."""
    metrics_port: Annotated[int, Field(ge=1, le=65535)] = 8404
    """HAProxy's port for metrics and probes."""
    drain: Annotated[Duration, Between("1s", "24h")] = Field(default="10m", validate_default=True)
    """How long an old HAProxy worker may finish its connections after a reload or a stop."""
    threads: Annotated[int, Field(ge=1, le=64)] = 2
    """HAProxy's threads; without a number it would take one per CPU of the node."""
    poll_interval: Annotated[Duration, Between("100ms", "1h")] = Field(
        default="2s", validate_default=True
    )
    """Time between two looks at the mounted Secret and at HAProxy itself."""
    resolve_interval: Annotated[Duration, Between("1s", "1h")] = Field(
        default="30s", validate_default=True
    )
    """Time between two resolutions of the names of external endpoints."""
    reload_interval: Annotated[Duration, Between("0s", "1h")] = Field(
        default="2s", validate_default=True
    )
    """Least time between two reloads; the first is never held back."""

    def layout(self) -> Layout:
        """Where HAProxy finds its files and where it listens."""
        everywhere = "::" if ":" in self.pod_ip else "0.0.0.0"  # noqa: S104 - a server's default
        return Layout(
            run_dir=self.run_dir,
            bind=self.bind or everywhere,
            ports=Ports(self.client_port, self.internal_port, self.metrics_port),
            drain_seconds=int(self.drain.total_seconds()),
            threads=self.threads,
        )
