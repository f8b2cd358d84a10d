"""The driver of each database, and the form in which it takes the settings."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Driver:
    """The parts in which one database differs from the others."""

    #: SQLAlchemy's name of the dialect and the driver.
    name: str
    #: Make `connect_args` of the seconds to wait for a connection, and for a lock.
    make_connect_args: Callable[[float, float | None], dict[str, Any]]
    #: Statements for each new connection.
    setup: Sequence[str] = ()
    #: Try to take the schema's lock: the result is true, false, or NULL after an error.
    lock_schema: str | None = None
    #: The isolation of transactions; None for the database's own default.
    isolation_level: str | None = None
    #: Whether a connection may break while it is idle.
    is_remote: bool = True


def _sqlite_connect_args(_: float, lock_timeout: float | None) -> dict[str, Any]:
    # SQLite always has a limit; a migration waits this long for other writers.
    return {"timeout": 300 if lock_timeout is None else lock_timeout}


def _postgresql_connect_args(connect_timeout: float, lock_timeout: float | None) -> dict[str, Any]:
    arguments: dict[str, Any] = {"timeout": connect_timeout}
    if lock_timeout is not None:
        # Milliseconds. PostgreSQL's own default is to wait forever.
        arguments["server_settings"] = {"lock_timeout": str(math.ceil(lock_timeout * 1000))}
    return arguments


def _mysql_connect_args(connect_timeout: float, lock_timeout: float | None) -> dict[str, Any]:
    arguments: dict[str, Any] = {"connect_timeout": connect_timeout}
    if lock_timeout is not None:
        # A statement that waits longer than its client would still be executed later.
        seconds = math.ceil(lock_timeout)
        arguments["init_command"] = (
            f"SET innodb_lock_wait_timeout = {seconds}, lock_wait_timeout = {seconds}"
        )
    return arguments


#: By PyNest's `db_type`.
DRIVERS = {
    "sqlite": Driver(
        "sqlite+aiosqlite",
        _sqlite_connect_args,
        # WAL lets readers go on during a write.
        setup=["PRAGMA foreign_keys = ON", "PRAGMA journal_mode = WAL"],
        is_remote=False,
    ),
    "postgresql": Driver(
        "postgresql+asyncpg",
        _postgresql_connect_args,
        lock_schema="SELECT pg_try_advisory_lock(hashtext('schema'))",
    ),
    "mysql": Driver(
        "mysql+aiomysql",
        _mysql_connect_args,
        # Named locks are global to the server, so the name is made from the database's.
        lock_schema="SELECT GET_LOCK(SHA1(DATABASE()), 0)",
        # PostgreSQL's default. MySQL's own one locks gaps, which causes more deadlocks.
        isolation_level="READ COMMITTED",
    ),
}
