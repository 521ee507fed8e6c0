"""The embedded task store of a cluster: one Valkey with a volume, and its Service.

Every write is on the volume before it is acknowledged, so that no accepted task is lost with the
pod. Never holds the password: that is in a Secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from autoglm_api import kinds, labels
from autoglm_operator.manifests import pods, secrets
from autoglm_operator.manifests.taskroles import STORE_PORT

if TYPE_CHECKING:
    from autoglm_api.autoglmcluster import EmbeddedStore
    from autoglm_operator.manifests.pods import Images, Manifest, Owner

PORT_NAME: Final = "valkey"
DATA_DIR: Final = "/data"
CONFIG_DIR: Final = "/etc/valkey"
GRACE_SECONDS: Final = 30
"""Kubernetes' default; Valkey ends at once, because every write is on the volume already."""

ARGUMENTS: Final = (
    *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
    # The default of 64 MiB is more than the smallest volume holds.
    *("--auto-aof-rewrite-min-size", "16mb"),
    # A full memory refuses new runs; evicting would lose accepted ones.
    *("--maxmemory-policy", "noeviction"),
)
"""How it keeps what it is given."""


@dataclass(frozen=True, slots=True)
class Store:
    """What a cluster says about its embedded store.

    Attributes:
        owner: The AutoGLMCluster.
        images: Reference of Valkey's image.
        said: Size of the volume, placement and resources.
    """

    owner: Owner
    images: Images
    said: EmbeddedStore


def children(store: Store) -> list[Manifest]:
    """All objects of the store; the first is the StatefulSet.

    It has no disruption budget: with one pod, a budget could only block node drains.
    """
    owner = store.owner
    own = labels.role_labels(owner.name, labels.Role.STORE, owner.uid)
    selector = labels.role_selector(owner.name, labels.Role.STORE)
    name = labels.child(owner.name, labels.Role.STORE)
    ports = {PORT_NAME: (STORE_PORT, STORE_PORT)}
    return [
        _stateful_set(store, name, own, selector),
        pods.service(owner, name, labels=own, selector=selector, ports=ports),
    ]


def _stateful_set(
    store: Store, name: str, own: dict[str, str], selector: dict[str, str]
) -> Manifest:
    built = pods.child(kinds.STATEFUL_SET, store.owner, name, own)
    built["spec"] = {
        "serviceName": name,
        "replicas": 1,
        "selector": {"matchLabels": selector},
        "template": pods.pod_template(
            pods.Pods(
                labels=own,
                containers=[_valkey(store)],
                volumes=[_config(store.owner.name)],
                options=store.said,
                grace_seconds=GRACE_SECONDS,
            )
        ),
        "volumeClaimTemplates": [_claim(store.said.storage)],
        # Whoever deletes the cluster deletes its queue; a new cluster of the same name, perhaps of
        # another size, must not meet the old one's.
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
    }
    return built


def _valkey(store: Store) -> Manifest:
    listens = {"tcpSocket": {"port": PORT_NAME}}
    answers = {"exec": {"command": ["valkey-cli", "-e", "-p", str(STORE_PORT), "ping"]}}
    return pods.container(
        "valkey",
        store.images.valkey,
        pull_policy=store.images.pull_policy,
        options=store.said,
        # The password comes from a file, because arguments can be read by anybody on the node.
        args=[
            *("valkey-server", f"{CONFIG_DIR}/{secrets.VALKEY_CONFIG}"),
            *("--port", str(STORE_PORT), "--dir", DATA_DIR, *ARGUMENTS),
        ],
        env=[
            pods.secret_env(
                "REDISCLI_AUTH",
                labels.internal_secret(store.owner.name),
                secrets.VALKEY_PASSWORD,
            )
        ],
        ports=[{"name": PORT_NAME, "containerPort": STORE_PORT, "protocol": "TCP"}],
        # It listens at once and reads its file then: that may take long and must not end it.
        startupProbe={**listens, "periodSeconds": 1, "failureThreshold": 120},
        readinessProbe={**answers, "periodSeconds": 5, "timeoutSeconds": 3},
        livenessProbe={**listens, "periodSeconds": 10, "timeoutSeconds": 5},
        volumeMounts=[
            {"name": "data", "mountPath": DATA_DIR},
            {"name": "config", "mountPath": CONFIG_DIR, "readOnly": True},
        ],
    )


def _config(cluster: str) -> Manifest:
    return {
        "name": "config",
        "secret": {
            "secretName": labels.internal_secret(cluster),
            "defaultMode": 0o440,
            "items": [{"key": secrets.VALKEY_CONFIG, "path": secrets.VALKEY_CONFIG}],
        },
    }


def _claim(storage: str) -> Manifest:
    return {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": storage}},
        },
    }
