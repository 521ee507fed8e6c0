"""Proves that the API server holds the healer to what it may do.

RBAC cannot say "only the restart stamp"; admission policies of the chart do. The healer asks for a
forbidden change of its own Deployment, as a dry run, and acts on nothing until a policy has refused
it. Never changes anything.
"""

import logging
from typing import Final

from autoglm_api import kinds, labels
from autoglm_api.healingrun import HealingRun
from autoglm_operator.clients import errors
from autoglm_operator.clients.kube import KubeClient
from autoglm_operator.runtime.clock import Clock

log = logging.getLogger(__name__)

PROBE: Final = "autoglm.io/admission-probe"
"""Annotation that the forbidden change would set."""
REFUSED_BY_POLICY: Final = "ValidatingAdmissionPolicy"
"""Part of the refusal. Source: apiserver's plugin/policy/validating; RBAC's refusals lack it."""
LOOK_SECONDS: Final = 60.0
"""Time between two proofs. Arbitrary, because policies change with a release, not by the minute."""
RETRY_SECONDS: Final = 5.0
"""Time to the next try while nothing is proven: a release is being installed."""


class AdmissionProof:
    """Whether the last forbidden request was refused by an admission policy."""

    def __init__(
        self, kube: KubeClient, clock: Clock, *, namespace: str, deployment: str, required: bool
    ) -> None:
        self._kube = kube
        self._clock = clock
        self._namespace = namespace
        self._deployment = deployment
        self._required = required
        self.proven = not required

    async def keep(self) -> None:
        """Prove it again and again, for policies can be deleted; ends at once if not required."""
        while self._required:
            await self.prove()
            await self._clock.sleep(LOOK_SECONDS if self.proven else RETRY_SECONDS)

    async def approvals_proven(self, run: HealingRun) -> bool:
        """Whether nobody but who may can have written the approval that a run carries.

        The healer itself may not, so it tries to, as a dry run.
        """
        if not self._required or labels.APPROVED not in run.metadata.annotations:
            return True
        meta = run.metadata
        forged = {"metadata": {"annotations": {labels.APPROVED: "1/nobody"}}}
        try:
            await self._kube.patch(
                kinds.HEALING_RUN, meta.namespace, meta.name, forged, dry_run=True
            )
        except (errors.Forbidden, errors.Invalid) as error:
            return REFUSED_BY_POLICY in error.message
        except errors.ApiError as error:
            log.warning("approval not proven", extra={"error": str(error)})
        return False

    async def prove(self) -> None:
        """Ask once. A server that does not answer proves nothing new."""
        try:
            await self._kube.patch(
                kinds.DEPLOYMENT,
                self._namespace,
                self._deployment,
                {"metadata": {"annotations": {PROBE: "refuse-me"}}},
                dry_run=True,
            )
        except (errors.Forbidden, errors.Invalid) as error:
            self._conclude(proven=REFUSED_BY_POLICY in error.message, answer=error.message)
        except errors.NotFound as error:
            self._conclude(proven=False, answer=error.message)
        except errors.ApiError as error:
            log.warning("admission not proven anew", extra={"error": str(error)})
        else:
            self._conclude(proven=False, answer="The change was allowed.")

    def _conclude(self, *, proven: bool, answer: str) -> None:
        if proven != self.proven or not proven:
            level = logging.INFO if proven else logging.ERROR
            log.log(level, "admission policies", extra={"in_force": proven, "answer": answer})
        self.proven = proven
