"""How each engine's server is started, probed and ended.

What is known of an engine stands here and nowhere else: command line, health paths, what it writes.
Never knows about revisions, replicas or Services.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from autoglm_api import durations
from autoglm_api.modelendpoint import Engine
from autoglm_operator.manifests import artifacts, pods

if TYPE_CHECKING:
    from autoglm_api.modelendpoint import ManagedEndpoint
    from autoglm_operator.manifests.pods import Images, Manifest

PORT_NAME: Final = "http"
UNLISTED_SECONDS: Final = 5
"""Between the end of a pod and that of its listener, so that no router sends it new requests.
Arbitrary: the operator has to push a table without it, which takes about a second."""
PROBE_SECONDS: Final = 10
"""Arbitrary, because a model loads for minutes."""

_HOME: Final = "/tmp"  # noqa: S108 - the pod's own
# Source: torch asks for the user's name, which no unknown user id has, and caches in its home.
_ENVIRONMENT: Final = {
    "HF_HOME": f"{_HOME}/huggingface",
    "HOME": _HOME,
    "LOGNAME": "nonroot",
    "USER": "nonroot",
    "XDG_CACHE_HOME": f"{_HOME}/cache",
}


def server(model: str, managed: ManagedEndpoint, images: Images) -> Manifest:
    """The container that serves the model."""
    if managed.engine is Engine.SIMULATOR:
        return _simulator(model, managed, images)
    if managed.engine is Engine.CUSTOM:
        return _custom(managed)
    return _inference(model, managed)


def volumes(managed: ManagedEndpoint) -> list[Manifest]:
    """What the container mounts."""
    found: list[Manifest] = [{"name": "tmp", "emptyDir": {}}]
    if managed.engine in {Engine.VLLM, Engine.SGLANG}:
        # Processes of one server share tensors here; the runtime's own 64 MiB are too few.
        found.append({"name": "shm", "emptyDir": {"medium": "Memory"}})
    return found + artifacts.volumes(managed.artifact)


def grace_seconds(managed: ManagedEndpoint) -> int:
    """Time that a pod has to end."""
    drain = int(managed.drain_timeout.total_seconds())
    return UNLISTED_SECONDS + drain + PROBE_SECONDS


def _simulator(model: str, managed: ManagedEndpoint, images: Images) -> Manifest:
    # It goes on with its requests after SIGTERM, for as long as it is told.
    told = pods.env(
        AUTOGLM_MODELS=model,
        AUTOGLM_PORT=str(managed.port),
        AUTOGLM_SHUTDOWN_GRACE=durations.format_duration(managed.drain_timeout),
    )
    return pods.container(
        "server",
        images.autoglm,
        pull_policy=images.pull_policy,
        options=managed,
        args=["simulator"],
        env=[*told, pods.field_env("POD_NAME", "metadata.name")],
        ports=_ports(managed),
        startupProbe=pods.http_probe(
            "/healthz", PORT_NAME, periodSeconds=1, failureThreshold=_attempts(managed, 1)
        ),
        readinessProbe=pods.http_probe("/readyz", PORT_NAME, periodSeconds=2),
        livenessProbe=pods.http_probe("/healthz", PORT_NAME, periodSeconds=10),
        lifecycle=pods.slept(UNLISTED_SECONDS),
        volumeMounts=_mounts(managed),
    )


def _custom(managed: ManagedEndpoint) -> Manifest:
    # Model servers differ in their health paths; all of them list their models.
    return pods.container(
        "server",
        str(managed.image),
        options=managed,
        args=list(managed.args or ()),
        ports=_ports(managed),
        startupProbe=_probe("/v1/models", failureThreshold=_attempts(managed, PROBE_SECONDS)),
        readinessProbe=_probe("/v1/models"),
        lifecycle=_ending(managed),
        volumeMounts=_mounts(managed),
    )


def _inference(model: str, managed: ManagedEndpoint) -> Manifest:
    told = dict(_ENVIRONMENT)
    if managed.artifact is not None:
        told["HF_HUB_OFFLINE"] = "1"
    return pods.container(
        "server",
        str(managed.image),
        options=managed,
        **_command(model, managed),
        env=pods.env(**told),
        ports=_ports(managed),
        startupProbe=_probe("/health", failureThreshold=_attempts(managed, PROBE_SECONDS)),
        readinessProbe=_probe("/health"),
        livenessProbe=_probe("/health", failureThreshold=6),
        lifecycle=_ending(managed),
        volumeMounts=[*_mounts(managed), {"name": "shm", "mountPath": "/dev/shm"}],  # noqa: S108
    )


def _command(model: str, managed: ManagedEndpoint) -> Manifest:
    """Command and arguments; the user's come last, so that they win where an option is repeated.

    Source: `vllm serve --help`, and the server arguments in SGLang's documentation.
    """
    source = artifacts.path_of(managed.artifact) or model
    own = ["--served-model-name", model, "--port", str(managed.port)]
    more = list(managed.args or ())
    if managed.engine is Engine.VLLM:
        return {"command": ["vllm", "serve"], "args": [source, *own, *more]}
    return {
        "command": ["python3", "-m", "sglang.launch_server"],
        "args": ["--model-path", source, *own, "--host", "0.0.0.0", *more],  # noqa: S104 - a pod
    }


def _ending(managed: ManagedEndpoint) -> Manifest:
    # These servers drop their requests at SIGTERM, so it comes only after the drain.
    return pods.slept(max(UNLISTED_SECONDS, int(managed.drain_timeout.total_seconds())))


def _probe(path: str, **more: int) -> Manifest:
    return pods.http_probe(path, PORT_NAME, periodSeconds=PROBE_SECONDS, timeoutSeconds=5, **more)


def _attempts(managed: ManagedEndpoint, period: int) -> int:
    return max(1, int(managed.startup_timeout.total_seconds()) // period)


def _ports(managed: ManagedEndpoint) -> list[Manifest]:
    return [{"name": PORT_NAME, "containerPort": managed.port, "protocol": "TCP"}]


def _mounts(managed: ManagedEndpoint) -> list[Manifest]:
    return [{"name": "tmp", "mountPath": _HOME}, *artifacts.mounts(managed.artifact)]
