"""The children of a Managed ModelEndpoint: Deployment per revision, Service, disruption budget.

Never decides which revision serves; a revision is a name for what its pods run.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from autoglm_api import labels
from autoglm_api.modelendpoint import Engine
from autoglm_operator.manifests import pods

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoglm_api.modelendpoint import ManagedEndpoint, ModelEndpoint
    from autoglm_operator.manifests.pods import Images, Manifest, Owner, Pods

PORT_NAME = "http"
# Arbitrary, because short hashes only have to tell the revisions of one endpoint apart.
REVISION_LENGTH = 8
# A streamed answer may still be on its way when a pod is asked to end.
GRACE_SECONDS = 60


def revision_of(template: Manifest) -> str:
    """Name of what the pods run: a hash of their template."""
    text = json.dumps(template, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:REVISION_LENGTH]


def children(endpoint: ModelEndpoint, owner: Owner, images: Images) -> list[Manifest]:
    """All objects of a managed endpoint, as they should be; the first is the Deployment."""
    managed = endpoint.spec.managed
    assert managed is not None  # noqa: S101 - the caller dispatches on the type
    own = labels.endpoint_labels(owner.name, owner.uid)
    selector = labels.endpoint_selector(owner.name)
    template = _pods(endpoint.spec.model, managed, own, images)
    revision = revision_of(pods.pod_template(template))
    built = [
        _deployment(owner, revision, own, managed, template),
        pods.service(
            owner,
            labels.endpoint_service(owner.name),
            labels=own,
            selector=selector,
            ports={PORT_NAME: (80, managed.port)},
        ),
    ]
    if managed.replicas >= pods.BUDGET_FROM_REPLICAS:
        name = labels.endpoint_service(owner.name)
        built.append(pods.disruption_budget(owner, name, labels=own, selector=selector))
    return built


def _deployment(
    owner: Owner, revision: str, own: Mapping[str, str], managed: ManagedEndpoint, template: Pods
) -> Manifest:
    marked = {**own, labels.REVISION: revision}
    selector = {**labels.endpoint_selector(owner.name), labels.REVISION: revision}
    revised = pods.Pods(
        labels=marked,
        containers=template.containers,
        volumes=template.volumes,
        options=template.options,
        grace_seconds=template.grace_seconds,
    )
    return pods.deployment(
        owner,
        labels.endpoint_deployment(owner.name, revision),
        labels=marked,
        selector=selector,
        replicas=managed.replicas,
        pods=revised,
    )


def _pods(model: str, managed: ManagedEndpoint, own: Mapping[str, str], images: Images) -> Pods:
    server = (
        _simulator(model, managed, images)
        if managed.engine is Engine.SIMULATOR
        else _custom(managed)
    )
    return pods.Pods(
        labels=own,
        containers=[server],
        volumes=[{"name": "tmp", "emptyDir": {}}],
        options=managed,
        grace_seconds=GRACE_SECONDS,
    )


def _simulator(model: str, managed: ManagedEndpoint, images: Images) -> Manifest:
    return pods.container(
        "server",
        images.autoglm,
        pull_policy=images.pull_policy,
        options=managed,
        args=["simulator"],
        env=[
            *pods.env(AUTOGLM_MODELS=model, AUTOGLM_PORT=str(managed.port)),
            pods.field_env("POD_NAME", "metadata.name"),
        ],
        ports=[{"name": PORT_NAME, "containerPort": managed.port, "protocol": "TCP"}],
        startupProbe=pods.http_probe("/healthz", PORT_NAME, periodSeconds=1, failureThreshold=60),
        readinessProbe=pods.http_probe("/readyz", PORT_NAME, periodSeconds=2),
        livenessProbe=pods.http_probe("/healthz", PORT_NAME, periodSeconds=10),
        volumeMounts=[{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the pod's own
    )


def _custom(managed: ManagedEndpoint) -> Manifest:
    # Model servers differ in their health paths; all of them list their models.
    ready = pods.http_probe("/v1/models", PORT_NAME, periodSeconds=5, timeoutSeconds=5)
    return pods.container(
        "server",
        str(managed.image),
        options=managed,
        args=list(managed.args or ()),
        ports=[{"name": PORT_NAME, "containerPort": managed.port, "protocol": "TCP"}],
        readinessProbe=ready,
        volumeMounts=[{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the pod's own
    )
