"""SQLite, by aiosqlite: everything that differs from other databases."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from sqlalchemy import URL, Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

DB_TYPE = "sqlite"
#: SQLite's transactions have one level of isolation.
ISOLATION_LEVEL: str | None = None
#: Parameters of a URL that the driver doesn't take: none.
TLS = ()


def make_url(db_name: str, suffix: str = ".db") -> URL:
    """Make the URL of a file, to whose name the suffix is added if it is missing."""
    return URL.create("sqlite+aiosqlite", database=db_name.removesuffix(suffix) + suffix)


def parse_url(given: str) -> str:
    """Read the path from a percent-encoded URL such as `sqlite:///app.db`.

    Raises:
        ValueError: it is no such URL.
    """
    scheme, _, path = given.partition(":///")
    if scheme.partition("+")[0] != DB_TYPE or not path or "?" in path:
        raise ValueError("Input should be a URL such as sqlite:///app.db, percent-encoded")
    return unquote(path)


def make_connect_args(_: URL, __: float, lock_timeout: float | None) -> dict[str, Any]:
    """Set the limit for locks. SQLite always has one; None is for migrations."""
    return {"timeout": 300 if lock_timeout is None else lock_timeout}


def count_writers(connections: int) -> int:
    """Return how many of the connections are for transactions: SQLite has one writer at a time."""
    return min(connections, 1)


def prepare(engine: AsyncEngine, _: Mapping[str, Any]) -> None:
    """Set up each new connection."""
    event.listen(engine.sync_engine, "connect", _set_up)


def _set_up(connection: DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    # Lets readers go on during a write.
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()


def watch(*_: AsyncEngine, **__: float | None) -> None:
    """Do nothing: a file neither hangs up nor fails over."""


async def lock_schema(connection: AsyncConnection, **_: bool) -> None:
    """Keep other writers out from before the first look at the schema."""
    event.listen(connection.sync_connection, "begin", _begin_immediately)


def _begin_immediately(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
