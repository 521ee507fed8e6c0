import asyncio
import random  # noqa: TID251 - the generator that the queue is given
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoglm_operator.runtime.metrics import Metrics
from autoglm_operator.runtime.workqueue import Backoff, Result, Workers, WorkQueue
from manual_clock import ManualClock, settle


def a_queue(clock: ManualClock, **more: Any) -> WorkQueue[str]:  # noqa: ANN401
    return WorkQueue("test", clock, rng=random.Random(1), **more)  # noqa: S311 - jitter


async def test_a_key_waits_only_once_however_often_it_is_added() -> None:
    queue = a_queue(ManualClock())
    for _ in range(3):
        queue.add("a")
    assert len(queue) == 1
    assert await queue.get() == "a"
    assert len(queue) == 0


async def test_news_do_not_wait_behind_all_that_comes_back() -> None:
    clock = ManualClock()
    queue = a_queue(clock)
    for number in range(10):
        queue.add_after(f"held-{number}", 15)
    await clock.advance(15)
    taken = [await queue.get()]
    for number in range(5):
        queue.add(f"new-{number}")

    taken += [await queue.get() for _ in range(7)]

    held, new = "held-{}".format, "new-{}".format
    assert taken == [held(0), new(0), new(1), new(2), held(1), new(3), new(4), held(2)]
    assert len(queue) == 7


async def test_a_key_that_comes_back_and_has_news_is_taken_once_and_early() -> None:
    clock = ManualClock()
    queue = a_queue(clock)
    for number in range(3):
        queue.add_after(f"held-{number}", 15)
    await clock.advance(15)
    taken = [await queue.get()]
    queue.add("held-2")
    queue.add_after("held-2", 0.1)
    await clock.advance(1)

    taken += [await queue.get() for _ in range(2)]

    assert taken == ["held-0", "held-2", "held-1"]
    assert len(queue) == 0


async def test_a_key_that_changes_in_work_is_due_again_afterwards() -> None:
    queue = a_queue(ManualClock())
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    assert len(queue) == 0, "never two workers on one key"
    queue.done(key)
    assert await queue.get() == "a"


async def test_a_delayed_key_is_due_at_its_time() -> None:
    clock = ManualClock()
    queue = a_queue(clock)
    queue.add_after("a", 10)
    waiting = asyncio.create_task(queue.get())
    await clock.advance(9.9)
    assert not waiting.done()
    await clock.advance(0.2)
    assert await waiting == "a"


async def test_the_earliest_of_several_times_counts() -> None:
    clock = ManualClock()
    queue = a_queue(clock)
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    await clock.advance(5)
    assert await queue.get() == "a"
    queue.done("a")
    await clock.advance(60)
    waiting = asyncio.create_task(queue.get())
    await settle()
    assert not waiting.done(), "the superseded times do not come back"
    waiting.cancel()


async def test_no_delay_means_now() -> None:
    queue = a_queue(ManualClock())
    queue.add_after("a", 0)
    assert await queue.get() == "a"


async def test_a_waiting_worker_wakes_for_a_new_key() -> None:
    queue = a_queue(ManualClock())
    waiting = asyncio.create_task(queue.get())
    await settle()
    queue.add("a")
    assert await waiting == "a"


async def test_a_discarded_key_does_not_come_back() -> None:
    clock = ManualClock()
    queue = a_queue(clock)
    queue.add_after("a", 5)
    queue.discard("a")
    await clock.advance(10)
    waiting = asyncio.create_task(queue.get())
    await settle()
    assert not waiting.done()
    waiting.cancel()


async def test_backoff_grows_and_ends_with_success() -> None:
    clock = ManualClock()
    queue = a_queue(clock, backoff=Backoff(1.0, 300.0, jitter=0.0))
    assert [queue.retry("a") for _ in range(4)] == [1, 2, 4, 8]
    queue.forget("a")
    assert queue.retry("a") == 1


@given(st.integers(1, 10_000), st.integers())
def test_backoff_stays_within_its_limits(failures: int, seed: int) -> None:
    delay = Backoff().delay(failures, random.Random(seed))  # noqa: S311 - jitter
    assert 0.75 <= delay <= 300


async def _run(workers: Workers[str], clock: ManualClock, seconds: float) -> None:
    task = asyncio.create_task(workers.run(2))
    await clock.advance(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_workers_repeat_a_failed_key_and_requeue_a_successful_one() -> None:
    clock, metrics = ManualClock(), Metrics()
    queue = a_queue(clock, metrics=metrics, backoff=Backoff(1.0, 300.0, jitter=0.0))
    seen: list[float] = []

    async def reconcile(_: str) -> Result:
        seen.append(clock.monotonic())
        if len(seen) == 1:
            raise RuntimeError("no")
        if len(seen) == 2:
            return Result(failed=True)
        return Result(requeue_after=10) if len(seen) == 3 else Result()

    queue.add("a")
    await _run(Workers(queue, reconcile, clock, metrics=metrics), clock, 60)
    assert seen == [0, 1, 3, 13]
    outcomes = {
        outcome: metrics.value("autoglm_reconciles_total", {"kind": "test", "outcome": outcome})
        for outcome in ("retry", "requeue", "success")
    }
    assert outcomes == {"retry": 2, "requeue": 1, "success": 1}


async def test_a_reconcile_past_its_deadline_is_cancelled_and_repeated() -> None:
    clock = ManualClock()
    queue = a_queue(clock)
    begun: list[str] = []

    async def reconcile(key: str) -> Result:
        begun.append(key)
        if len(begun) == 1:
            await asyncio.Event().wait()
        return Result()

    queue.add("a")
    workers = Workers(queue, reconcile, clock, deadline_seconds=0.01)
    task = asyncio.create_task(workers.run(1))
    await asyncio.sleep(0.1)
    await clock.advance(5)
    assert begun == ["a", "a"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_fatal_error_ends_the_workers() -> None:
    clock = ManualClock()
    queue = a_queue(clock)

    async def reconcile(_: str) -> Result:
        raise PermissionError

    queue.add("a")
    with pytest.raises(ExceptionGroup):
        await Workers(queue, reconcile, clock, fatal=(PermissionError,)).run(1)
