"""Ends requests that last longer than their upstream allows, in every worker. Decides nothing.

A worker that a reload left behind is asked, too: its long answers are bounded like all others.
"""

import logging

from autoglm_api.routing import RoutingDocument
from autoglm_dataplane.router_agent import overtime
from autoglm_dataplane.router_agent.haproxy import HAProxy

logger = logging.getLogger(__name__)


class Timekeeper:
    """Keeps the limits of whole requests at one HAProxy."""

    def __init__(self, haproxy: HAProxy) -> None:
        self._haproxy = haproxy
        self._newest = overtime.NOTHING
        self._allowed = overtime.NOTHING

    def learn(self, document: RoutingDocument) -> None:
        """Take the limits of a table that came into force just now."""
        self._newest = overtime.of_document(document)
        # An old worker may serve upstreams that have left the table.
        self._allowed = self._newest.over(self._allowed)

    async def look(self) -> None:
        """End what is over its limit now.

        Raises:
            HAProxyRefusedError: HAProxy did not end a stream.
            HAProxyUnreachableError: no HAProxy answers.
        """
        newest = self._newest
        workers = await self._haproxy.workers()
        if len(workers) == 1 and newest is self._newest:
            self._allowed = newest
        for worker in workers:
            await self._look_at(worker)

    async def _look_at(self, worker: int) -> None:
        """Ask by the smallest limit, and by a larger one only if a stream that has it is found."""
        asked = min(self._allowed.values(), default=None)
        while asked is not None:
            seconds = overtime.seconds_to_ask(asked)
            old = await self._haproxy.streams_older(worker, seconds)
            limits = {
                stream: limit
                for stream in overtime.outermost_first(old)
                if (limit := overtime.limit_of(stream, self._allowed)) is not None
            }
            for stream, limit in limits.items():
                if limit <= asked:
                    await self._haproxy.shut_down(worker, stream)
                    logger.info("request ended", extra={"server": stream.server, "limit_ms": limit})
            asked = min((limit for limit in limits.values() if limit > asked), default=None)
