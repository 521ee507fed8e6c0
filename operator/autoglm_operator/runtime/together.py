"""One answer for everybody who asks the same at the same time.

In a storm many workers ask the API server for the same few objects. Who asks joins the next
question, never one that is under way: an answer is never older than the asking, so it is as live as
one of one's own. Nothing is kept.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

T = TypeVar("T")


class Together(Generic[T]):
    """Questions by what they are about; at most one of each is under way and one waits."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[T]] = {}
        self._next: dict[Hashable, asyncio.Task[T]] = {}

    def __len__(self) -> int:
        """How many questions are under way or wait for their turn."""
        return len(self._under_way) + len(self._next)

    async def ask(self, about: Hashable, question: Callable[[], Awaitable[T]]) -> T:
        """Ask, or join those who are about to ask the same.

        Args:
            about: What tells this question from others.
            question: Asks; only the first of those who join is used.

        Raises:
            Exception: what the question raised, to everybody who joined it.
        """
        task = self._next.get(about)
        if task is None:
            task = asyncio.create_task(self._ask(about, question))
            self._next[about] = task
        # Whoever gives up leaves the answer to the others.
        return await asyncio.shield(task)

    async def _ask(self, about: Hashable, question: Callable[[], Awaitable[T]]) -> T:
        before = self._under_way.get(about)
        if before is not None:
            await asyncio.wait({before})
        own: asyncio.Task[Any] = self._next.pop(about)
        self._under_way[about] = own
        try:
            return await question()
        finally:
            if self._under_way.get(about) is own:
                del self._under_way[about]
