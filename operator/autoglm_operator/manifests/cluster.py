"""All workloads and Services of a cluster, gathered from its roles.

Never holds the Secrets: their content is made by the reconciler, which alone may be random.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoglm_operator.manifests import executor, planner, router, store
from autoglm_operator.manifests.taskroles import TaskRole

if TYPE_CHECKING:
    from autoglm_api.autoglmcluster import AutoGLMCluster, ExecutorRole
    from autoglm_operator.manifests.pods import Images, Manifest, Owner


def children(cluster: AutoGLMCluster, owner: Owner, images: Images, model: str) -> list[Manifest]:
    """Every child but the Secrets, as it should be.

    Args:
        cluster: The cluster.
        owner: The same as owner of children.
        images: What pods run.
        model: The served model that plans and works on tasks; empty while none is known.
    """
    spec = cluster.spec
    timeout = spec.cooperation.timeout
    return [
        *store.children(store.Store(owner, images, spec.sessions.store.embedded)),
        *router.children(
            router.Router(
                owner=owner,
                images=images,
                replicas=spec.router.replicas,
                options=spec.router,
                tls=spec.router.tls is not None,
            )
        ),
        *planner.children(
            TaskRole(owner, images, spec.planner.replicas, timeout, spec.planner),
            model=model,
            strategy=spec.cooperation.strategy,
        ),
        *executor.children(
            TaskRole(owner, images, _executors(spec.executor), timeout, spec.executor),
            spec.executor.autoscaling,
        ),
    ]


def _executors(role: ExecutorRole) -> int | None:
    return role.initial_replicas if role.autoscaling is None else None
