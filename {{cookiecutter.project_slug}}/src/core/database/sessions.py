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
    """Limits how many tasks use a pool's connections at the same time: first come, first served.

    In SQLAlchemy's async pool, a new task can overtake a waiting one, which then waits for a second
    under load. A task takes a place before it uses the pool, so it never waits in the pool itself.

    Args:
        number: the number of tasks that can have a place at the same time.
        timeout: seconds to wait for a place.
    """

    def __init__(self, number: int, timeout: float) -> None:
        super().__init__(number)
        self.timeout = timeout
{% if cookiecutter.telemetry == "opentelemetry" %}
        self.number = number
        #: How many tasks wait now, and how many have waited for too long.
        self.waiting = self.timeouts = 0
{% endif %}

    async def acquire(self) -> Literal[True]:
        """Take a place.

        Raises:
            sqlalchemy.exc.TimeoutError: no place became free in time.
        """
{% if cookiecutter.telemetry == "opentelemetry" %}
        self.waiting += 1
{% endif %}
        try:
            async with asyncio.timeout(self.timeout):
                return await super().acquire()
        except TimeoutError:
{% if cookiecutter.telemetry == "opentelemetry" %}
            self.timeouts += 1
{% endif %}
            message = f"no connection became free in {self.timeout:g} seconds (DB_POOL_TIMEOUT)"
            raise PoolTimeoutError(message) from None
{% if cookiecutter.telemetry == "opentelemetry" %}
        finally:
            self.waiting -= 1
{% endif %}


class PlacedSession(Session):
    """The synchronous session of an `OrderedSession`. It records whether it has a place."""

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
        # An inner session takes no place, since it would wait for the outer one. The pool has more
        # connections for inner sessions.
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
    """Give the place back now: a background task may keep the request alive for minutes."""
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
        places: the places of the pool. `AsyncSession` documents all other arguments.
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
