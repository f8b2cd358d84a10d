"""The drivers: what is each database's own."""

import sqlite3
from collections.abc import Callable, Generator, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.util.queue import Empty

from .pool import FairQueue


class SQLiteConnection:
    """A connection of aiosqlite's with two things less to wait for.

    Its thread is asked once for a statement, not five times: to go there and back costs more than
    a short statement, and SQLAlchemy does it to make a cursor, to execute, to fetch, to close the
    cursor, and to roll back what has not begun. All rows are fetched at once.

    Whoever is going to write waits in a line, as SQLite has one writer at a time; SQLite itself
    would look again after ever longer pauses, and let others go first.

    Args:
        connection: an `aiosqlite.Connection`.
        turn: holds one item where nobody writes.
        timeout: seconds to wait in line.
    """

    def __init__(self, connection: Any, turn: FairQueue, timeout: float) -> None:
        self._inner = connection
        self._turn = turn
        self._timeout = timeout
        self._has_turn = False
        #: Whether each statement is a transaction of its own.
        self.autocommit = False

    @classmethod
    async def connect(cls, database: str, *, timeout: float, **options: Any) -> Self:
        """Open a connection, with the arguments of `aiosqlite.connect`."""
        # Projects with other databases have none.
        aiosqlite = import_module("aiosqlite")
        connecting = aiosqlite.connect(database, timeout=timeout, **options)
        # As SQLAlchemy has it: the thread does not keep the process from its end.
        connecting._thread.daemon = True  # noqa: SLF001  # there is no argument for it
        connection = await connecting
        if database not in _turns:
            _turns[database] = FairQueue(1)
            _turns[database].put_nowait(None)
        return cls(connection, _turns[database], timeout)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def cursor(self) -> "SQLiteCursor":
        return SQLiteCursor(self)

    async def run(self, method: str, sql: str, parameters: Any) -> tuple[list[Any], Any]:
        """Have SQLite's cursor `execute` or `executemany`; return the rows and the cursor."""

        def run() -> tuple[list[Any], Any]:
            connection = inner._conn  # noqa: SLF001  # in its thread
            cursor = getattr(connection, method)(sql, parameters)
            rows = cursor.fetchall()
            if self.autocommit:
                connection.commit()
            return rows, cursor

        inner = self._inner
        # Before these sqlite3 begins a transaction.
        if not self._has_turn and sql.lstrip()[:7].upper().startswith(WRITES):
            await self._take_turn()
        try:
            # The way into its thread, by which its own methods go.
            return await inner._execute(run)  # type: ignore[no-any-return]  # noqa: SLF001
        finally:
            self._end_turn()

    async def commit(self) -> None:
        try:
            await self._inner.commit()
        finally:
            self._end_turn()

    async def rollback(self) -> None:
        try:
            if self._inner.in_transaction:
                await self._inner.rollback()
        finally:
            self._end_turn()

    async def close(self) -> None:
        try:
            await self._inner.close()
        finally:
            self._end_turn()

    def stop(self) -> Any:
        stopped = self._inner.stop()
        self._end_turn(for_good=True)
        return stopped

    async def _take_turn(self) -> None:
        try:
            await self._turn.take(self._timeout)
        except Empty:
            raise sqlite3.OperationalError("database is locked") from None  # noqa: TRY003  # SQLite's
        self._has_turn = True

    def _end_turn(self, *, for_good: bool = False) -> None:
        """Let the next one write, unless a transaction goes on."""
        # What is closed has no transaction to ask for.
        going_on = self._inner._connection and self._inner.in_transaction  # noqa: SLF001
        if self._has_turn and (for_good or not going_on):
            self._has_turn = False
            self._turn.put_nowait(None)


#: By the database's path.
_turns: dict[str, FairQueue] = {}
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


class SQLiteCursor:
    """A cursor of aiosqlite's kind that has fetched the rows when it has executed."""

    arraysize = 1

    def __init__(self, connection: SQLiteConnection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    def __await__(self) -> Generator[Any, Any, Self]:
        # SQLAlchemy 2.0 awaits a cursor, and 2.1 enters it.
        return self.__aenter__().__await__()

    async def execute(self, sql: str, parameters: Any = (), method: str = "execute") -> None:
        self._rows, cursor = await self._connection.run(method, sql, parameters)
        self.description = cursor.description
        self.rowcount = cursor.rowcount
        self.lastrowid = cursor.lastrowid

    async def executemany(self, sql: str, parameters: Any) -> None:
        await self.execute(sql, parameters, "executemany")

    async def fetchone(self) -> Any:
        return self._rows.pop(0) if self._rows else None

    async def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        size = self.arraysize if size is None else size
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    async def fetchall(self) -> Sequence[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        self._rows = []


def _set_asyncpg(connection: DBAPIConnection, *, autocommit: bool) -> None:
    # Nothing is sent: SQLAlchemy leaves the BEGIN out.
    connection.autocommit = autocommit


def _set_aiomysql(connection: DBAPIConnection, *, autocommit: bool) -> None:
    # The server is told, and so only where it has to be.
    if connection.get_autocommit() is not autocommit:
        connection.autocommit(autocommit)


def _set_aiosqlite(connection: DBAPIConnection, *, autocommit: bool) -> None:
    connection.driver_connection.autocommit = autocommit


class Driver(NamedTuple):
    """What is the database's own."""

    name: str
    #: The driver's argument for the seconds that `DatabaseProvider` takes as `timeout`.
    timeout: str
    #: Make each statement a transaction of its own (`autocommit=True`), or not.
    set_autocommit: Callable[..., None]
    #: Tell whether there is something to roll back.
    is_in_transaction: Callable[[DBAPIConnection], bool]
    #: Whether an idle connection may break.
    is_remote: bool = True
    #: What a new connection of the pool is told at first, where `seconds` is that `timeout`.
    greetings: Sequence[str] = ()
    #: A statement that waits until no other connection holds the lock that it takes.
    lock_schema: str | None = None
    isolation_level: str | None = None
    #: Further arguments of the driver's `connect`.
    arguments: Mapping[str, Any] = MappingProxyType({})


DRIVERS = {
    "sqlite": Driver(
        "sqlite+aiosqlite",
        timeout="timeout",
        set_autocommit=_set_aiosqlite,
        is_in_transaction=lambda connection: connection.driver_connection.in_transaction,
        is_remote=False,
        greetings=[
            # As the other databases have it.
            "PRAGMA foreign_keys = ON",
            # Readers go on while somebody writes.
            "PRAGMA journal_mode = WAL",
        ],
        arguments={"async_creator_fn": SQLiteConnection.connect},
    ),
    "postgresql": Driver(
        "postgresql+asyncpg",
        timeout="timeout",
        set_autocommit=_set_asyncpg,
        is_in_transaction=lambda connection: connection.driver_connection.is_in_transaction(),
        lock_schema="SELECT pg_advisory_lock(hashtext('schema'))",
    ),
    "mysql": Driver(
        "mysql+aiomysql",
        timeout="connect_timeout",
        set_autocommit=_set_aiomysql,
        # Whoever waits for a lock would get it, and do what was asked, long after its client left.
        greetings=["SET innodb_lock_wait_timeout = {seconds}, lock_wait_timeout = {seconds}"],
        is_in_transaction=lambda connection: connection.driver_connection.get_transaction_status(),
        # Names of locks are the whole server's.
        lock_schema="SELECT GET_LOCK(SHA1(DATABASE()), 3600)",
        # As PostgreSQL has it; MySQL's own default locks gaps, and so has more deadlocks.
        isolation_level="READ COMMITTED",
    ),
}
