"""Where HAProxy's files, sockets and ports are. Pure; creates nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

CLIENT_KEYS: Final = "client-keys.map"
INTERNAL_TOKENS: Final = "internal-tokens.map"
TOKEN_SECRETS: Final = "token-secrets.map"  # noqa: S105 - a file name
ENDPOINT_KEYS: Final = "endpoint-keys.map"
MODELS: Final = "models.map"
FALLBACKS: Final = "fallbacks.map"
UPSTREAMS: Final = "upstreams.map"


@dataclass(frozen=True, slots=True)
class Ports:
    """HAProxy's listeners."""

    clients: int
    internal: int
    metrics: int


@dataclass(frozen=True, slots=True)
class Layout:
    """One router pod, or one HAProxy of a test."""

    run_dir: Path
    bind: str
    ports: Ports
    drain_seconds: int
    threads: int = 2
    client_silence_seconds: int = 60
    """How long a client may neither send what it announced nor take what it is sent; while it
    waits for an answer it may be silent. Arbitrary: a connection in a tunnel is back by then."""

    @property
    def config(self) -> Path:
        """The file that HAProxy is started with and reloads."""
        return self.run_dir / "haproxy.cfg"

    @property
    def master_socket(self) -> Path:
        """HAProxy's master CLI, through which everything is asked and changed."""
        return self.run_dir / "master.sock"

    def path(self, name: str) -> str:
        """Path of a map, certificate bundle or hop socket, as it stands in the configuration."""
        return str(self.run_dir / name)

    def address(self, port: int) -> str:
        """A `bind` address."""
        return f"ipv6@[{self.bind}]:{port} v4v6" if ":" in self.bind else f"{self.bind}:{port}"
