"""Stores one HealingRun and says what came of it.

The API server is the memory: a run that exists already is stored. What it refuses for good becomes
an Event on the policy, so that its owner reads why nothing is healed. Never repeats a call: the
sender of the alert does.
"""

import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from autoglm_api import labels
from autoglm_api.alerts import Alert
from autoglm_api.conditions import Reason
from autoglm_api.healingladder import ActionName
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_api.healingrun import AlertSource
from autoglm_operator.clients import errors
from autoglm_operator.clients.events import EventRecorder
from autoglm_operator.clients.kube import KubeClient
from autoglm_operator.decisions import matching
from autoglm_operator.receiver.document import first_problem
from autoglm_operator.receiver.outcomes import AlertOutcome
from autoglm_operator.runtime.clock import Clock

log = logging.getLogger(__name__)

REMEMBERED: Final = 20_000
"""Runs remembered as stored or refused. Arbitrary, because it only has to exceed the alerts that
are active at once; each takes some 200 bytes."""
REMEMBERED_SECONDS: Final = 3600.0
"""How long a run is believed to be there. Arbitrary, because a run outlives its alert by a day."""
REFUSED_SECONDS: Final = 600.0
"""How long a poll leaves a refused run alone. Arbitrary, because a quota that is raised should help
soon, while a thousand refused alerts must not be tried every minute."""


@dataclass(frozen=True, slots=True)
class Report:
    """An alert and how it came to be known.

    Attributes:
        alert: What fires.
        source: Who reported it.
        hint: The action that its sender wishes for.
    """

    alert: Alert
    source: AlertSource
    hint: ActionName | None = None


class RunStore:
    """Creates runs."""

    def __init__(self, kube: KubeClient, events: EventRecorder, clock: Clock) -> None:
        self._kube = kube
        self._events = events
        self._clock = clock
        self._settled: OrderedDict[str, float] = OrderedDict()

    def remembers(self, run: str) -> bool:
        """Whether this process has seen a run stored or refused, so that asking can wait."""
        return self._clock.monotonic() < self._settled.get(run, 0.0)

    async def store(self, policy: HealingPolicy, report: Report) -> tuple[AlertOutcome, str]:
        """Create the run of one policy for one report; returns outcome and reason."""
        try:
            outcome, reason = await self._created(
                matching.run_for(policy, report.alert, report.source, report.hint)
            )
        except ValidationError as error:
            outcome, reason = AlertOutcome.REFUSED, first_problem(error)
        run = matching.run_path(policy, report.alert)
        if outcome is AlertOutcome.REFUSED:
            self._remember(run, REFUSED_SECONDS)
            await self._tell(policy, report.alert, reason)
        elif outcome is not AlertOutcome.UNAVAILABLE:
            self._remember(run, REMEMBERED_SECONDS)
        return outcome, reason

    async def _created(self, run: dict[str, Any]) -> tuple[AlertOutcome, str]:
        try:
            await self._kube.create(run, manager=labels.RECEIVER)
        except errors.Conflict as error:
            if error.reason == "AlreadyExists":
                return AlertOutcome.KNOWN, ""
            return AlertOutcome.UNAVAILABLE, error.message
        except errors.ApiError as error:
            outcome = AlertOutcome.UNAVAILABLE if _may_pass(error) else AlertOutcome.REFUSED
            return outcome, error.message
        return AlertOutcome.STORED, ""

    def _remember(self, run: str, seconds: float) -> None:
        self._settled[run] = self._clock.monotonic() + seconds
        self._settled.move_to_end(run)
        while len(self._settled) > REMEMBERED:
            self._settled.popitem(last=False)

    async def _tell(self, policy: HealingPolicy, alert: Alert, reason: str) -> None:
        meta = policy.metadata
        log.warning(
            "alert refused",
            extra={
                "policy": f"{meta.namespace}/{meta.name}",
                "alert": alert.name,
                "problem": reason,
            },
        )
        await self._events.emit(
            _regarding(policy),
            Reason.ALERT_REFUSED,
            f"Alert {alert.name} could not be stored: {reason}",
            warning=True,
            action="StoreAlert",
        )


def _may_pass(error: errors.ApiError) -> bool:
    """Whether a repetition may succeed without anybody changing the alert, quota or namespace.

    A missing right or an expired token of our own is repaired by an administrator, and the alert
    must not be lost until then.
    """
    if isinstance(error, errors.TooManyRequests | errors.Unavailable):
        return True
    if isinstance(error, errors.Forbidden):
        # Source: the sentence of a refused right in k8s.io/apiserver, package responsewriters.
        return error.status == 401 or "cannot create resource" in error.message  # noqa: PLR2004
    # The kind itself is gone while its definition is replaced; a namespace is named otherwise.
    return isinstance(error, errors.NotFound) and "could not find the requested" in error.message


def _regarding(policy: HealingPolicy) -> dict[str, Any]:
    kind, meta = HealingPolicy.definition.kind, policy.metadata
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"namespace": meta.namespace, "name": meta.name, "uid": meta.uid},
    }
