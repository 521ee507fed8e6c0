"""Runs the parts of a process together: the first that ends, or a signal, ends them all.

A part that fails ends the process with code 1, for a container that starts anew is simpler than one
that repairs itself. Never decides what the parts do.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from autoglm_operator.clients.lease import LeaseLostError
from autoglm_operator.handlers.informer import Informer

log = logging.getLogger(__name__)

Part = Callable[[], Awaitable[None]]


async def supervise(informer: Informer, parts: Mapping[str, Part]) -> int:
    """Run informer and parts until a signal or until one of them ends; returns the exit code."""
    ready, stop_watching, stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()
    watching = asyncio.create_task(informer.watch(ready, stop_watching), name="watch")
    tasks = {
        asyncio.ensure_future(_named(part)): name
        for name, part in {**parts, "sweep": informer.sweep_forever}.items()
    }
    signals = asyncio.create_task(_own_signals(ready, stopped))
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait({watching, stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    clean = stopped.is_set() or (watching.done() and watching.exception() is None)
    for task in (*tasks, stopping, signals):
        task.cancel()
    failures = dict(zip(tasks.values(), await _ended(*tasks), strict=True))
    stop_watching.set()
    failures["watch"] = (await _ended(watching))[0]
    await _ended(stopping, signals)
    for name, failure in failures.items():
        if isinstance(failure, LeaseLostError):
            log.error("lease lost", extra={"error": str(failure)})
        elif failure is not None:
            log.error("a part of the process failed", exc_info=failure, extra={"part": name})
    return 0 if clean else 1


async def _named(part: Part) -> None:
    await part()


async def _ended(*tasks: asyncio.Future[Any]) -> list[Exception | None]:
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return [each if isinstance(each, Exception) else None for each in results]


async def _own_signals(ready: asyncio.Event, stopped: asyncio.Event) -> None:
    """Take the signals over from Kopf, which installs handlers of its own while it starts."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(asyncio.CancelledError):
        await ready.wait()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
