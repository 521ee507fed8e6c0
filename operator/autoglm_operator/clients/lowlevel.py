"""The Kubernetes library's low-level client: how we log in with it, and what types it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from kubernetes.aio import config as kube_config
from kubernetes.aio.client import ApiClient, Configuration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Api = ApiClient
Query = list[tuple[str, str]]


class Response(Protocol):
    """What of an answer is used."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """Read the whole body."""
        ...


class _Loaders(Protocol):
    async def load_kube_config(
        self, *, config_file: str, client_configuration: Configuration, persist_config: bool
    ) -> object: ...

    def load_incluster_config(self, *, client_configuration: Configuration) -> None: ...


class LowLevel(Protocol):
    """What of the library's client is used: a request is prepared, then sent."""

    user_agent: str

    async def param_serialize(
        self,
        method: str,
        resource_path: str,
        *,
        query_params: Query,
        header_params: dict[str, str],
        body: object,
        auth_settings: Sequence[str],
    ) -> tuple[object, ...]:
        """Make the arguments of one `call_api`."""
        ...

    async def call_api(self, *args: object, _request_timeout: object) -> Response:
        """Send what was prepared; the time limit is in seconds."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


async def connect(
    kubeconfig: Path | None = None, *, user_agent: str = "autoglm", concurrency: int = 16
) -> ApiClient:
    """Log in by a kubeconfig file if one is given, else as the pod's ServiceAccount."""
    loaders = cast("_Loaders", kube_config)
    configuration = Configuration()
    if kubeconfig is not None:
        await loaders.load_kube_config(
            config_file=str(kubeconfig), client_configuration=configuration, persist_config=False
        )
    else:
        loaders.load_incluster_config(client_configuration=configuration)
    configuration.connection_pool_maxsize = concurrency
    # A proxy from the environment is meant for the outside world, never for the API server.
    configuration.client_session_kwargs = {"trust_env": False}
    api = ApiClient(configuration)
    # The first word of the user agent is the field manager of calls that name none.
    cast("LowLevel", api).user_agent = user_agent
    return api


def server_of(api: Api) -> str:
    """URL of the API server that a client is logged in at."""
    return str(cast("Any", api).configuration.host)
