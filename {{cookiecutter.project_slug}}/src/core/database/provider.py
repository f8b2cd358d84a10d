"""The database provider: PyNest's `AsyncOrmProvider`, with two engines and safe credentials."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

from nest.core.database.orm_provider import AsyncOrmProvider
from sqlalchemy import URL, NullPool, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from . import driver
from .reader import Reader
from .schema import Base, migrate_if_empty
from .sessions import OrderedSession, Places


class DatabaseProvider(AsyncOrmProvider):
    """An `AsyncOrmProvider` with an engine for transactions and one for reads.

    Args:
        db_type: the database that this project supports.
        config_params: `host`, `port`, `user`, `password` and `db_name`; for SQLite only
            `db_name`, the path of the file. The settings add `query`, more parts of the URL;
            `read_url` and `migration_url`, other addresses of the same database; and `options`,
            which go to `driver.make_connect_args`.
        engine_params: arguments of `sqlalchemy.ext.asyncio.create_async_engine`. They override
            the provider's. `pool_size` and `max_overflow` are split between both engines.
        connect_timeout: seconds to wait for the server to accept a connection.
        lock_timeout: seconds a statement waits for a lock; migrations wait without a limit.

    Raises:
        ValueError: this project supports another database.
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
        if db_type != driver.DB_TYPE:
            message = f"invalid db_type {db_type!r}: this project has {driver.DB_TYPE!r}"
            raise ValueError(message)
        self.Base = Base
        address = dict(config_params)
        read_url, migration_url = address.pop("read_url", None), address.pop("migration_url", None)
        self._options = address.pop("options", {})
        url = driver.make_url(**address)
        self.migration_url = migration_url or url
        # Around a pooler, the lock on the schema may belong to the connection.
        pooler = self._options.get("transaction_pooler", False)
        self._is_pooled = pooler and self.migration_url == url
        self.connect_timeout = connect_timeout
        params = {"pool_size": 10, "max_overflow": 0, "pool_timeout": 5, **(engine_params or {})}
        size, overflow = params.pop("pool_size"), params.pop("max_overflow")
        writers = max(1, driver.count_writers(size))
        readers = max(1, size - writers)
        most_writers = max(1, driver.count_writers(size + overflow))
        most_readers = max(1, size + overflow - most_writers)

        places = Places(most_writers, params["pool_timeout"])
        # Sessions inside sessions take no place; the pool has as many connections more for them.
        room: dict[str, Any] = {"pool_size": writers, "max_overflow": 2 * most_writers - writers}
        # A transaction pooler keeps no settings for a connection.
        room |= {"isolation_level": None if pooler else driver.ISOLATION_LEVEL}
        ping_timeout = connect_timeout if params.pop("pool_pre_ping", False) else None
        self.engine = self._create_engine(url, lock_timeout, room | params)
        self.config_url = self.engine.url
        self.session = async_sessionmaker(
            self.engine, class_=OrderedSession, expire_on_commit=False, places=places
        )

        room = {"pool_size": readers, "max_overflow": most_readers - readers}
        room |= {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
        # There is nothing to roll back, but some drivers would ask the database to.
        room["skip_autocommit_rollback"] = True
        self.read_engine = self._create_engine(read_url or url, lock_timeout, room | params)
        driver.watch(self.engine, self.read_engine, ping_timeout=ping_timeout)
{% if cookiecutter.telemetry == "opentelemetry" %}
        read_places = Places(most_readers, params["pool_timeout"])
        self.reader = Reader(self.read_engine, read_places)
        #: The pools by name, for metrics: the engine and the places in front of it.
        self.pools = {
            "transactions": (self.engine, places),
            "reads": (self.read_engine, read_places),
        }
{% else %}
        self.reader = Reader(self.read_engine, Places(most_readers, params["pool_timeout"]))
{% endif %}

        without_pool = params.keys() - {"pool_timeout", "pool_recycle"}
        self._unpooled = {name: params[name] for name in without_pool} | {"poolclass": NullPool}
        self._ping_engine = self._create_engine(url, lock_timeout, self._unpooled)

    def _create_engine(
        self, url: URL, lock_timeout: float | None, params: Mapping[str, Any]
    ) -> AsyncEngine:
        limits = driver.make_connect_args(url, self.connect_timeout, lock_timeout, **self._options)
        connect_args = limits | params.get("connect_args", {})
        url = url.difference_update_query(driver.TLS)
        engine = create_async_engine(url, **{**params, "connect_args": connect_args})
        driver.prepare(engine, connect_args)
        return engine

    async def create_all(self) -> None:
        """Run the migrations if the database is empty. Never change any other database.

        Raises:
            ConnectionError: the database can't be reached, or rejects the migrations; the message
                has the address and the reason.
            TimeoutError: another process has been changing the schema for too long.
        """
        async with self.schema_connection() as connection:
            with _explained("create the tables in", self.migration_url):
                await connection.run_sync(migrate_if_empty, self.Base.metadata)

    async def drop_all(self) -> None:
        """Drop the entities' tables and the record of their migrations; raise as `create_all`."""
        async with self.schema_connection() as connection:
            await connection.run_sync(self.Base.metadata.drop_all)
            await connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
            await connection.commit()

    @asynccontextmanager
    async def schema_connection(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection outside the pools. Only this one may change the schema.

        Raises:
            As `create_all`.
        """
        async with AsyncExitStack() as stack:
            with _explained("connect to", self.migration_url):
                connection = await stack.enter_async_context(self.connect())
            # Closing the connection releases the lock.
            await driver.lock_schema(connection, transaction_pooler=self._is_pooled)
            yield connection

    @asynccontextmanager
    async def connect(self, db_name: str | None = None) -> AsyncIterator[AsyncConnection]:
        """Open a connection outside the pools and without a limit for locks.

        Args:
            db_name: another database of the same server; empty for none.

        Raises:
            OSError, sqlalchemy.exc.DBAPIError: the database can't be reached, or the driver's own
                error.
        """
        url = self.migration_url if db_name is None else self.migration_url.set(database=db_name)
        engine = self._create_engine(url, None, self._unpooled)
        # A server may accept a connection and then send nothing.
        connection = await asyncio.wait_for(engine.connect().start(), self.connect_timeout)
        try:
            yield connection
        finally:
            await connection.close()

    async def ping(self) -> None:
        """Execute a query on a connection outside the pools.

        Raises:
            OSError, sqlalchemy.exc.DBAPIError: the query failed, or the driver's own error.
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


@contextmanager
def _explained(action: str, url: URL) -> Iterator[None]:
    """Turn an error of the database or the network into one line."""
    try:
        yield
    except Exception as error:
        # asyncpg has its own errors, which projects on other databases can't import.
        if not isinstance(error, (DBAPIError, OSError)) and not hasattr(error, "sqlstate"):
            raise
        reason = str(getattr(error, "orig", error)) or "no response in time"
        # A URL's repr hides the password.
        message = f"cannot {action} {url!r} ({reason}); see docs/database.md"
        raise ConnectionError(message) from None
