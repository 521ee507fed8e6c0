"""Notify: tell people, as the last step of a ladder.

Guarantees: every place gets the notice at least once, each repetition with the same key; a place
    that takes no notice never keeps the run from its end.
Assumptions: the intent was journaled; the policy still says who is to be told.
Errors: a place that does not answer now is tried again until the run has waited long enough;
    missing Secrets and refusals have failed.
"""

import asyncio
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from autoglm_api import kinds
from autoglm_api.conditions import Reason
from autoglm_api.healingguards import NotifyTarget
from autoglm_api.healingladder import ActionName, LadderStep
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_api.healingrun import HealingRun, Intent, IntentVerb, ObjectRef, StepRecord
from autoglm_operator.clients.notices import Delivery
from autoglm_operator.decisions import notices, references
from autoglm_operator.decisions.healing import (
    ActionIO,
    Denial,
    Health,
    Outcome,
    OutcomeKind,
    Seen,
    Sighting,
)

REMEMBERED: Final = 1024
"""Deliveries remembered, so that a place that took the notice gets no second one because another
place did not. Arbitrary, because few runs notify at the same time."""


class Poster(Protocol):
    """The one call that is needed of the client."""

    async def post(self, url: str, body: dict[str, Any], *, namespace: str, key: str) -> Delivery:
        """Post once."""
        ...


class Notify:
    """The action of this module's name."""

    name = ActionName.NOTIFY
    timeout = timedelta(seconds=30)

    def __init__(self, poster: Poster) -> None:
        self._poster = poster
        self._delivered: OrderedDict[str, None] = OrderedDict()

    def plan(
        self, step: LadderStep, seen: Seen, now: datetime
    ) -> Intent | Denial:  # a notice needs no choice
        """Name the run: everything that is told stands in it."""
        meta, kind = seen.run.metadata, kinds.HEALING_RUN
        about = ObjectRef(
            api_version=kind.api_version, kind=kind.kind, name=meta.name, uid=meta.uid
        )
        return Intent(verb=IntentVerb.NOTIFY, object=about)

    def is_done(self, intent: Intent, sighting: Sighting) -> bool:  # nothing shows it
        """Tell nothing: whether a notice arrived cannot be looked up, so it is sent again."""
        return False

    def health(self, seen: Seen, step: StepRecord | None) -> Health:  # nothing heals
        """Never healthy: a notice heals nothing."""
        return Health(healthy=False, message="A person was told.", evidence=None)

    async def execute(self, namespace: str, intent: Intent, io: ActionIO) -> Outcome:
        """Tell every place that has not been told yet."""
        found = await io.get(kinds.HEALING_RUN, namespace, intent.object.name)
        if found is None:
            return Outcome(OutcomeKind.FAILED, Reason.TARGET_GONE, "The run is gone.")
        run = HealingRun.read(found)
        live = await io.get(kinds.HEALING_POLICY, namespace, run.spec.policy.name)
        targets = HealingPolicy.read(live).spec.notify if live is not None else ()
        if not targets:
            return Outcome(
                OutcomeKind.FAILED,
                Reason.NOTICE_NOT_DELIVERED,
                "The policy names nobody to notify any more.",
            )
        told = await asyncio.gather(*(self._tell(run, target, io) for target in targets))
        return _outcome(told)

    async def _tell(self, run: HealingRun, target: NotifyTarget, io: ActionIO) -> Delivery:
        ref = notices.url_of(target).url_secret_ref
        key = f"{run.metadata.uid}/{len(run.status.steps)}/{ref.name}/{ref.key}"
        if key in self._delivered:
            return Delivery(delivered=True, repeat=False)
        namespace = run.metadata.namespace
        secret = await io.get(kinds.SECRET, namespace, ref.name)
        problem = references.first_problem((ref,), {ref.name: secret})
        if problem is not None:
            return Delivery(delivered=False, repeat=False, problem=problem.message)
        url = references.data_of(secret)[ref.key].decode("utf-8", "replace").strip()
        body = notices.body(target, run)
        delivery = await self._poster.post(url, body, namespace=namespace, key=key)
        if delivery.delivered:
            self._delivered[key] = None
            if len(self._delivered) > REMEMBERED:
                self._delivered.popitem(last=False)
        return delivery


def _outcome(told: list[Delivery]) -> Outcome:
    failed = [each for each in told if not each.delivered]
    if not failed:
        return Outcome(
            OutcomeKind.SUCCEEDED, Reason.NOTIFIED, f"Told {len(told)} of {len(told)} places."
        )
    later = any(each.repeat for each in failed)
    return Outcome(
        OutcomeKind.RETRYABLE if later else OutcomeKind.FAILED,
        Reason.NOTICE_NOT_DELIVERED,
        f"Told {len(told) - len(failed)} of {len(told)} places. {failed[0].problem}",
    )
