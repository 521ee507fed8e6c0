"""Every Kubernetes kind that we touch, as data.

One table, so that clients, informers and tests spell group, version and plural the same way. It
never talks to an API server.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

GROUP: Final = "autoglm.io"
VERSION: Final = "v1alpha1"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a request for an object of this kind needs to know."""

    group: str
    """API group; empty for the core group."""
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version


AUTOGLM_CLUSTER: Final = Kind(GROUP, VERSION, "autoglmclusters", "AutoGLMCluster")
MODEL_ENDPOINT: Final = Kind(GROUP, VERSION, "modelendpoints", "ModelEndpoint")
HEALING_POLICY: Final = Kind(GROUP, VERSION, "healingpolicies", "HealingPolicy")
HEALING_RUN: Final = Kind(GROUP, VERSION, "healingruns", "HealingRun")

CONFIG_MAP: Final = Kind("", "v1", "configmaps", "ConfigMap")
NAMESPACE: Final = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
NODE: Final = Kind("", "v1", "nodes", "Node", namespaced=False)
PERSISTENT_VOLUME_CLAIM: Final = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
POD: Final = Kind("", "v1", "pods", "Pod")
RESOURCE_QUOTA: Final = Kind("", "v1", "resourcequotas", "ResourceQuota")
SECRET: Final = Kind("", "v1", "secrets", "Secret")
SERVICE: Final = Kind("", "v1", "services", "Service")
SERVICE_ACCOUNT: Final = Kind("", "v1", "serviceaccounts", "ServiceAccount")

CONTROLLER_REVISION: Final = Kind("apps", "v1", "controllerrevisions", "ControllerRevision")
DAEMON_SET: Final = Kind("apps", "v1", "daemonsets", "DaemonSet")
DEPLOYMENT: Final = Kind("apps", "v1", "deployments", "Deployment")
REPLICA_SET: Final = Kind("apps", "v1", "replicasets", "ReplicaSet")
STATEFUL_SET: Final = Kind("apps", "v1", "statefulsets", "StatefulSet")

CRON_JOB: Final = Kind("batch", "v1", "cronjobs", "CronJob")
JOB: Final = Kind("batch", "v1", "jobs", "Job")

CUSTOM_RESOURCE_DEFINITION: Final = Kind(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    namespaced=False,
)
ENDPOINT_SLICE: Final = Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
EVENT: Final = Kind("events.k8s.io", "v1", "events", "Event")
HORIZONTAL_POD_AUTOSCALER: Final = Kind(
    "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"
)
LEASE: Final = Kind("coordination.k8s.io", "v1", "leases", "Lease")
NETWORK_POLICY: Final = Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
POD_DISRUPTION_BUDGET: Final = Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
STORAGE_CLASS: Final = Kind(
    "storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False
)
SELF_SUBJECT_REVIEW: Final = Kind(
    "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False
)
SUBJECT_ACCESS_REVIEW: Final = Kind(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)
TOKEN_REVIEW: Final = Kind(
    "authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False
)

OWN: Final = (AUTOGLM_CLUSTER, MODEL_ENDPOINT, HEALING_POLICY, HEALING_RUN)
"""The kinds whose definitions we ship."""

ALL: Final = (
    *OWN,
    CONFIG_MAP,
    NAMESPACE,
    NODE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    RESOURCE_QUOTA,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    CONTROLLER_REVISION,
    DAEMON_SET,
    DEPLOYMENT,
    REPLICA_SET,
    STATEFUL_SET,
    CRON_JOB,
    JOB,
    CUSTOM_RESOURCE_DEFINITION,
    ENDPOINT_SLICE,
    EVENT,
    HORIZONTAL_POD_AUTOSCALER,
    LEASE,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    SELF_SUBJECT_REVIEW,
    STORAGE_CLASS,
    SUBJECT_ACCESS_REVIEW,
    TOKEN_REVIEW,
)
"""Every kind above."""

_BY_NAME: Final = {(kind.api_version, kind.kind): kind for kind in ALL}


def find(api_version: str, kind: str) -> Kind | None:
    """Look a kind up by what an object or an owner reference says; None when we do not touch it."""
    return _BY_NAME.get((api_version, kind))


def kind_of(obj: Mapping[str, object]) -> Kind:
    """The kind of a manifest.

    Raises:
        KeyError: the manifest names a kind that is not in this table.
    """
    return _BY_NAME[(str(obj["apiVersion"]), str(obj["kind"]))]
