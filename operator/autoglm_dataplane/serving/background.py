"""Runs a process's loops beside its server, and ends the process if one of them breaks.

A loop that died silently would leave a process that looks well and does nothing; the kubelet starts
a dead one again, and others take over its work meanwhile. It never knows what a loop does.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from typing import Any

logger = logging.getLogger(__name__)

Loop = Callable[[], Coroutine[Any, Any, None]]


def end_process() -> None:
    """End at once: nothing here needs an orderly end to keep its promises."""
    os._exit(1)


class Background:
    """The loops of one process."""

    def __init__(self, end: Callable[[], None] = end_process) -> None:
        """`end` is called when a loop breaks."""
        self._end = end
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, *loops: Loop) -> None:
        """Start loops; they run until `stop`, or until they return."""
        for loop in loops:
            task = asyncio.create_task(loop(), name=loop.__qualname__)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def stop(self) -> None:
        """Cancel what still runs, and wait for it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            logger.critical("loop broke", extra={"loop": task.get_name()}, exc_info=error)
            self._end()
