"""The database provider: PyNest's AsyncOrmProvider with pooling and safe credentials."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from nest.core.database.orm_provider import AsyncOrmProvider
from sqlalchemy import (
    JSON,
    URL,
    Connection,
    DateTime,
    MetaData,
    NullPool,
    Table,
    Uuid,
    event,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, declared_attr
from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState

from .drivers import DRIVERS, Driver
from .pool import FairPool
from .rows import Reader, autocommit

__all__ = ["Base", "DatabaseProvider", "Reader"]

#: Seconds for which a connection is taken to be well without a test.
MAX_IDLE = 0.5


class Base(DeclarativeBase):
    """The parent of all entities; they reach it as `config.Base`."""

    # Every database would name constraints in its own way; migrations need one name.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805  # it gets the entity
        """Take it that two who remove a row at once are both right; the default is to warn."""
        return {"confirm_deleted_rows": False}


@event.listens_for(Table, "before_create")
def make_alike(table: Table, *_: Any, **__: Any) -> None:
    """Make every table alike on every database, whether an entity or a migration describes it.

    "a" and "A" are different text, and the id of a deleted row is not used again: on SQLite,
    but for those beyond the last row when a migration copies the table.
    """
    table.dialect_kwargs["mysql_charset"] = "utf8mb4"
    table.dialect_kwargs["mysql_collate"] = "utf8mb4_bin"
    # SQLite has it for a key of one column alone.
    table.dialect_kwargs["sqlite_autoincrement"] = len(table.primary_key) == 1


@compiles(DateTime, "mysql")
def name_datetime(*_: Any, **__: Any) -> str:
    """Keep the fractions of a second, which MySQL drops unless told otherwise."""
    return "DATETIME(6)"


@compiles(JSON, "mysql")
def name_json(*_: Any, **__: Any) -> str:
    """Keep what was written, as MariaDB does; MySQL's own sorts the keys and rounds numbers."""
    return "LONGTEXT"


@compiles(Uuid, "mysql")
def name_uuid(*_: Any, **__: Any) -> str:
    """Have the same on MariaDB as on MySQL."""
    return "CHAR(32)"


class DatabaseProvider(AsyncOrmProvider):
    """An AsyncOrmProvider that hands engine settings through and escapes credentials.

    Args:
        db_type: `sqlite`, `postgresql` or `mysql`.
        config_params: `host`, `port`, `user`, `password` and `db_name`; for SQLite `db_name`
            alone, the path of the file, to which `.db` is added where it is missing.
        engine_params: what `sqlalchemy.ext.asyncio.create_async_engine` takes.
        timeout: seconds to wait for a connection to the server, and on MySQL for a lock; on
            SQLite, until another process has written.
    """

    def __init__(
        self,
        db_type: str,
        config_params: Mapping[str, Any],
        engine_params: Mapping[str, Any] | None = None,
        timeout: float = 5,
    ) -> None:
        # Not super().__init__(): it drops engine_params, writes the password into the URL as
        # it stands (an "@" breaks it) and logs every statement unless told otherwise.
        self.Base = Base
        self.driver = DRIVERS[db_type]
        self.config_url = _url(self.driver, **config_params)
        self.timeout = timeout
        params = {
            "poolclass": FairPool,
            "pool_reset_on_return": None,
            "skip_autocommit_rollback": True,
            **(engine_params or {}),
        }
        self.tests_idle = params.pop("pool_pre_ping", False) and self.driver.is_remote
        self.engine = self._create_engine(**params)
        self.session = async_sessionmaker(self.engine, expire_on_commit=False)
        self.reader = Reader(self.engine)
        event.listen(self.engine.sync_engine, "checkout", self._check_out)
        event.listen(self.engine.sync_engine, "reset", self._reset)
        if self.driver.greetings:
            event.listen(self.engine.sync_engine, "connect", self._greet)

    def _create_engine(self, **params: Any) -> AsyncEngine:
        if self.driver.isolation_level:
            params = {"isolation_level": self.driver.isolation_level, **params}
        arguments = {self.driver.timeout: self.timeout, **self.driver.arguments}
        return create_async_engine(self.config_url, connect_args=arguments, **params)

    def _greet(self, connection: DBAPIConnection, _: object) -> None:
        cursor = connection.cursor()
        for statement in self.driver.greetings:
            cursor.execute(statement.format(seconds=math.ceil(self.timeout)))
        cursor.close()

    def _check_out(
        self, connection: DBAPIConnection, record: ConnectionPoolEntry, _: object
    ) -> None:
        """Test a connection that has been idle, and have it do what it is asked for."""
        idle = time.monotonic() - record.info.get("returned", float("inf"))
        if self.tests_idle and idle > MAX_IDLE:
            try:
                self.engine.dialect.do_ping(connection)
            except Exception as error:
                # So the pool tries a new one.
                raise InvalidatePoolError from error
        self.driver.set_autocommit(connection, autocommit=autocommit.get())

    def _reset(
        self, connection: DBAPIConnection, record: ConnectionPoolEntry, state: PoolResetState
    ) -> None:
        """Undo what was not committed; SQLAlchemy itself asks the server to, come what may."""
        if not state.terminate_only and self.driver.is_in_transaction(connection):
            connection.rollback()
        record.info["returned"] = time.monotonic()

    async def create_all(self) -> None:
        """Make the tables of an empty database, as migrated; leave any other one alone."""
        # Alembic takes a tenth of the memory; a service in production never needs it.
        from .migrations import create_tables  # noqa: PLC0415

        async with self.schema_connection() as connection, connection.begin():
            await connection.run_sync(create_tables, self.Base.metadata)

    async def drop_all(self) -> None:
        """Drop the tables, and the record of their migrations."""
        from .migrations import drop_tables  # noqa: PLC0415  # as above

        async with self.schema_connection() as connection, connection.begin():
            await connection.run_sync(drop_tables, self.Base.metadata)

    @asynccontextmanager
    async def schema_connection(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection outside the pool that is the only one to change the schema.

        Raises:
            OSError, sqlalchemy.exc.DBAPIError: the database cannot be reached in time; or an
                error of the driver's own.
        """
        engine = self._create_engine(poolclass=NullPool)
        if self.driver.lock_schema is None:
            event.listen(engine.sync_engine, "begin", _lock_sqlite)
        # A server may accept a connection, and then say nothing.
        connection = await asyncio.wait_for(engine.connect().start(), self.timeout)
        try:
            if self.driver.lock_schema:
                # Held until the connection is closed.
                await connection.execute(text(self.driver.lock_schema))
                await connection.commit()
            yield connection
        finally:
            await connection.close()

    async def get_db(self) -> AsyncGenerator[AsyncSession, None]:
        """Yield the session of one request, for `Depends`; what is not committed is undone."""
        session = self.session()
        try:
            yield session
        finally:
            await _close(session)

    @asynccontextmanager
    async def get_session(self) -> AsyncIterator[AsyncSession]:
        """Open a session for an `async with`; what is not committed is undone."""
        session = self.session()
        try:
            yield session
        finally:
            await _close(session)

    async def get_reader(self) -> Reader:
        """Return what reads without a session, for `Depends`."""
        return self.reader

    async def dispose(self) -> None:
        """Close every pooled connection."""
        await self.engine.dispose()


async def _close(session: AsyncSession) -> None:
    """Undo what was not committed; `async with` starts a task for it where there is nothing."""
    if session.in_transaction():
        # Whoever is cancelled does not leave it half undone.
        await asyncio.shield(session.close())
    else:
        session.sync_session.close()


def _url(driver: Driver, db_name: str, user: str = "", **server: Any) -> URL:
    if driver.name.startswith("sqlite"):
        path = db_name if db_name.endswith(".db") else f"{db_name}.db"
        return URL.create(driver.name, database=path)
    return URL.create(
        driver.name,
        username=user,
        database=db_name,
        query={"charset": "utf8mb4"} if driver.name.startswith("mysql") else {},
        **server,
    )


def _lock_sqlite(connection: Connection) -> None:
    """Let nobody else write, from before the first look at the schema."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
