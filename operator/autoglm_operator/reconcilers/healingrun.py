"""Reconciles HealingRuns: looks, decides, journals, acts, journals again.

The journal is written with the version that was read, so of two healers only one gets on. The
intent is stored before a call and the outcome after it; a healer that dies in between is followed
by one that looks at the target before it calls again. Never repeats a call: the queue does that.
"""

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from autoglm_api import kinds
from autoglm_api.conditions import Reason
from autoglm_api.healingladder import ActionName
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_api.healingrun import HealingRun, HealingRunStatus
from autoglm_api.resource import UnreadableObject
from autoglm_operator.clients import errors
from autoglm_operator.clients.events import EventRecorder
from autoglm_operator.clients.kube import KubeClient
from autoglm_operator.decisions import episode, guards, leases, news
from autoglm_operator.decisions.healing import (
    Actions,
    Outcome,
    OutcomeKind,
    Pauses,
    Plan,
    Seen,
    Sighting,
)
from autoglm_operator.decisions.surroundings import AlertNews, Budget, Load
from autoglm_operator.reconcilers import acceptance, census, lookout, nodes
from autoglm_operator.reconcilers.admission import AdmissionProof
from autoglm_operator.reconcilers.alertwatch import AlertWatch
from autoglm_operator.reconcilers.healing_metrics import HealingMetrics
from autoglm_operator.reconcilers.leasing import Leasing
from autoglm_operator.reconcilers.ledger import RunLedger
from autoglm_operator.reconcilers.metricwatch import MetricWatch
from autoglm_operator.runtime.clock import Clock
from autoglm_operator.runtime.keys import ObjectKey
from autoglm_operator.runtime.together import Together
from autoglm_operator.runtime.workqueue import Result

log = logging.getLogger(__name__)

REFUSALS: Final = (
    errors.Conflict,
    errors.Forbidden,
    errors.Invalid,
    errors.NotFound,
    errors.TooManyRequests,
)
"""Answers after which a write is known not to have been stored."""


@dataclass(frozen=True, slots=True)
class HealerDeps:
    """What the healer's reconcilers work with."""

    kube: KubeClient
    clock: Clock
    ledger: RunLedger
    actions: Actions
    events: EventRecorder
    metrics: HealingMetrics
    admission: AdmissionProof
    release_namespace: str
    """Namespace of the ConfigMap that pauses everything."""
    protected_namespaces: frozenset[str]
    metric_watch: MetricWatch
    alert_watch: AlertWatch
    budget: Budget
    trusted_namespaces: frozenset[str] = frozenset()


class HealingRunReconciler:
    """Brings one run at a time to its end."""

    def __init__(self, deps: HealerDeps) -> None:
        self._deps = deps
        # Between the look at the other runs and the journaled start no other run may start.
        self._start = asyncio.Lock()
        self._leasing = Leasing(deps.kube, deps.actions, self._journal, self._now)
        # What all runs of a policy ask for, and in a storm many of them at the same time.
        self._policies = Together[HealingPolicy | None]()
        self._pauses = Together[Pauses]()
        self._counts = Together[int]()

    async def reconcile(self, key: ObjectKey) -> Result:
        """Do what is next for a run.

        Raises:
            ApiError: a read or a journal write failed; nothing was done that is not journaled.
        """
        run = await self._read(key)
        if run is None or not leases.needs_care(run):
            return Result()
        seen = await self._observe(run)
        run, wait = await self._leasing.tend(seen)
        if leases.is_closing(run):
            return Result(requeue_after=None if wait is None else wait.total_seconds())
        plan, run = await self._go_on(replace(seen, run=run))
        held = self._deps.ledger.held_of(run.spec.policy.uid)
        return _result(episode.spread(plan, held), wait)

    async def _go_on(self, seen: Seen) -> tuple[Plan, HealingRun]:
        """Take the next step of an open run.

        Whether there is room for one more is asked under a lock that is held until the begin of the
        step is journaled; before, the alert is asked for once more, which may take a while.
        """
        plan = self._decide(seen)
        if episode.awaits_count(plan):
            # Counting costs more than all other reads, and most runs end or wait without it.
            seen = await self._counted(seen)
            plan = self._decide(seen)
        if plan.call is not None and episode.begins(seen.run.status):
            told, sighting = await asyncio.gather(
                self._deps.alert_watch.look(seen.run), self._with_evidence(seen, plan)
            )
            seen = replace(
                seen, news=told, sighting=sighting, dead_man=self._deps.alert_watch.frozen()
            )
            seen = await self._counted(seen)
            async with self._start:
                plan = self._decide(seen)
                run = await self._reserve(seen.run, plan)
        else:
            run = await self._journal(seen.run, plan.status)
        if plan.call is not None:
            run, outcome = await self._call(run, plan)
            await self._tell(seen.run.status, run)
            plan = episode.after_call(plan, replace(seen, run=run), outcome, self._now())
            seen = replace(seen, run=run)
            run = await self._journal(run, plan.status)
        await self._tell(seen.run.status, run)
        return plan, run

    async def _with_evidence(self, seen: Seen, plan: Plan) -> Sighting:
        """What is seen of the target, with what the action would make unreadable."""
        if plan.action is not ActionName.RESTART:
            return seen.sighting
        return await lookout.with_logs(self._deps.kube, seen)

    async def _read(self, key: ObjectKey) -> HealingRun | None:
        found = await self._deps.kube.get(kinds.HEALING_RUN, key.namespace, key.name)
        if found is None:
            return None
        try:
            run = HealingRun.read(found)
        except UnreadableObject as error:
            log.error("run cannot be read", extra={"run": str(key), "problem": str(error)})  # noqa: TRY400
            return None
        self._deps.ledger.note(run)
        return run

    async def _observe(self, run: HealingRun) -> Seen:
        kube, namespace = self._deps.kube, run.metadata.namespace
        policy, readings, pauses, sighting = await asyncio.gather(
            self._policies.ask(
                (namespace, run.spec.policy.name), partial(lookout.read_policy, kube, run)
            ),
            self._deps.metric_watch.readings(run),
            self._pauses.ask(
                namespace,
                partial(lookout.read_pauses, kube, namespace, self._deps.release_namespace),
            ),
            lookout.look(kube, run),
        )
        return Seen(
            run=run,
            policy=policy,
            sighting=sighting,
            pauses=pauses,
            readings=readings,
            policy_problem=await acceptance.problem_of(policy, self._deps.metric_watch),
            admission_proven=self._deps.admission.proven,
            protected_namespaces=self._deps.protected_namespaces,
            trusted_namespaces=self._deps.trusted_namespaces,
            budget=self._deps.budget,
            news=await self._news_of(run),
            dead_man=self._deps.alert_watch.frozen(),
            node_lease=await nodes.maintainer(kube, run, sighting.node, self._now()),
            approvals_proven=await self._deps.admission.approvals_proven(run),
        )

    async def _news_of(self, run: HealingRun) -> AlertNews:
        """What is said of the alert of a run that was looked at before.

        A change that waits to be undone waits for the end of the alert as well.
        """
        ended = run.status.finished_at is not None and not leases.held(run.status)
        if ended or not run.status.conditions:
            return AlertNews()
        return await self._deps.alert_watch.glance(run)

    async def _counted(self, seen: Seen) -> Seen:
        """What is seen, with the number of objects that a storm is measured by."""
        if seen.policy is None or self._load(seen).unhealthy <= guards.ALONE:
            return seen
        meta = seen.policy.metadata
        count = await self._counts.ask(
            (meta.uid, meta.generation), partial(census.matching, self._deps.kube, seen.policy)
        )
        return replace(seen, load=replace(seen.load, matching=count))

    def _load(self, seen: Seen) -> Load:
        """What all other runs do at this moment."""
        run = seen.run
        load = self._deps.ledger.usage.load(
            run.metadata.uid, _key_of(seen), run.spec.policy.uid, self._now()
        )
        return replace(load, matching=seen.load.matching)

    def _decide(self, seen: Seen) -> Plan:
        """Decide with the other runs as they are at this moment."""
        others = self._deps.ledger.others(_key_of(seen), seen.run.metadata.uid)
        now = replace(seen, others=others, load=self._load(seen))
        return episode.decide(now, self._deps.actions, self._now())

    async def _reserve(self, run: HealingRun, plan: Plan) -> HealingRun:
        """Journal the begin of a step so that it counts even if nobody hears that it was stored."""
        if plan.call is not None:
            self._deps.ledger.note(run.model_copy(update={"status": plan.status}))
        try:
            return await self._journal(run, plan.status)
        except REFUSALS:
            self._deps.ledger.note(run)
            raise

    async def _call(self, run: HealingRun, plan: Plan) -> tuple[HealingRun, Outcome]:
        if plan.action is None or plan.call is None:  # pragma: no cover - a plan has both or none
            nothing = "The plan names no action."
            return run, Outcome(OutcomeKind.FAILED, Reason.ACTION_FAILED, nothing)
        action = self._deps.actions[plan.action]
        run, forbidden = await self._leasing.prepare(run)
        if forbidden is not None:
            return run, forbidden
        try:
            async with asyncio.timeout(action.timeout.total_seconds()):
                outcome = await action.execute(run.metadata.namespace, plan.call, self._deps.kube)
        except TimeoutError:
            outcome = Outcome(
                OutcomeKind.RETRYABLE, Reason.API_UNAVAILABLE, "The call took too long."
            )
        log.info(
            "action called",
            extra={"action": action.name, "outcome": outcome.kind, "reason": outcome.reason},
        )
        self._deps.metrics.acted(action.name, outcome)
        return run, outcome

    async def _journal(self, run: HealingRun, status: HealingRunStatus) -> HealingRun:
        """Store a status if it says something new, on exactly the version that was read."""
        if status == run.status:
            return run
        await self._leasing.settle(run, status)
        meta = run.metadata
        written = await self._deps.kube.patch(
            kinds.HEALING_RUN,
            meta.namespace,
            meta.name,
            {
                "metadata": {"resourceVersion": meta.resource_version, "uid": meta.uid},
                "status": status.as_json(),
            },
            subresource="status",
        )
        after = HealingRun.read(written)
        self._deps.ledger.note(after)
        self._deps.metrics.journaled(run.status, after, self._deps.ledger.held())
        return after

    async def _tell(self, before: HealingRunStatus, after: HealingRun) -> None:
        """Say what changed; after the call, for an Event must not delay a repair."""
        for said in news.between(before, after):
            log.info("run changed", extra={"reason": said.reason, "detail": said.message})
            for regarding in (news.regarding(after), *said.also):
                await self._deps.events.emit(
                    regarding,
                    said.reason,
                    said.message,
                    warning=said.warning,
                    action="Heal",
                    minor=said.minor,
                )

    def _now(self) -> datetime:
        """The time in whole milliseconds, as the journal keeps it."""
        now = self._deps.clock.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _key_of(seen: Seen) -> str:
    """What tells the target from others, journaled or seen for the first time."""
    target = seen.run.status.target
    return target.key if target is not None else seen.sighting.key


def _result(plan: Plan, wait: timedelta | None) -> Result:
    waits = [after for after in (plan.requeue_after, wait) if after is not None]
    return Result(requeue_after=max(min(waits), timedelta()).total_seconds() if waits else None)
