"""Notify: tell people, as the last step of a ladder.

Guarantees: every place gets the notice at least once, each repetition with the same key; a place
    that takes no notice never keeps the run from its end, and one that hangs keeps nobody waiting:
    it is posted to beside everything else.
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
"""Posts remembered, so that a place that took the notice gets no second one because another place
did not. Arbitrary, because few runs notify at the same time."""
PATIENCE_SECONDS: Final = 0.5
"""How long a place is waited for; after that the run is looked at again a little later. Arbitrary,
because most places answer sooner, and one worker of several waits meanwhile."""


class Poster(Protocol):
    """The one call that is needed of the client."""

    async def post(
        self, url: str, body: dict[str, Any], *, namespace: str, key: str, ca: str | None = None
    ) -> Delivery:
        """Post once."""
        ...


class Notify:
    """The action of this module's name."""

    name = ActionName.NOTIFY
    timeout = timedelta(seconds=30)

    def __init__(self, poster: Poster) -> None:
        self._poster = poster
        self._posts: OrderedDict[str, asyncio.Task[Delivery]] = OrderedDict()

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

    async def _tell(self, run: HealingRun, target: NotifyTarget, io: ActionIO) -> Delivery | None:
        """What became of one place's notice; None while it is on its way."""
        ref = notices.url_of(target).url_secret_ref
        key = f"{run.metadata.uid}/{len(run.status.steps)}/{ref.name}/{ref.key}"
        post = self._posts.get(key)
        if post is None:
            begun = await self._begin(run, target, io, key)
            if isinstance(begun, Delivery):
                return begun
            post = begun
        await asyncio.wait([post], timeout=PATIENCE_SECONDS)
        if not post.done():
            return None
        if post.cancelled() or post.exception() is not None or not post.result().delivered:
            # The next look posts anew.
            self._posts.pop(key, None)
        return None if post.cancelled() else post.result()

    async def _begin(
        self, run: HealingRun, target: NotifyTarget, io: ActionIO, key: str
    ) -> "asyncio.Task[Delivery] | Delivery":
        """Post to one place; a reason why not, if the Secrets that it names cannot be used."""
        namespace, refs = run.metadata.namespace, notices.refs_of(target)
        secrets = {
            name: await io.get(kinds.SECRET, namespace, name)
            for name in sorted({ref.name for ref in refs})
        }
        problem = references.first_problem(refs, secrets)
        if problem is not None:
            return Delivery(delivered=False, repeat=False, problem=problem.message)
        url, *ca = (
            references.data_of(secrets[ref.name])[ref.key].decode("utf-8", "replace").strip()
            for ref in refs
        )
        posting = self._poster.post(
            url, notices.body(target, run), namespace=namespace, key=key, ca=next(iter(ca), None)
        )
        post = self._posts[key] = asyncio.create_task(posting)
        if len(self._posts) > REMEMBERED:
            self._posts.popitem(last=False)[1].cancel()
        return post


def _outcome(told: list[Delivery | None]) -> Outcome:
    delivered = sum(each is not None and each.delivered for each in told)
    failed = [each for each in told if each is not None and not each.delivered]
    count = f"Told {delivered} of {len(told)} places."
    if delivered == len(told):
        return Outcome(OutcomeKind.SUCCEEDED, Reason.NOTIFIED, count)
    problem = failed[0].problem if failed else "The others have not answered yet."
    if any(each is None for each in told):
        kind = OutcomeKind.UNDER_WAY
    else:
        kind = OutcomeKind.RETRYABLE if any(each.repeat for each in failed) else OutcomeKind.FAILED
    return Outcome(kind, Reason.NOTICE_NOT_DELIVERED, f"{count} {problem}")
