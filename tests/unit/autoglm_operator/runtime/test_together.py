import asyncio

import pytest

from autoglm_operator.runtime.together import Together


class Source:
    """Answers with the number of the question, as soon as the test lets it."""

    def __init__(self) -> None:
        self.asked = 0
        self.free = asyncio.Event()
        self.fails = False

    async def answer(self) -> int:
        self.asked += 1
        mine = self.asked
        await self.free.wait()
        if self.fails:
            raise ConnectionError("no answer")
        return mine


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_asks_during_a_question_joins_the_next_one() -> None:
    together, source = Together[int](), Source()
    first = asyncio.create_task(together.ask("a", source.answer))
    await turns()
    later = [asyncio.create_task(together.ask("a", source.answer)) for _ in range(5)]
    await turns()
    assert source.asked == 1

    source.free.set()

    assert await first == 1
    assert await asyncio.gather(*later) == [2] * 5
    assert source.asked == 2


async def test_nothing_is_kept_for_those_who_ask_afterwards() -> None:
    together, source = Together[int](), Source()
    source.free.set()

    assert [await together.ask("a", source.answer) for _ in range(3)] == [1, 2, 3]
    assert len(together) == 0


async def test_different_questions_do_not_wait_for_each_other() -> None:
    together, slow, quick = Together[int](), Source(), Source()
    quick.free.set()
    waiting = asyncio.create_task(together.ask("slow", slow.answer))
    await turns()

    assert await together.ask("quick", quick.answer) == 1
    slow.free.set()
    assert await waiting == 1


async def test_a_failure_reaches_all_who_joined_and_nobody_else() -> None:
    together, source = Together[int](), Source()
    source.fails = True
    source.free.set()
    failed = await asyncio.gather(
        *(together.ask("a", source.answer) for _ in range(3)), return_exceptions=True
    )
    source.fails = False

    assert [str(each) for each in failed] == ["no answer"] * 3
    assert source.asked == 1
    assert await together.ask("a", source.answer) == 2


async def test_the_next_question_is_asked_after_one_that_failed() -> None:
    together, source = Together[int](), Source()
    source.fails = True
    first = asyncio.create_task(together.ask("a", source.answer))
    await turns()
    second = asyncio.create_task(together.ask("a", source.answer))
    await turns()
    source.free.set()

    with pytest.raises(ConnectionError):
        await first
    with pytest.raises(ConnectionError):
        await second
    assert source.asked == 2


async def test_who_gives_up_leaves_the_answer_to_the_others() -> None:
    together, source = Together[int](), Source()
    hasty = asyncio.create_task(together.ask("a", source.answer))
    patient = asyncio.create_task(together.ask("a", source.answer))
    await turns()
    hasty.cancel()
    await turns()
    source.free.set()

    assert await patient == 1
    assert hasty.cancelled()
