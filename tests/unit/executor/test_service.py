"""What an executor says about its queue."""

from typing import Any, cast

from prometheus_client import CollectorRegistry

from autoglm_dataplane.executor.service import Executor, Store


class FakeTasks:
    """Seven tasks are queued; nobody began one."""

    async def beat(self, executor: str, ability: object) -> None:
        assert executor
        assert ability

    async def queued(self, executor: str) -> int:
        assert executor
        return 7


async def test_a_beat_shows_how_many_tasks_wait() -> None:
    registry = CollectorRegistry()
    store = cast("Store", type("AStore", (), {"tasks": FakeTasks(), "runs": None, "outages": None}))
    executor = Executor("executor-1", 4, store, cast("Any", None), registry)
    assert await executor._beat_once()  # pyright: ignore[reportPrivateUsage]
    assert registry.get_sample_value("autoglm_tasks_waiting") == 7
    assert registry.get_sample_value("autoglm_task_slots") == 4
