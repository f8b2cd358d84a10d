"""SQLite, by aiosqlite: everything that differs from other databases."""

from typing import Any

from sqlalchemy import URL, Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

DB_TYPE = "sqlite"
#: SQLite's transactions have one level of isolation.
ISOLATION_LEVEL: str | None = None


def make_url(db_name: str) -> URL:
    """Make the URL of a file, to whose name `.db` is added if it is missing."""
    path = db_name if db_name.endswith(".db") else f"{db_name}.db"
    return URL.create("sqlite+aiosqlite", database=path)


def make_connect_args(_: float, lock_timeout: float | None) -> dict[str, Any]:
    """Set the limit for locks. SQLite always has one; None is for migrations."""
    return {"timeout": 300 if lock_timeout is None else lock_timeout}


def count_writers(connections: int) -> int:
    """Return how many of the connections are for transactions: SQLite has one writer at a time."""
    return min(connections, 1)


def prepare(engine: AsyncEngine, *, pre_ping: bool) -> None:  # noqa: ARG001  # a file can't hang up
    """Set up each new connection."""
    event.listen(engine.sync_engine, "connect", _set_up)


def _set_up(connection: DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    # Lets readers go on during a write.
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()


async def lock_schema(connection: AsyncConnection) -> None:
    """Keep other writers out from before the first look at the schema."""
    event.listen(connection.sync_connection, "begin", _begin_immediately)


def _begin_immediately(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
