"""The tests' own database: created when a test process starts, dropped when it ends."""

from asyncpg.exceptions import PostgresError
from sqlalchemy import text

from src.config import config

from . import DATABASE

#: The errors of `create` if the server doesn't allow it.
UNREACHABLE = (OSError, PostgresError)


async def create() -> None:
    """Create the database on the configured server."""
    await _execute(f"CREATE DATABASE {DATABASE}")


async def drop() -> None:
    """Drop the database."""
    await _execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


async def _execute(statement: str) -> None:
    # PostgreSQL creates and drops a database only outside a transaction.
    async with config.connect("postgres") as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text(statement))
