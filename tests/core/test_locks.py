"""Statements wait for a lock until DB_LOCK_TIMEOUT, and migrations wait without a limit."""

import asyncio
import time

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError
from src.config import config, settings
from src.core.database import DatabaseProvider

from .items import CoreItem


@pytest.mark.usefixtures("core_client")
async def test_statement_waits_for_lock_until_limit() -> None:
    async with config.get_session() as session:
        session.add(CoreItem(name="Ada"))
        await session.commit()
    provider = DatabaseProvider(
        config.engine.dialect.name, settings.config_params, settings.engine_params, lock_timeout=1
    )
    rename = update(CoreItem).values(name="Grace")

    async with config.engine.begin() as holder:
        await holder.execute(rename)
        start = time.monotonic()
        with pytest.raises(DBAPIError):
            async with provider.get_session() as session:
                await session.execute(rename)
        assert 0.9 < time.monotonic() - start < 30
        # Reads don't wait for a writer.
        assert (await provider.reader.execute(select(CoreItem.name))).scalars().all() == ["Ada"]
    await provider.dispose()


@pytest.mark.usefixtures("core_client")
async def test_migration_has_no_lock_timeout() -> None:
    async with config.schema_connection() as connection:
        shown = {
            "postgresql": "SHOW lock_timeout",
            "mysql": "SELECT @@lock_wait_timeout",
            "sqlite": "PRAGMA busy_timeout",
        }
        limit = await connection.scalar(text(shown[connection.dialect.name]))
    assert str(limit) in {"0", "86400", "31536000", "300000"}


@pytest.mark.usefixtures("core_client")
async def test_waiting_startup_holds_no_transaction() -> None:
    """A transaction would block a CREATE INDEX CONCURRENTLY that another process runs."""
    if config.engine.dialect.name == "sqlite":
        return  # On SQLite, a waiting process has no transaction yet.
    async with config.schema_connection() as first:
        second = asyncio.create_task(config.create_all())
        await asyncio.sleep(0.5)
        if first.dialect.name == "postgresql":
            autocommit = await first.execution_options(isolation_level="AUTOCOMMIT")
            index = "INDEX CONCURRENTLY core_lock ON core_items (parent_id)"
            async with asyncio.timeout(30):
                await autocommit.execute(text(f"CREATE {index}"))
                await autocommit.execute(text("DROP INDEX CONCURRENTLY core_lock"))
        assert not second.done()
    await asyncio.wait_for(second, 30)


@pytest.mark.usefixtures("core_client")
async def test_wait_for_schema_lock_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    if config.engine.dialect.name == "sqlite":
        return  # On SQLite, the busy timeout is the limit.
    monkeypatch.setattr("src.core.database.driver.SCHEMA_TIMEOUT", 0.3)

    async with config.schema_connection():
        with pytest.raises(TimeoutError, match="another process has been changing the schema"):
            await config.create_all()
