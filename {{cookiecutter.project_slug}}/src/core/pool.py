"""The pool of connections: whoever asks first is served first."""

import asyncio
from collections import deque
from typing import Any

from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.util import await_only
from sqlalchemy.util.queue import AsyncAdaptedQueue, Empty


class FairQueue(AsyncAdaptedQueue[Any]):
    """Hands what comes back to the one who has waited longest.

    asyncio's own queue lets newcomers take it first, and who is passed over waits at the end of
    the line again: where requests never pause, the unlucky wait for a hundred others.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: deque[asyncio.Future[Any]] = deque()

    def put_nowait(self, item: Any) -> None:
        """Hand over `item`, or keep it."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(item)
                return
        super().put_nowait(item)

    # The arguments are the pool's.
    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002
        """Take an item, as the pool does; raises as `take`."""
        if not block or not self.empty():
            return self.get_nowait()
        return await_only(self.take(timeout))

    async def take(self, timeout: float | None) -> Any:
        """Take an item, or wait for one.

        Raises:
            sqlalchemy.util.queue.Empty: there was none for `timeout` seconds.
        """
        if not self.empty():
            return self.get_nowait()
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(waiter)
        expiry = loop.call_later(timeout, _expire, waiter) if timeout is not None else None
        try:
            return await waiter
        except asyncio.CancelledError:
            # It was handed over to somebody who has gone.
            if not waiter.cancelled() and waiter.exception() is None:
                self.put_nowait(waiter.result())
            raise
        finally:
            if expiry:
                expiry.cancel()


def _expire(waiter: asyncio.Future[Any]) -> None:
    if not waiter.done():
        waiter.set_exception(Empty())


class FairPool(AsyncAdaptedQueuePool):
    """SQLAlchemy's pool, with a queue that is fair."""

    # As its own pools choose theirs.
    _queue_class = FairQueue
