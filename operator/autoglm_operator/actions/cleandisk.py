"""Clean the disk of one node by a Job on it, and judge what the Job measured.

Guarantees: at most one Job for each journaled intent: its name is journaled before it is made, and
    once its UID is journaled, one that is gone is never made anew. The Job removes rubbish only,
    see `autoglm_dataplane.cleaner`; what became free is measured on the node.
Assumptions: the chart's namespace for these Jobs exists, with its admission policy and the image
    kept on every node.
Errors: an API server that does not answer is retryable; a refused Job, one that left no report and
    one that freed too little have failed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from autoglm_api import kinds, labels
from autoglm_api.conditions import Reason
from autoglm_api.healingladder import ActionName, CleanDiskOptions, LadderStep
from autoglm_api.healingrun import Intent, StepRecord
from autoglm_operator.clients import errors
from autoglm_operator.decisions import cleaning
from autoglm_operator.decisions.healing import (
    ActionIO,
    Denial,
    Health,
    Outcome,
    OutcomeKind,
    Seen,
    Sighting,
)
from autoglm_operator.decisions.quantities import amount
from autoglm_operator.decisions.reading import Manifest, uid_of
from autoglm_operator.manifests import cleaning as manifests
from autoglm_operator.manifests.cleaning import CleaningSite

JOB_NAME: Final = "batch.kubernetes.io/job-name"
"""Label of a Job's pods. Source: k8s.io/api/batch/v1."""


@dataclass(frozen=True, slots=True)
class CleanDisk:
    """The action of this module's name.

    Attributes:
        site: Where and with what nodes are cleaned; None if the admin did not allow it.
    """

    site: CleaningSite | None = None
    name: ActionName = ActionName.CLEAN_DISK
    # Three calls with the client's own limit each.
    timeout: timedelta = timedelta(seconds=40)

    def plan(self, step: LadderStep, seen: Seen, now: datetime) -> Intent | Denial:
        """Choose the Job, or say why the disk is not cleaned."""
        if self.site is None:
            return Denial(
                Reason.NODE_HEALING_OFF,
                "Disks are not cleaned here: install the chart with nodeHealing.enabled=true.",
            )
        return cleaning.plan(step, seen, now)

    def is_done(self, intent: Intent, sighting: Sighting) -> bool:
        """A node does not show that a Job has run on it: only the Job tells, see `execute`."""
        return False

    def health(self, seen: Seen, step: StepRecord | None) -> Health:
        """Judge the node's disk by what the step measured and by the kubelet's word."""
        return cleaning.health(seen, step)

    async def execute(self, namespace: str, intent: Intent, io: ActionIO) -> Outcome:
        """Make the Job unless it is there, and tell how far it is."""
        if self.site is None or intent.job is None:
            return Outcome(OutcomeKind.FAILED, Reason.NODE_HEALING_OFF, "Disks are not cleaned.")
        try:
            job = await io.get(kinds.JOB, self.site.namespace, intent.job)
            if intent.job_uid is not None and (job is None or uid_of(job) != intent.job_uid):
                return cleaning.gone(intent)
            if job is None:
                job = await io.create(_wanted(self.site, intent), manager=labels.HEALER)
            pods = await io.list(kinds.POD, self.site.namespace, f"{JOB_NAME}={intent.job}")
            return cleaning.outcome(intent, job, pods)
        except (errors.Conflict, errors.TooManyRequests, errors.Unavailable) as error:
            # A conflict means that another healer was faster: the next look finds its Job.
            return Outcome(OutcomeKind.RETRYABLE, Reason.API_UNAVAILABLE, error.message)
        except errors.ApiError as error:
            return Outcome(OutcomeKind.FAILED, Reason.ACTION_FAILED, error.message)


def _wanted(site: CleaningSite, intent: Intent) -> Manifest:
    options = intent.clean_disk or CleanDiskOptions()
    return manifests.job(
        site,
        str(intent.job),
        intent.object.name,
        options,
        size_bytes=int(amount(options.minimum_size)),
    )
