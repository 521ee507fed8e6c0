"""What planner and executor pods have in common: the way to the store, to the models, and secrets.

Never says what either role does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from autoglm_api import durations, labels
from autoglm_api.pods import PodOptions
from autoglm_operator.manifests import pods, router, secrets

if TYPE_CHECKING:
    from autoglm_operator.manifests.pods import Images, Manifest, Owner

STORE_PORT: Final = 6379
SECRET_DIR: Final = "/etc/autoglm"  # noqa: S105 - a path, not a secret
PORT_NAME: Final = "http"

UNLISTED_SECONDS: Final = 5
"""Between the end of a pod and that of its listener, so that no router sends it new requests.
Arbitrary: the operator has to push a table without it, which takes about a second."""
LONGEST_GRACE: Final = timedelta(minutes=10)
"""Arbitrary, because a node drain must end; work that takes longer goes to other pods."""
MARGIN_SECONDS: Final = 15
"""For the process to exit after its last request."""


@dataclass(frozen=True, slots=True)
class TaskRole:
    """What a cluster says about its planners or its executors.

    Attributes:
        owner: The AutoGLMCluster.
        images: References of our own image.
        replicas: Number of pods; None leaves it to whoever owns the field.
        timeout: Time for a whole request.
        options: What the user said about placement and resources.
    """

    owner: Owner
    images: Images
    replicas: int | None
    timeout: timedelta
    options: PodOptions = field(default_factory=PodOptions)


@dataclass(frozen=True, slots=True)
class Process:
    """Which of the two roles, and what only it is told."""

    role: labels.Role
    port: int
    environment: dict[str, str] = field(default_factory=dict[str, str])


def children(said: TaskRole, process: Process) -> list[Manifest]:
    """Deployment, Service and budget of a role; the first is the Deployment."""
    owner, role = said.owner, process.role
    own = labels.role_labels(owner.name, role, owner.uid)
    selector = labels.role_selector(owner.name, role)
    name = labels.child(owner.name, role)
    ports = {PORT_NAME: (process.port, process.port)}
    built = [
        pods.deployment(
            owner,
            name,
            labels=own,
            selector=selector,
            replicas=said.replicas,
            pods=_pods(said, process, own),
        ),
        pods.service(owner, name, labels=own, selector=selector, ports=ports),
    ]
    if said.replicas is None or said.replicas >= pods.BUDGET_FROM_REPLICAS:
        built.append(pods.disruption_budget(owner, name, labels=own, selector=selector))
    return built


def _pods(said: TaskRole, process: Process, own: dict[str, str]) -> pods.Pods:
    grace = int(_grace(said).total_seconds())
    return pods.Pods(
        labels=own,
        containers=[_container(said, process)],
        volumes=[_secret(said.owner.name), {"name": "tmp", "emptyDir": {}}],
        options=said.options,
        # Once for requests in flight, once for work that no request waits for.
        grace_seconds=UNLISTED_SECONDS + 2 * grace + MARGIN_SECONDS,
    )


def _container(said: TaskRole, process: Process) -> Manifest:
    healthy = pods.http_probe("/healthz", PORT_NAME, periodSeconds=10, timeoutSeconds=5)
    return pods.container(
        str(process.role),
        said.images.autoglm,
        pull_policy=said.images.pull_policy,
        options=said.options,
        args=[str(process.role)],
        env=[
            *pods.env(**_shared(said), **process.environment),
            pods.field_env("POD_NAME", "metadata.name"),
            pods.field_env("POD_NAMESPACE", "metadata.namespace"),
            pods.field_env("POD_UID", "metadata.uid"),
            pods.field_env("POD_IP", "status.podIP"),
        ],
        ports=[{"name": PORT_NAME, "containerPort": process.port, "protocol": "TCP"}],
        startupProbe=pods.http_probe("/healthz", PORT_NAME, periodSeconds=1, failureThreshold=120),
        readinessProbe=pods.http_probe("/readyz", PORT_NAME, periodSeconds=2, timeoutSeconds=2),
        livenessProbe=healthy,
        lifecycle={"preStop": {"sleep": {"seconds": UNLISTED_SECONDS}}},
        volumeMounts=[
            {"name": "internal", "mountPath": SECRET_DIR, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
        ],
    )


def _shared(said: TaskRole) -> dict[str, str]:
    cluster, namespace = said.owner.name, said.owner.namespace
    store = labels.child(cluster, labels.Role.STORE)
    listener = labels.router_internal_service(cluster)
    return {
        "AUTOGLM_STORE_URL": f"valkey://{store}.{namespace}.svc:{STORE_PORT}/0",
        "AUTOGLM_STORE_PASSWORD_FILE": f"{SECRET_DIR}/{secrets.VALKEY_PASSWORD}",
        "AUTOGLM_INTERNAL_URL": f"http://{listener}.{namespace}.svc:{router.INTERNAL_PORT}",
        "AUTOGLM_INTERNAL_TOKEN_FILE": f"{SECRET_DIR}/{secrets.INTERNAL_TOKEN}",
        "AUTOGLM_SHUTDOWN_GRACE": durations.format_duration(_grace(said)),
    }


def _grace(said: TaskRole) -> timedelta:
    return min(said.timeout, LONGEST_GRACE)


def _secret(cluster: str) -> Manifest:
    keys = (secrets.INTERNAL_TOKEN, secrets.VALKEY_PASSWORD)
    return {
        "name": "internal",
        "secret": {
            "secretName": labels.internal_secret(cluster),
            "defaultMode": 0o440,
            "items": [{"key": key, "path": key} for key in keys],
        },
    }
