"""The database provider: PyNest's AsyncOrmProvider with pooling and safe credentials."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from nest.core.database.orm_provider import AsyncOrmProvider
from sqlalchemy import URL, MetaData, Table, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "mysql": "mysql+aiomysql",
}


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

    @classmethod
    def __table_cls__(cls, *args: Any, **kwargs: Any) -> Table:
        """Make an entity's table, alike on every database.

        "a" and "A" are different text, and the id of a deleted row is not used again.
        """
        options = {
            "mysql_charset": "utf8mb4",
            "mysql_collate": "utf8mb4_bin",
            "sqlite_autoincrement": True,
        }
        return Table(*args, **{**options, **kwargs})


class DatabaseProvider(AsyncOrmProvider):
    """An AsyncOrmProvider that hands engine settings through and escapes credentials.

    Args:
        db_type: `sqlite`, `postgresql` or `mysql`.
        config_params: `host`, `port`, `user`, `password` and `db_name`; for SQLite `db_name`
            alone, the path of the file, to which `.db` is added where it is missing.
        engine_params: what `sqlalchemy.ext.asyncio.create_async_engine` takes.
    """

    def __init__(
        self,
        db_type: str,
        config_params: Mapping[str, Any],
        engine_params: Mapping[str, Any] | None = None,
    ) -> None:
        # Not super().__init__(): it drops engine_params, writes the password into the URL as
        # it stands (an "@" breaks it) and logs every statement unless told otherwise.
        self.Base = Base
        self.config_url = _url(db_type, **config_params)
        self.engine = create_async_engine(self.config_url, **(engine_params or {}))
        self.session = async_sessionmaker(self.engine, expire_on_commit=False)
        if db_type == "sqlite":
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)

    async def create_all(self) -> None:
        """Make the tables that are missing, while other processes may be making them too."""
        for _ in self.Base.metadata.tables:
            # Another one may make a table between this one's look and its CREATE; look again.
            with suppress(DBAPIError):
                await super().create_all()
                return
        await super().create_all()

    async def get_db(self) -> AsyncGenerator[AsyncSession, None]:
        """Yield the session of one request, for `Depends`; what is not committed is undone."""
        async with self.session() as session:
            yield session

    @asynccontextmanager
    async def get_session(self) -> AsyncIterator[AsyncSession]:
        """Open a session for an `async with`; what is not committed is undone."""
        async with self.session() as session:
            yield session

    async def dispose(self) -> None:
        """Close every pooled connection."""
        await self.engine.dispose()


def _url(db_type: str, db_name: str, user: str = "", **server: Any) -> URL:
    if db_type == "sqlite":
        path = db_name if db_name.endswith(".db") else f"{db_name}.db"
        return URL.create(DRIVERS[db_type], database=path)
    return URL.create(
        DRIVERS[db_type],
        username=user,
        database=db_name,
        query={"charset": "utf8mb4"} if db_type == "mysql" else {},
        **server,
    )


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    """Give each new connection what the other databases have by default."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    # Readers go on while somebody writes.
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()
