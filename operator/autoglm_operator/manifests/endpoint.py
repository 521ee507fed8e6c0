"""The children of a Managed ModelEndpoint: Deployment per revision, Service, budget, autoscaler.

A revision is a name for what its pods run. Its pods come up beside those of the revision that
serves; Service and autoscaler stay with the one that serves. Never decides which one that is.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autoglm_api import labels
from autoglm_operator.manifests import artifacts, engines, pods
from autoglm_operator.manifests.autoscaler import autoscaler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoglm_api.modelendpoint import ManagedEndpoint, ModelEndpoint
    from autoglm_operator.manifests.pods import Images, Manifest, Owner, Pods

PORT_NAME = engines.PORT_NAME
# Arbitrary, because short hashes only have to tell the revisions of one endpoint apart.
REVISION_LENGTH = 8


@dataclass(frozen=True, slots=True)
class InForce:
    """What serves now.

    Attributes:
        revision: The revision that serves; None while none ever did.
        replicas: Number of pods that an autoscaler has chosen for it.
    """

    revision: str | None = None
    replicas: int = 0


def revision_of(template: Manifest) -> str:
    """Name of what the pods run: a hash of their template."""
    text = json.dumps(template, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:REVISION_LENGTH]


def children(
    endpoint: ModelEndpoint, owner: Owner, images: Images, now: InForce | None = None
) -> list[Manifest]:
    """All objects of a managed endpoint, as they should be; the first is the Deployment."""
    now = now or InForce()
    managed = endpoint.spec.managed
    assert managed is not None  # noqa: S101 - the caller dispatches on the type
    own = labels.endpoint_labels(owner.name, owner.uid)
    template = _pods(endpoint.spec.model, managed, own, images)
    revision = revision_of(pods.pod_template(template))
    active = now.revision or revision
    name = labels.endpoint_service(owner.name)
    built = [
        _deployment(owner, revision, managed, template, now),
        pods.service(
            owner,
            name,
            labels=own,
            selector=labels.revision_selector(owner.name, active),
            # By name, because another revision may listen on another port.
            ports={PORT_NAME: (80, PORT_NAME)},
        ),
    ]
    if managed.autoscaling is not None or managed.initial_replicas >= pods.BUDGET_FROM_REPLICAS:
        selector = labels.endpoint_selector(owner.name)
        built.append(pods.disruption_budget(owner, name, labels=own, selector=selector))
    if managed.autoscaling is not None:
        deployment = labels.endpoint_deployment(owner.name, active)
        built.append(
            autoscaler(owner, name, labels=own, deployment=deployment, asked=managed.autoscaling)
        )
    return built


def _deployment(
    owner: Owner, revision: str, managed: ManagedEndpoint, template: Pods, now: InForce
) -> Manifest:
    marked = {**template.labels, labels.REVISION: revision}
    replicas, initial = _replicas(managed, now, coming=now.revision not in {None, revision})
    built = pods.deployment(
        owner,
        labels.endpoint_deployment(owner.name, revision),
        labels=marked,
        selector=labels.revision_selector(owner.name, revision),
        replicas=replicas,
        pods=replace(template, labels=marked),
    )
    if initial is not None:
        built["metadata"]["annotations"] = {labels.INITIAL_REPLICAS: str(initial)}
    return built


def _replicas(
    managed: ManagedEndpoint, now: InForce, *, coming: bool
) -> tuple[int | None, int | None]:
    """Number of pods to apply, and the number to begin with where an autoscaler applies it."""
    if managed.autoscaling is None:
        return managed.initial_replicas, None
    if coming:
        # No autoscaler looks at it yet; it must carry what the one that serves carries.
        return max(now.replicas, managed.initial_replicas), None
    return None, managed.initial_replicas


def _pods(model: str, managed: ManagedEndpoint, own: Mapping[str, str], images: Images) -> Pods:
    return pods.Pods(
        labels=own,
        containers=[engines.server(model, managed, images)],
        init_containers=artifacts.checks(managed, images),
        volumes=engines.volumes(managed),
        annotations={labels.MODEL: model, labels.PORT: str(managed.port)},
        options=managed,
        grace_seconds=engines.grace_seconds(managed),
        more={
            "readinessGates": [{"conditionType": labels.COMPLETION}],
            "runtimeClassName": managed.runtime_class_name,
            "imagePullSecrets": [each.as_json() for each in managed.image_pull_secrets],
        },
    )
