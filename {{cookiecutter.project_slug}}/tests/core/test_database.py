"""Sessions, reads and connections, as services use them."""

import asyncio
import contextvars
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import column, insert, literal, select, table
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from src.config import config, settings
from src.core.database import DatabaseProvider

#: A table that every migrated database has.
VERSION = table("alembic_version", column("version_num"))
WAIT = 10


pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
async def small() -> AsyncIterator[DatabaseProvider]:
    """Create a provider with a single connection for transactions."""
    params = settings.engine_params | {"pool_size": 2, "pool_timeout": 0.2}
    provider = DatabaseProvider(config.engine.dialect.name, settings.config_params, params)
    yield provider
    await provider.dispose()


async def use(provider: DatabaseProvider) -> None:
    async with provider.get_session() as session:
        await session.execute(select(VERSION))


async def use_in_another_request(provider: DatabaseProvider) -> None:
    task = asyncio.get_running_loop().create_task(use(provider), context=contextvars.Context())
    await asyncio.wait_for(task, WAIT)


async def test_session_rolls_back_uncommitted_changes(small: DatabaseProvider) -> None:
    async def insert_and_fail() -> None:
        async with small.get_session() as session:
            await session.execute(insert(VERSION).values(version_num="undone"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await insert_and_fail()

    result = await small.reader.execute(select(VERSION.c.version_num))
    assert "undone" not in result.scalars().all()


async def test_session_waits_for_a_connection(small: DatabaseProvider) -> None:
    async with small.get_session() as session:
        await session.execute(select(VERSION))
        with pytest.raises(PoolTimeoutError, match="DB_POOL_TIMEOUT"):
            await use_in_another_request(small)


async def test_commit_frees_the_connection(small: DatabaseProvider) -> None:
    async with small.get_session() as session:
        await session.execute(select(VERSION))
        await session.commit()
        await use_in_another_request(small)


async def test_session_inside_another_does_not_wait(small: DatabaseProvider) -> None:
    async with small.get_session() as session:
        await session.execute(select(VERSION))
        await asyncio.wait_for(use(small), WAIT)


async def test_reader_returns_rows_by_attribute() -> None:
    result = await config.reader.execute(select(literal("Ada").label("name")))

    assert result.one().name == "Ada"


async def test_reader_serves_more_reads_than_connections() -> None:
    statement = select(literal(1))

    results = await asyncio.gather(*(config.reader.execute(statement) for _ in range(50)))

    assert {result.scalar_one() for result in results} == {1}
