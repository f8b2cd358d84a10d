"""The tests' own database: made when a test process starts, dropped when it ends."""

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from src.config import config

#: What `create` raises when the server does not let it make the database.
UNREACHABLE = DBAPIError


async def create() -> None:
    """Make the database on the configured server."""
    await _execute(f"CREATE DATABASE {config.engine.url.database}")


async def drop() -> None:
    """Drop the database."""
    await _execute(f"DROP DATABASE {config.engine.url.database}")


async def _execute(statement: str) -> None:
    engine = create_async_engine(config.engine.url.set(database=""))
    try:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()
