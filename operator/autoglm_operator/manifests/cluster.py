"""All workloads and Services of a cluster, gathered from its roles.

Never holds the Secrets: their content is made by the reconciler, which alone may be random.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoglm_operator.manifests import router

if TYPE_CHECKING:
    from autoglm_api.autoglmcluster import AutoGLMCluster
    from autoglm_operator.manifests.pods import Images, Manifest, Owner


def children(cluster: AutoGLMCluster, owner: Owner, images: Images) -> list[Manifest]:
    """Every child but the Secrets, as it should be."""
    spec = cluster.spec
    return router.children(
        router.Router(
            owner=owner, images=images, replicas=spec.router.replicas, options=spec.router
        )
    )
