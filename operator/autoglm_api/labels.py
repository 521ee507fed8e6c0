"""Label and annotation keys, field managers, and the names of every child object.

Names are contracts: people script against them, and the healer finds owners by them. This module
only spells them; it never decides which children a cluster has.
"""

from enum import StrEnum
from typing import Final

from autoglm_api.kinds import GROUP

CLUSTER: Final = f"{GROUP}/cluster"
"""Label: name of the AutoGLMCluster that an object belongs to."""
ROLE: Final = f"{GROUP}/role"
"""Label: the `Role` of a child of a cluster."""
ENDPOINT: Final = f"{GROUP}/endpoint"
"""Label: name of the ModelEndpoint that an object belongs to."""
REVISION: Final = f"{GROUP}/revision"
"""Label: the revision of a managed model server."""
OWNER_UID: Final = f"{GROUP}/owner-uid"
"""Label: UID of the custom resource that made the object; a recreated owner has another one."""
CREDENTIAL: Final = f"{GROUP}/credential"
"""Label: "true" on a Secret that its owner lets us read; without it a reference is refused."""
HEALING: Final = f"{GROUP}/healing"
"""Label on a namespace or a node: "paused" holds every healing run in it, or about it."""
APPLIED_HASH: Final = f"{GROUP}/applied-hash"
"""Annotation: hash of the desired state applied last, so that an unchanged one is skipped."""
APPROVED: Final = f"{GROUP}/approved"
"""Annotation on a run: `<step>/<user name>`, set by the user who approves that step."""
LEASE: Final = f"{GROUP}/lease"
"""Annotation: what the healer changed on the object and will undo; see `autoglm_api.leases`."""
ISOLATED: Final = f"{GROUP}/isolated"
"""Key of the NoSchedule taint on a node that the healer isolates; its value names the run."""
UNDO: Final = f"{GROUP}/undo"
"""Finalizer on a HealingRun that holds a change which is still to be undone."""
INITIAL_REPLICAS: Final = f"{GROUP}/initial-replicas"
"""Annotation: number of pods that an autoscaled workload is created with."""
MODEL: Final = f"{GROUP}/model"
"""Annotation on pods of a managed endpoint: the name by which they know their model."""
PORT: Final = f"{GROUP}/port"
"""Annotation on pods of a managed endpoint: the port that they listen on."""
COMPLETION: Final = f"{GROUP}/completion"
"""Readiness gate and condition of pods of a managed endpoint: one real completion succeeded."""
RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"
"""Annotation on a pod template; the same that `kubectl rollout restart` sets."""

APP_NAME: Final = "app.kubernetes.io/name"
APP_INSTANCE: Final = "app.kubernetes.io/instance"
APP_COMPONENT: Final = "app.kubernetes.io/component"
APP_PART_OF: Final = "app.kubernetes.io/part-of"
APP_MANAGED_BY: Final = "app.kubernetes.io/managed-by"

TRUE: Final = "true"
PAUSED: Final = "paused"

APPLICATION: Final = "autoglm"
"""Value of `APP_PART_OF` and of `APP_NAME`."""

OPERATOR: Final = "autoglm-operator"
"""Field manager of the operator, and value of `APP_MANAGED_BY`."""
HANDOVER: Final = "autoglm-operator-handover"
"""Field manager that keeps a number of pods from falling to its default while the operator lets go
of it and no autoscaler has taken it yet."""
RECEIVER: Final = "autoglm-receiver"
"""Field manager of the receiver, and audience of the tokens that callers show it."""
HEALER: Final = "autoglm-healer"
"""Field manager of the healer."""
PAUSE_CONFIG_MAP: Final = "autoglm-healing"
"""ConfigMap in the release namespace whose key `PAUSED` stops all healing at once."""
REVERT: Final = "revert"
"""Key of the same ConfigMap: "true" undoes everything that is to be undone at once."""


class Role(StrEnum):
    """The parts of one cluster."""

    ROUTER = "router"
    PLANNER = "planner"
    EXECUTOR = "executor"
    STORE = "store"


def child(cluster: str, role: Role) -> str:
    """Name of the workload of a role, and of the Service of the same name."""
    return f"{cluster}-{role}"


def router_internal_service(cluster: str) -> str:
    """Service through which planner and executors reach the upstreams."""
    return f"{cluster}-router-internal"


def routing_secret(cluster: str) -> str:
    """Secret with the routing document, push token and agent certificate; for router pods only."""
    return f"{cluster}-routing"


def internal_secret(cluster: str) -> str:
    """Secret with the token and passwords that the roles use among themselves."""
    return f"{cluster}-internal"


def client_key_secret(cluster: str) -> str:
    """Secret whose every data key is one valid API key of clients."""
    return f"{cluster}-client-key"


def agent_server_name(cluster: str, namespace: str) -> str:
    """The name under which every router agent's certificate is verified."""
    return f"router.{cluster}.{namespace}"


def endpoint_service(endpoint: str) -> str:
    """Service in front of a managed endpoint's pods."""
    return endpoint


def endpoint_deployment(endpoint: str, revision: str) -> str:
    """Deployment of one revision of a managed endpoint."""
    return f"{endpoint}-{revision}"


def role_selector(cluster: str, role: Role) -> dict[str, str]:
    """Labels that select the pods of one role; they never change while the cluster lives."""
    return {CLUSTER: cluster, ROLE: str(role)}


def cluster_labels(cluster: str, owner_uid: str) -> dict[str, str]:
    """Labels of every child of a cluster."""
    return {
        APP_NAME: APPLICATION,
        APP_INSTANCE: cluster,
        APP_PART_OF: APPLICATION,
        APP_MANAGED_BY: OPERATOR,
        CLUSTER: cluster,
        OWNER_UID: owner_uid,
    }


def role_labels(cluster: str, role: Role, owner_uid: str) -> dict[str, str]:
    """Labels of the children of one role, and of its pods."""
    return cluster_labels(cluster, owner_uid) | {APP_COMPONENT: str(role), ROLE: str(role)}


def endpoint_selector(endpoint: str) -> dict[str, str]:
    """Labels that select the pods of a managed endpoint, of all its revisions."""
    return {ENDPOINT: endpoint}


def revision_selector(endpoint: str, revision: str) -> dict[str, str]:
    """Labels that select the pods of one revision of a managed endpoint."""
    return endpoint_selector(endpoint) | {REVISION: revision}


def endpoint_labels(endpoint: str, owner_uid: str) -> dict[str, str]:
    """Labels of every child of a managed endpoint."""
    return {
        APP_NAME: APPLICATION,
        APP_INSTANCE: endpoint,
        APP_COMPONENT: "model-server",
        APP_PART_OF: APPLICATION,
        APP_MANAGED_BY: OPERATOR,
        ENDPOINT: endpoint,
        OWNER_UID: owner_uid,
    }
