{% set postgresql = cookiecutter.database == "postgresql" %}
"""{{ "PostgreSQL, by asyncpg" if postgresql else "MySQL or MariaDB, by aiomysql" }}: everything that differs from other databases."""

import asyncio
import math
import time
from typing import Any

from sqlalchemy import URL, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

DB_TYPE = "{{ cookiecutter.database }}"
{% if postgresql %}
#: The isolation of transactions: PostgreSQL's own default.
ISOLATION_LEVEL: str | None = None
{% else %}
#: The isolation of transactions. MySQL's own default locks gaps, which causes more deadlocks.
ISOLATION_LEVEL: str | None = "READ COMMITTED"
{% endif %}
#: Seconds for which an idle connection is trusted without a test.
MAX_IDLE = 0.5
#: Seconds to wait for another process that changes the schema, and between two tries.
SCHEMA_TIMEOUT = 300
SCHEMA_INTERVAL = 0.2
{% if postgresql %}
TRY_LOCK = "SELECT pg_try_advisory_lock(hashtext('schema'))"
{% else %}
#: Named locks are global to the server, so the name is made from the database's.
TRY_LOCK = "SELECT GET_LOCK(SHA1(DATABASE()), 0)"
{% endif %}


def make_url(db_name: str, user: str, password: str, host: str, port: int) -> URL:
    """Make the URL of a database, with any character in the user's name and password."""
{% if postgresql %}
    return URL.create("postgresql+asyncpg", user, password, host, port, db_name)
{% else %}
    query = {"charset": "utf8mb4"}
    return URL.create("mysql+aiomysql", user, password, host, port, db_name, query)
{% endif %}


def make_connect_args(connect_timeout: float, lock_timeout: float | None) -> dict[str, Any]:
    """Set the limits for a connection and for locks; None is for migrations."""
{% if postgresql %}
    arguments: dict[str, Any] = {"timeout": connect_timeout}
    if lock_timeout is not None:
        # Milliseconds. PostgreSQL's own default is to wait forever.
        arguments["server_settings"] = {"lock_timeout": str(math.ceil(lock_timeout * 1000))}
{% else %}
    arguments: dict[str, Any] = {"connect_timeout": connect_timeout}
    if lock_timeout is not None:
        # A statement that waits longer than its client would still be executed later.
        seconds = math.ceil(lock_timeout)
        arguments["init_command"] = (
            f"SET innodb_lock_wait_timeout = {seconds}, lock_wait_timeout = {seconds}"
        )
{% endif %}
    return arguments


def count_writers(connections: int) -> int:
    """Return how many of the connections are for transactions; the others are for reads."""
    return connections // 2


def prepare(engine: AsyncEngine, *, pre_ping: bool) -> None:
    """Have connections tested that were idle: SQLAlchemy's own pre-ping tests before each use."""

    def check_idle(
        connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object
    ) -> None:
        if time.monotonic() - record.info.get("returned", time.monotonic()) > MAX_IDLE:
            try:
                engine.dialect.do_ping(connection)
            except Exception as error:
                # The pool drops its connections and tries a new one.
                raise InvalidatePoolError from error

    if pre_ping:
        event.listen(engine.sync_engine, "checkin", _note_return)
        event.listen(engine.sync_engine, "checkout", check_idle)


def _note_return(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info["returned"] = time.monotonic()


async def lock_schema(connection: AsyncConnection) -> None:
    """Wait until no other connection holds the lock, and take it until this one is closed.

    Poll for it, since a statement that waits would hold a transaction open: CREATE INDEX
    CONCURRENTLY waits for all of them.

    Raises:
        TimeoutError: another process has been changing the schema for too long.
    """
    try:
        async with asyncio.timeout(SCHEMA_TIMEOUT):
            while not await connection.scalar(text(TRY_LOCK)):
                await connection.rollback()
                await asyncio.sleep(SCHEMA_INTERVAL)
            await connection.rollback()
    except TimeoutError:
        message = f"another process has been changing the schema for {SCHEMA_TIMEOUT} seconds"
        raise TimeoutError(message) from None
