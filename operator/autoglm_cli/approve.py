"""`autoglm approve RUN`: allows the step that a run waits for, in the caller's own name.

It only sets the annotation that anybody with the right could set with kubectl; the API server
checks that the name in it is the caller's.
"""

import argparse

from autoglm_api import kinds, labels
from autoglm_api.conditions import ConditionStatus, ConditionType, find_condition
from autoglm_api.healingrun import HealingRun
from autoglm_cli import access
from autoglm_cli.access import RefusedError
from autoglm_operator.clients import errors
from autoglm_operator.clients.kube import KubeClient


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    access.add_run(parser)
    parser.add_argument(
        "--step",
        type=int,
        metavar="N",
        help="only if it is this step of the ladder that waits, from 1; default: whichever waits",
    )


def run(options: argparse.Namespace) -> int:
    """Approve; 1 if the run waits for nothing or the caller may not."""
    return access.call(_approve, options)


async def _approve(kube: KubeClient, options: argparse.Namespace) -> int:
    found = await access.read_run(kube, options)
    step = waiting_step(found)
    if options.step not in (None, step):
        message = (
            f"It is step {step} of HealingRun {options.run} that waits for approval, not step"
            f" {options.step}: look at it with autoglm timeline {options.run}."
        )
        raise RefusedError(message)
    user = await _own_name(kube)
    meta = found.metadata
    approval = {
        "uid": meta.uid,
        "resourceVersion": meta.resource_version,
        "annotations": {labels.APPROVED: f"{step}/{user}"},
    }
    try:
        await kube.patch(kinds.HEALING_RUN, meta.namespace, meta.name, {"metadata": approval})
    except errors.Conflict as error:
        message = f"HealingRun {meta.name} has changed meanwhile: look at it, and approve again."
        raise RefusedError(message) from error
    action = found.spec.policy.ladder[step - 1].action
    print(f"Approved step {step} ({action}) of {meta.namespace}/{meta.name} as {user}.")
    return 0


def waiting_step(run: HealingRun) -> int:
    """Number of the step that waits for an approval, from 1.

    Raises:
        RefusedError: none does.
    """
    approved = find_condition(run.status.conditions, ConditionType.APPROVED)
    waits = approved is not None and approved.status is ConditionStatus.UNKNOWN
    if run.status.finished_at is not None or not waits:
        phase = run.status.phase or "Pending"
        message = f"HealingRun {run.metadata.name} is {phase} and waits for no approval."
        raise RefusedError(message)
    return len(run.status.steps) + 1


async def _own_name(kube: KubeClient) -> str:
    """The name under which the API server knows the caller."""
    kind = kinds.SELF_SUBJECT_REVIEW
    answer = await kube.review({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {}})
    return str(answer["status"]["userInfo"]["username"])
