"""Sessions that get a connection in order: first come, first served."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, Literal

from sqlalchemy import event
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction


class Places(asyncio.Semaphore):
    """Bounds how many tasks use connections of a pool at the same time: first come, first served.

    SQLAlchemy's async pool lets newcomers overtake a waiting task, which then waits for a second
    under load. A place in front of it keeps the order, so that nobody waits in the pool itself.

    Args:
        number: how many tasks may have a place.
        timeout: seconds to wait for one.
    """

    def __init__(self, number: int, timeout: float) -> None:
        super().__init__(number)
        self.timeout = timeout

    async def acquire(self) -> Literal[True]:
        """Take a place.

        Raises:
            sqlalchemy.exc.TimeoutError: none came free in time.
        """
        try:
            async with asyncio.timeout(self.timeout):
                return await super().acquire()
        except TimeoutError:
            message = f"no connection came free in {self.timeout:g} seconds (DB_POOL_TIMEOUT)"
            raise PoolTimeoutError(message) from None


class PlacedSession(Session):
    """The part of an `OrderedSession` that knows whether it has a place."""

    def __init__(self, *args: Any, places: Places, **options: Any) -> None:
        super().__init__(*args, **options)
        self.places = places
        self.has_place = False
        self.is_nested = False

    async def take_place(self) -> None:
        """Take a place for the transaction, unless it has one or needs none."""
        if self.has_place or self.is_nested:
            return
        outer = _outer.get()
        # An inner session would wait for its own task. The pool has room beyond the places for it.
        self.is_nested = outer is not None and outer.has_place
        if not self.is_nested:
            await self.places.acquire()
            self.has_place = True
            _outer.set(self)

    def give_place_back(self) -> None:
        """Give the place back, if there is one."""
        self.is_nested = False
        if self.has_place:
            self.has_place = False
            self.places.release()


#: The session that took a place in this task, or in the task that started this one.
_outer: ContextVar[PlacedSession | None] = ContextVar("outer", default=None)


@event.listens_for(PlacedSession, "after_transaction_end")
def _end_transaction(session: PlacedSession, transaction: SessionTransaction) -> None:
    """Give the place back at once: the request may go on for long, with a background task."""
    if transaction.parent is None:
        session.give_place_back()


def _in_order(method: Callable[..., Any]) -> Any:
    """Take a place before a method that may need a connection."""

    @wraps(method)
    async def call(session: AsyncSession, *args: Any, **options: Any) -> Any:
        placed: Any = session.sync_session
        await placed.take_place()
        try:
            return await method(session, *args, **options)
        finally:
            if not placed.in_transaction():
                placed.give_place_back()

    return call


class OrderedSession(AsyncSession):
    """An `AsyncSession` that takes a place for each of its transactions.

    Args:
        places: where to take one; the rest is as for `AsyncSession`.
    """

    sync_session_class = PlacedSession

    commit = _in_order(AsyncSession.commit)
    connection = _in_order(AsyncSession.connection)
    delete = _in_order(AsyncSession.delete)
    execute = _in_order(AsyncSession.execute)
    flush = _in_order(AsyncSession.flush)
    get = _in_order(AsyncSession.get)
    get_one = _in_order(AsyncSession.get_one)
    merge = _in_order(AsyncSession.merge)
    refresh = _in_order(AsyncSession.refresh)
    run_sync = _in_order(AsyncSession.run_sync)
    scalar = _in_order(AsyncSession.scalar)
    stream = _in_order(AsyncSession.stream)
