"""The router of a cluster: HAProxy pods with the agent beside it, their Services and budget.

Never knows what is routed: that is the routing document, which reaches the pods through the mounted
Secret and the agent's push API without touching these objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from autoglm_api import labels
from autoglm_api.pods import PodOptions
from autoglm_operator.manifests import pods, secrets

if TYPE_CHECKING:
    from autoglm_operator.manifests.pods import Images, Manifest, Owner

CLIENT_PORT: Final = 8080
INTERNAL_PORT: Final = 8090
METRICS_PORT: Final = 8404
AGENT_PORT: Final = 9443
SERVICE_PORT: Final = 80
TLS_SERVICE_PORT: Final = 443

RUN_DIR: Final = "/run/router"
STATE_DIR: Final = "/var/lib/router"
SECRET_DIR: Final = "/etc/router"  # noqa: S105 - a path, not a secret
"""Source: the defaults of the router agent's settings."""

SPOOL_DIR: Final = "/var/spool/router"
"""Source: the default of the lane's settings."""
SPOOL_MEBIBYTES: Final = 2048
"""Of bodies whose model is not known yet. Arbitrary: 100 of 20 MiB."""

UNLISTED_SECONDS: Final = 5
"""Between the end of a pod and that of its listeners, so that no Service sends it new connections.
Arbitrary: every node's proxy has to hear of it, which takes about a second."""
DRAIN_SECONDS: Final = 600
"""How long connections may finish. Source: the default limit of one request to an endpoint."""
MARGIN_SECONDS: Final = 15
"""For HAProxy and the agent to exit after the last connection."""


@dataclass(frozen=True, slots=True)
class Router:
    """What a cluster says about its router.

    Attributes:
        owner: The AutoGLMCluster.
        images: References of HAProxy's and our own image.
        replicas: Number of pods.
        options: What the user said about placement and resources; the latter are HAProxy's.
        annotations: Annotations of the pods; a change rolls them.
        tls: Whether clients speak TLS.
    """

    owner: Owner
    images: Images
    replicas: int
    options: PodOptions = field(default_factory=PodOptions)
    annotations: dict[str, str] = field(default_factory=dict[str, str])
    tls: bool = False


def children(router: Router) -> list[Manifest]:
    """All objects of the router, as they should be; the first is the Deployment."""
    owner = router.owner
    own = labels.role_labels(owner.name, labels.Role.ROUTER, owner.uid)
    selector = labels.role_selector(owner.name, labels.Role.ROUTER)
    name = labels.child(owner.name, labels.Role.ROUTER)
    built = [
        pods.deployment(
            owner, name, labels=own, selector=selector, replicas=router.replicas, pods=_pods(router)
        ),
        pods.service(
            owner,
            name,
            labels=own,
            selector=selector,
            ports=(
                {"https": (TLS_SERVICE_PORT, CLIENT_PORT)}
                if router.tls
                else {"http": (SERVICE_PORT, CLIENT_PORT)}
            ),
        ),
        pods.service(
            owner,
            labels.router_internal_service(owner.name),
            labels=own,
            selector=selector,
            ports={"internal": (INTERNAL_PORT, INTERNAL_PORT)},
        ),
    ]
    if router.replicas >= pods.BUDGET_FROM_REPLICAS:
        built.append(pods.disruption_budget(owner, name, labels=own, selector=selector))
    return built


def _pods(router: Router) -> pods.Pods:
    return pods.Pods(
        labels=labels.role_labels(router.owner.name, labels.Role.ROUTER, router.owner.uid),
        annotations=router.annotations,
        containers=[_haproxy(router)],
        # A native sidecar: it runs before HAProxy, which needs its first file, and outlives it.
        init_containers=[_agent(router), _lane(router)],
        volumes=[
            _in_memory("run", "64Mi"),
            _in_memory("state", "8Mi"),
            # Bodies on the node's disk, in files that have no name: nobody else can open them.
            {"name": "spool", "emptyDir": {"sizeLimit": f"{SPOOL_MEBIBYTES}Mi"}},
            _routing_secret(router.owner.name),
        ],
        options=router.options,
        grace_seconds=UNLISTED_SECONDS + DRAIN_SECONDS + MARGIN_SECONDS,
    )


def _haproxy(router: Router) -> Manifest:
    """HAProxy. Its image's stop signal is SIGUSR1: close the listeners, finish the connections.

    It has no liveness probe: one that is full answers none, and ending it would end every stream.
    Its own watchdog ends a thread that hangs.
    """
    return pods.container(
        "haproxy",
        router.images.haproxy,
        pull_policy=router.images.pull_policy,
        options=router.options,
        args=["-W", "-S", f"{RUN_DIR}/master.sock,mode,600", "-f", f"{RUN_DIR}/haproxy.cfg"],
        ports=[
            _port("http", CLIENT_PORT),
            _port("internal", INTERNAL_PORT),
            _port("metrics", METRICS_PORT),
        ],
        # HAProxy itself knows whether it has a routing table: the agent may be down meanwhile.
        readinessProbe=pods.http_probe("/readyz", "metrics", periodSeconds=1, failureThreshold=2),
        lifecycle={"preStop": {"sleep": {"seconds": UNLISTED_SECONDS}}},
        volumeMounts=[{"name": "run", "mountPath": RUN_DIR}],
    )


def _agent(router: Router) -> Manifest:
    healthy = {"httpGet": {"path": "/healthz", "port": "agent", "scheme": "HTTPS"}}
    return pods.container(
        "agent",
        router.images.autoglm,
        pull_policy=router.images.pull_policy,
        restartPolicy="Always",
        args=["router-agent"],
        env=[
            *pods.env(AUTOGLM_DRAIN=f"{DRAIN_SECONDS}s"),
            pods.field_env("POD_NAME", "metadata.name"),
            pods.field_env("POD_NAMESPACE", "metadata.namespace"),
            pods.field_env("POD_UID", "metadata.uid"),
            pods.field_env("POD_IP", "status.podIP"),
        ],
        ports=[_port("agent", AGENT_PORT)],
        # It listens only once HAProxy's first file is written: that starts HAProxy.
        startupProbe={**healthy, "periodSeconds": 1, "failureThreshold": 60},
        livenessProbe={**healthy, "periodSeconds": 10, "timeoutSeconds": 5},
        volumeMounts=[
            {"name": "run", "mountPath": RUN_DIR},
            {"name": "state", "mountPath": STATE_DIR},
            {"name": "routing", "mountPath": SECRET_DIR, "readOnly": True},
        ],
    )


def _lane(router: Router) -> Manifest:
    """The lane: HAProxy answers for it while it restarts."""
    return pods.container(
        "lane",
        router.images.autoglm,
        pull_policy=router.images.pull_policy,
        restartPolicy="Always",
        args=["router-lane"],
        env=[
            *pods.env(AUTOGLM_SPOOL_MEBIBYTES=str(SPOOL_MEBIBYTES)),
            pods.field_env("POD_NAME", "metadata.name"),
        ],
        volumeMounts=[
            {"name": "run", "mountPath": RUN_DIR},
            {"name": "spool", "mountPath": SPOOL_DIR},
        ],
    )


def _routing_secret(cluster: str) -> Manifest:
    keys = (
        secrets.ROUTING_DOCUMENT,
        secrets.PUSH_TOKEN,
        secrets.AGENT_CERTIFICATE,
        secrets.AGENT_KEY,
    )
    return {
        "name": "routing",
        "secret": {
            "secretName": labels.routing_secret(cluster),
            "defaultMode": 0o440,
            # By name, so that the certificate authority's private key never enters a pod.
            "items": [{"key": key, "path": key} for key in keys],
        },
    }


def _in_memory(name: str, limit: str) -> Manifest:
    """Keys are written there, and must not reach a node's disk."""
    return {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": limit}}


def _port(name: str, number: int) -> Manifest:
    return {"name": name, "containerPort": number, "protocol": "TCP"}
