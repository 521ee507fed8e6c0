"""Lets a pod of a managed endpoint become Ready after one real completion.

Pods carry a readiness gate; whoever answers a chat gets the condition that opens it. It stands in
the pod, so that neither a restart of the operator nor another leader asks again. Has a queue of its
own, so that a slow model holds up nothing else.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from autoglm_api import kinds, labels
from autoglm_api.modelendpoint import HealthCheckMode, ModelEndpoint
from autoglm_api.resource import UnreadableObject
from autoglm_operator.clients import errors
from autoglm_operator.clients.probe import ProbeRequest
from autoglm_operator.decisions import podstates
from autoglm_operator.runtime.workqueue import Result, WorkQueue

if TYPE_CHECKING:
    from autoglm_operator.clients.kube import KubeClient
    from autoglm_operator.clients.probe import EndpointProber, ProbeOutcome
    from autoglm_operator.reconcilers.probing import ProbeMetrics
    from autoglm_operator.runtime.clock import Clock
    from autoglm_operator.runtime.keys import ObjectKey
    from autoglm_operator.runtime.store import ObjectStore

Manifest = dict[str, Any]
log = logging.getLogger(__name__)

# Arbitrary: soon enough for somebody who waits, and one token now and then costs a server nothing.
RETRY_SECONDS = 5.0
SUCCEEDED = "CompletionSucceeded"


class Proving:
    """The loop over all pods that wait for their first completion."""

    def __init__(  # noqa: PLR0913 - a composition point; every argument is a collaborator
        self,
        kube: KubeClient,
        store: ObjectStore,
        prober: EndpointProber,
        clock: Clock,
        *,
        queue: WorkQueue[ObjectKey],
        metrics: ProbeMetrics,
        manager: str,
    ) -> None:
        self._kube = kube
        self._store = store
        self._prober = prober
        self._clock = clock
        self._queue = queue
        self._metrics = metrics
        self._manager = manager

    def look(self, pod: ObjectKey) -> None:
        """Ask a pod soon, unless it is being asked."""
        self._queue.add(pod)

    async def prove(self, key: ObjectKey) -> Result:
        """Ask one pod for one completion, and write down what came of it."""
        pod = self._store.get(kinds.POD, key.namespace, key.name)
        endpoint = None if pod is None else self._endpoint(pod)
        if pod is None or endpoint is None or not podstates.awaits_completion(pod):
            return Result()
        outcome = await self._prober.probe(_request(pod, endpoint))
        self._metrics.observe_probe(outcome.reason)
        try:
            await self._write(pod, outcome)
        except (errors.NotFound, errors.Conflict):
            # The pod went meanwhile, or another one has its name.
            return Result()
        return Result(requeue_after=None if outcome.ok else RETRY_SECONDS)

    def _endpoint(self, pod: Manifest) -> ModelEndpoint | None:
        """The endpoint that the pod belongs to, if that endpoint still exists."""
        meta = pod["metadata"]
        told: Manifest = meta.get("labels") or {}
        name = str(told.get(labels.ENDPOINT, ""))
        obj = self._store.get(kinds.MODEL_ENDPOINT, meta["namespace"], name)
        if obj is None or obj["metadata"]["uid"] != told.get(labels.OWNER_UID):
            return None
        try:
            return ModelEndpoint.read(obj)
        except UnreadableObject:
            return None

    async def _write(self, pod: Manifest, outcome: ProbeOutcome) -> None:
        before = podstates.condition(pod, labels.COMPLETION) or {}
        status = "True" if outcome.ok else "False"
        said = {
            "status": status,
            "reason": SUCCEEDED if outcome.ok else str(outcome.reason),
            "message": "One real completion succeeded." if outcome.ok else outcome.message,
        }
        if said == {part: before.get(part) for part in said}:
            return
        moment = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        if before.get("status") == status:
            moment = before.get("lastTransitionTime", moment)
        meta = pod["metadata"]
        written = await self._kube.apply_status(
            {
                "apiVersion": kinds.POD.api_version,
                "kind": kinds.POD.kind,
                "metadata": {part: meta[part] for part in ("name", "namespace", "uid")},
                "status": {
                    "conditions": [
                        {"type": labels.COMPLETION, "lastTransitionTime": moment, **said}
                    ]
                },
            },
            manager=self._manager,
        )
        self._store.put(kinds.POD, written)
        log.info(
            "pod asked for a completion", extra={"pod": meta["name"], "reason": said["reason"]}
        )


def _request(pod: Manifest, endpoint: ModelEndpoint) -> ProbeRequest:
    told: Manifest = pod["metadata"]["annotations"]
    return ProbeRequest(
        scheme="http",
        host=str(pod["status"]["podIP"]),
        port=int(told[labels.PORT]),
        path="/v1",
        model=str(told[labels.MODEL]),
        mode=HealthCheckMode.COMPLETION,
        # A first completion may compile kernels; routers would wait that long, too.
        timeout=endpoint.spec.timeouts.first_byte.total_seconds(),
        trusted=True,
    )
