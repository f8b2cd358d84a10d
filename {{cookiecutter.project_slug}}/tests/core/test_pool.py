import asyncio

import pytest
from sqlalchemy.util.queue import Empty

from src.core.pool import FairQueue


async def wait_in_line(queue: FairQueue, number: int) -> list[asyncio.Task[object]]:
    waiting = [asyncio.create_task(queue.take(1)) for _ in range(number)]
    await asyncio.sleep(0)
    return waiting


async def test_who_has_waited_is_served_before_who_comes() -> None:
    queue = FairQueue(2)
    first, second = await wait_in_line(queue, 2)

    queue.put_nowait("a")
    queue.put_nowait("b")
    with pytest.raises(Empty):
        queue.get_nowait()

    assert [await first, await second] == ["a", "b"]


async def test_what_nobody_waits_for_is_kept() -> None:
    queue = FairQueue(1)

    queue.put_nowait("a")

    assert queue.get() == "a"


@pytest.mark.parametrize("handed_over", [True, False])
async def test_who_has_gone_gets_nothing(*, handed_over: bool) -> None:
    queue = FairQueue(1)
    gone, next_one = await wait_in_line(queue, 2)

    if handed_over:
        queue.put_nowait("a")
        gone.cancel()
    else:
        gone.cancel()
        queue.put_nowait("a")

    assert await next_one == "a"
    assert gone.cancelled()


async def test_nobody_waits_for_ever() -> None:
    queue = FairQueue(1)

    with pytest.raises(Empty):
        await queue.take(0.01)

    queue.put_nowait("a")
    assert queue.get_nowait() == "a"
