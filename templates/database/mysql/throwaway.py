"""The tests' own database: created when a test process starts, dropped when it ends."""

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from src.config import config

from . import DATABASE

#: The errors of `create` if the server doesn't allow it.
UNREACHABLE = DBAPIError


async def create() -> None:
    """Create the database on the configured server."""
    await _execute(f"CREATE DATABASE {DATABASE}")


async def drop() -> None:
    """Drop the database."""
    await _execute(f"DROP DATABASE {DATABASE}")


async def _execute(statement: str) -> None:
    async with config.connect("") as connection:
        await connection.execute(text(statement))
