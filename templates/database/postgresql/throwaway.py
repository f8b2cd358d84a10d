"""The tests' own database: made when a test process starts, dropped when it ends."""

from asyncpg.exceptions import PostgresError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from src.config import config

#: What `create` raises when the server does not let it make the database.
UNREACHABLE = (OSError, PostgresError)


async def create() -> None:
    """Make the database on the configured server."""
    await _execute(f"CREATE DATABASE {config.engine.url.database}")


async def drop() -> None:
    """Drop the database."""
    await _execute(f"DROP DATABASE {config.engine.url.database} WITH (FORCE)")


async def _execute(statement: str) -> None:
    maintenance = config.engine.url.set(database="postgres")
    engine = create_async_engine(maintenance, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()
