"""What the operator's decisions look at, built for unit tests.

Exists so that a test states only what it is about: live objects as the API server gives them, and
the views that reconcilers make of them.
"""

import base64
import copy
from typing import Any

from autoglm_api import kinds, labels
from autoglm_api.autoglmcluster import AutoGLMCluster, Upstream
from autoglm_api.conditions import ConditionType
from autoglm_api.modelendpoint import ModelEndpoint
from autoglm_operator.decisions.references import Credentials
from autoglm_operator.decisions.routing import UpstreamSeen
from autoglm_operator.manifests.pods import Images, Owner

Object = dict[str, Any]

IMAGES = Images("img/autoglm:1", "img/haproxy:3.2", "img/valkey:9")
OWNER = Owner(kinds.AUTOGLM_CLUSTER, "team-a", "demo", "cluster-uid")
ENDPOINT_OWNER = Owner(kinds.MODEL_ENDPOINT, "team-a", "local", "endpoint-uid")


def a_condition(about: str, *, status: str = "True", reason: str = "Ready") -> Object:
    """A condition as it stands in a status."""
    return {
        "type": about,
        "status": status,
        "reason": reason,
        "message": ".",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


def an_endpoint(
    name: str = "local", *, ready: bool = False, status: Object | None = None, **spec: object
) -> ModelEndpoint:
    """A managed endpoint of engine Simulator, with what the test replaces."""
    said = dict(status or {})
    if ready:
        about = (ConditionType.ACCEPTED, ConditionType.READY)
        said["conditions"] = [a_condition(str(each)) for each in about]
    managed = {"engine": "Simulator", "replicas": 2}
    return ModelEndpoint.read(
        {
            "apiVersion": "autoglm.io/v1alpha1",
            "kind": "ModelEndpoint",
            "metadata": {
                "name": name,
                "namespace": "team-a",
                "uid": "endpoint-uid",
                "generation": 1,
            },
            "spec": {"type": "Managed", "model": "sim", "managed": managed, **spec},
            "status": said,
        }
    )


def an_external(name: str = "vendor", *, ready: bool = False, **external: object) -> ModelEndpoint:
    """An endpoint behind a URL, with further fields of its block."""
    block = {"baseURL": "https://models.example.com/api/v4", **external}
    return an_endpoint(
        name, ready=ready, type="External", model="glm", external=block, managed=None
    )


def a_cluster(*upstreams: Object, status: Object | None = None, **spec: object) -> AutoGLMCluster:
    """A cluster with these upstreams."""
    listed = list(upstreams) or [{"name": "local", "endpointRef": {"name": "local"}}]
    return AutoGLMCluster.read(
        {
            "apiVersion": "autoglm.io/v1alpha1",
            "kind": "AutoGLMCluster",
            "metadata": {
                "name": "demo",
                "namespace": "team-a",
                "uid": "cluster-uid",
                "generation": 2,
            },
            "spec": {"upstreams": listed, **spec},
            "status": status or {},
        }
    )


def a_pod(uid: str, address: str = "10.0.0.1", *, ready: bool = True, revision: str = "") -> Object:
    """A pod of any role; of a managed endpoint if it has a revision."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": uid,
            "namespace": "team-a",
            "uid": uid,
            "labels": {labels.REVISION: revision},
        },
        "status": {
            "phase": "Running",
            "podIP": address,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def a_secret(*, labelled: bool = True, **data: str) -> Object:
    """A live Secret; underscores of keys become dots."""
    return {
        "metadata": {"labels": {labels.CREDENTIAL: "true"} if labelled else {}},
        "data": {
            key.replace("_", "."): base64.b64encode(value.encode()).decode()
            for key, value in data.items()
        },
    }


def an_upstream(
    endpoint: ModelEndpoint | None,
    *,
    pods: tuple[Object, ...] = (),
    credentials: Credentials | None = None,
    weight: int = 1,
    priority: int = 0,
) -> UpstreamSeen:
    """An upstream with what stands behind it."""
    name = "gone" if endpoint is None else endpoint.metadata.name
    reference = {"name": name}
    spec = {"name": name, "endpointRef": reference, "weight": weight, "priority": priority}
    return UpstreamSeen(Upstream.model_validate(spec), endpoint, credentials or Credentials(), pods)


def made(manifest: Object, *, generation: int = 1, current: bool = False) -> Object:
    """A desired child as it lives after it was applied, its pods current or not there yet."""
    live = copy.deepcopy(manifest)
    uid = f"{live['kind']}-{live['metadata']['name']}"
    live["metadata"] |= {"uid": uid, "generation": generation}
    if current:
        replicas = live.get("spec", {}).get("replicas", 1)
        live["status"] = {
            "observedGeneration": generation,
            "replicas": replicas,
            "updatedReplicas": replicas,
            "readyReplicas": replicas,
        }
    return live
