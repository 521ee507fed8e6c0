"""Keeps the admin's catalogue of queries, asks Prometheus for a run, and checks policies' queries.

The catalogue is a mounted directory with one file per query, read anew each time, so that an edit
counts without a restart. Never judges a value.
"""

import asyncio
import logging
from pathlib import Path
from typing import Final, Protocol

from autoglm_api.conditions import Reason
from autoglm_api.healingevidence import MetricReading
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_api.healingrun import HealingRun, StepOutcome
from autoglm_operator.clients.prometheus import PrometheusError
from autoglm_operator.decisions import metricchecks
from autoglm_operator.decisions.healing import Denial
from autoglm_operator.decisions.metricchecks import Query

log = logging.getLogger(__name__)

PARSED_LIMIT: Final = 1024
"""Queries remembered as parsed. Arbitrary, because a cluster has far fewer."""


class Asked(Protocol):
    """What is needed of Prometheus."""

    async def query(self, text: str) -> list[float]:
        """Samples of an instant query."""
        ...

    async def problem_of(self, text: str) -> str | None:
        """Why a query is none; None if it is one."""
        ...


class MetricWatch:
    """Queries by name, and their answers."""

    def __init__(
        self, prometheus: Asked | None, directory: Path | None, trusted: frozenset[str]
    ) -> None:
        self._prometheus = prometheus
        self._directory = directory
        self._trusted = trusted
        self._parsed: set[str] = set()

    def catalogue(self) -> dict[str, str]:
        """The admin's queries by name, as they are now."""
        if self._directory is None or not self._directory.is_dir():
            return {}
        files = (each for each in self._directory.iterdir() if not each.name.startswith("."))
        return {each.name: each.read_text().strip() for each in files if each.is_file()}

    async def problem_of(self, policy: HealingPolicy) -> Denial | None:
        """Why a policy's queries cannot be used; None if they can."""
        verify, catalogue = policy.spec.verify, self.catalogue()
        if not verify.metrics:
            return None
        trusted = policy.metadata.namespace in self._trusted
        known = metricchecks.problem_of(verify, catalogue, trusted=trusted)
        if known is not None:
            return known
        if self._prometheus is None:
            return Denial(
                Reason.PROMETHEUS_MISSING,
                "No Prometheus is known, so no metric could ever be good: set the chart's"
                " verification.prometheus.url, or remove verify.metrics.",
            )
        for text in metricchecks.texts(verify, catalogue):
            problem = await self._problem_of(self._prometheus, text)
            if problem is not None:
                return problem
        return None

    async def readings(self, run: HealingRun) -> tuple[MetricReading, ...]:
        """The answers for a run whose last step is being verified; none for any other run."""
        verify, steps, target = run.spec.policy.verify, run.status.steps, run.status.target
        if not verify.metrics or not steps or target is None:
            return ()
        if steps[-1].outcome is not StepOutcome.SUCCEEDED or steps[-1].helped is not None:
            return ()
        namespace = run.metadata.namespace
        about = {"namespace": namespace, "name": target.name, "kind": target.kind}
        asked = metricchecks.queries(
            verify, self.catalogue(), about, trusted=namespace in self._trusted
        )
        return tuple(await asyncio.gather(*(self._reading(query) for query in asked)))

    async def _reading(self, query: Query) -> MetricReading:
        if self._prometheus is None or not query.text:
            return metricchecks.reading(query, None)
        try:
            return metricchecks.reading(query, await self._prometheus.query(query.text))
        except PrometheusError as error:
            log.warning("metric not read", extra={"query": query.name, "problem": str(error)})
            return metricchecks.reading(query, None)

    async def _problem_of(self, prometheus: Asked, text: str) -> Denial | None:
        if text in self._parsed:
            return None
        try:
            problem = await prometheus.problem_of(text)
        except PrometheusError as error:
            # It may be fine; whether it is must be known before anybody relies on it.
            return Denial(Reason.PROMETHEUS_UNAVAILABLE, f"A query cannot be checked: {error}")
        if problem is not None:
            return Denial(
                Reason.QUERY_INVALID, f"Prometheus refuses the query {text!r}: {problem}."
            )
        if len(self._parsed) >= PARSED_LIMIT:
            self._parsed.clear()
        self._parsed.add(text)
        return None
