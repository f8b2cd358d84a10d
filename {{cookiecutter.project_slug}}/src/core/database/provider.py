"""The database provider: PyNest's `AsyncOrmProvider`, with two engines and safe credentials."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from nest.core.database.orm_provider import AsyncOrmProvider
from sqlalchemy import URL, Connection, NullPool, event, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import ConnectionPoolEntry

from .drivers import DRIVERS, Driver
from .reader import Reader
from .schema import Base, drop_tables, migrate_if_empty
from .sessions import OrderedSession, Places

#: Seconds for which an idle connection is trusted without a test.
MAX_IDLE = 0.5
#: Seconds to wait for another process that changes the schema, and between two tries.
SCHEMA_TIMEOUT = 300
SCHEMA_INTERVAL = 0.2


class DatabaseProvider(AsyncOrmProvider):
    """An `AsyncOrmProvider` with an engine for transactions and one for reads.

    Args:
        db_type: `sqlite`, `postgresql` or `mysql`.
        config_params: `host`, `port`, `user`, `password` and `db_name`; for SQLite only
            `db_name`, the path of the file, to which `.db` is added if it is missing.
        engine_params: arguments of `sqlalchemy.ext.asyncio.create_async_engine`, which win over
            those made here. `pool_size` and `max_overflow` are split between both engines.
        connect_timeout: seconds to wait for the server to take a connection.
        lock_timeout: seconds a statement waits for a lock; migrations wait without a limit.
    """

    def __init__(
        self,
        db_type: str,
        config_params: Mapping[str, Any],
        engine_params: Mapping[str, Any] | None = None,
        connect_timeout: float = 5,
        lock_timeout: float = 5,
    ) -> None:
        # Not super().__init__(): it drops engine_params, writes the password into the URL
        # unescaped, so that an "@" breaks it, and logs every statement.
        self.Base = Base
        self.driver = DRIVERS[db_type]
        self.config_url = _make_url(self.driver, **config_params)
        self.connect_timeout = connect_timeout
        self.lock_timeout = lock_timeout
        params = {"pool_size": 10, "max_overflow": 0, "pool_timeout": 5, **(engine_params or {})}
        size, overflow = params.pop("pool_size"), params.pop("max_overflow")
        # SQLite has one writer at a time, whichever the number of connections.
        writers = max(1, size // 2) if self.driver.is_remote else 1
        more_writers = overflow // 2 if self.driver.is_remote else 0
        readers, more_readers = max(1, size - writers), overflow - more_writers

        places = Places(writers + more_writers, params["pool_timeout"])
        # Sessions inside sessions take no place; the pool has as many connections more for them.
        room = {"pool_size": writers, "max_overflow": more_writers + writers + more_writers}
        if self.driver.isolation_level:
            room["isolation_level"] = self.driver.isolation_level
        self.engine = self._create_engine(lock_timeout, room | params)
        self.session = async_sessionmaker(
            self.engine, class_=OrderedSession, expire_on_commit=False, places=places
        )

        room = {"pool_size": readers, "max_overflow": more_readers}
        room |= {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
        self.read_engine = self._create_engine(lock_timeout, room | params)
        self.reader = Reader(
            self.read_engine, Places(readers + more_readers, params["pool_timeout"])
        )

        pooled = ("pool_timeout", "pool_recycle", "pool_pre_ping", "poolclass")
        #: The arguments of engines that have no pool.
        self._unpooled = {name: params[name] for name in params.keys() - set(pooled)}
        self._unpooled["poolclass"] = NullPool
        self._ping_engine = self._create_engine(lock_timeout, self._unpooled)

    def _create_engine(self, lock_timeout: float | None, params: Mapping[str, Any]) -> AsyncEngine:
        connect_args = self.driver.make_connect_args(self.connect_timeout, lock_timeout)
        connect_args |= params.get("connect_args", {})
        tests_idle = self.driver.is_remote and params.get("pool_pre_ping")
        # SQLAlchemy's own test costs a round trip for each use of a connection.
        params = {**params, "connect_args": connect_args, "pool_pre_ping": False}
        engine = create_async_engine(self.config_url, **params)
        if self.driver.setup:
            event.listen(engine.sync_engine, "connect", self._set_up)
        if tests_idle:
            event.listen(engine.sync_engine, "checkin", _note_return)
            event.listen(engine.sync_engine, "checkout", self._test_idle)
        return engine

    def _set_up(self, connection: DBAPIConnection, _: object) -> None:
        cursor = connection.cursor()
        for statement in self.driver.setup:
            cursor.execute(statement)
        cursor.close()

    def _test_idle(
        self, connection: DBAPIConnection, record: ConnectionPoolEntry, _: object
    ) -> None:
        """Test a connection that has been idle for longer than `MAX_IDLE`."""
        if time.monotonic() - record.info.get("returned", time.monotonic()) > MAX_IDLE:
            try:
                self.engine.dialect.do_ping(connection)
            except Exception as error:
                # The pool drops its connections and tries a new one.
                raise InvalidatePoolError from error

    async def create_all(self) -> None:
        """Run the migrations if the database is empty; leave any other one alone.

        Raises:
            TimeoutError: another process has been changing the schema for too long.
            OSError, sqlalchemy.exc.DBAPIError: the database can't be reached, or the driver's
                own error.
        """
        async with self.schema_connection() as connection:
            await connection.run_sync(migrate_if_empty, self.Base.metadata)

    async def drop_all(self) -> None:
        """Drop the entities' tables and the record of their migrations; raise as `create_all`."""
        async with self.schema_connection() as connection:
            await connection.run_sync(drop_tables, self.Base.metadata)

    @asynccontextmanager
    async def schema_connection(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection outside the pools that alone may change the schema.

        Raises:
            As `create_all`.
        """
        engine = self._create_engine(None, self._unpooled)
        if self.driver.lock_schema is None:
            event.listen(engine.sync_engine, "begin", _lock_sqlite)
        # A server may accept a connection and then say nothing.
        connection = await asyncio.wait_for(engine.connect().start(), self.connect_timeout)
        try:
            if self.driver.lock_schema:
                await _lock_schema(connection, self.driver.lock_schema)
            yield connection
        finally:
            # The lock goes with the connection.
            await connection.close()

    async def ping(self) -> None:
        """Ask the database for an answer, on a connection outside the pools.

        Raises:
            OSError, sqlalchemy.exc.DBAPIError: there is none; or the driver's own error.
        """
        async with self._ping_engine.connect() as connection:
            await connection.execute(select(1))

    async def get_db(self) -> AsyncGenerator[AsyncSession, None]:
        """Yield the session of one request, for `Depends`; roll back uncommitted changes."""
        async with self.get_session() as session:
            yield session

    @asynccontextmanager
    async def get_session(self) -> AsyncIterator[AsyncSession]:
        """Open a session for an `async with`; roll back uncommitted changes."""
        session = self.session()
        try:
            yield session
        finally:
            if session.in_transaction():
                # A cancelled request must not leave the rollback half done.
                await asyncio.shield(session.close())
            else:
                await session.close()

    async def get_reader(self) -> Reader:
        """Return the reader, for `Depends`."""
        return self.reader

    async def dispose(self) -> None:
        """Close the connections of both pools."""
        await self.engine.dispose()
        await self.read_engine.dispose()


def _make_url(driver: Driver, db_name: str, user: str = "", **server: Any) -> URL:
    if not driver.is_remote:
        path = db_name if db_name.endswith(".db") else f"{db_name}.db"
        return URL.create(driver.name, database=path)
    query = {"charset": "utf8mb4"} if driver.name.startswith("mysql") else {}
    return URL.create(driver.name, username=user, database=db_name, query=query, **server)


def _note_return(_: object, record: ConnectionPoolEntry) -> None:
    record.info["returned"] = time.monotonic()


async def _lock_schema(connection: AsyncConnection, statement: str) -> None:
    """Try again and again: a statement that waits would hold a transaction open meanwhile.

    PostgreSQL's CREATE INDEX CONCURRENTLY waits for every open transaction.
    """
    try:
        async with asyncio.timeout(SCHEMA_TIMEOUT):
            while not await connection.scalar(text(statement)):
                await connection.rollback()
                await asyncio.sleep(SCHEMA_INTERVAL)
            await connection.rollback()
    except TimeoutError:
        message = f"another process has been changing the schema for {SCHEMA_TIMEOUT} seconds"
        raise TimeoutError(message) from None


def _lock_sqlite(connection: Connection) -> None:
    """Keep other writers out from before the first look at the schema."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
