"""Sessions and reads get connections in order, and release them as early as possible."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import httpx
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession
from src.config import config, settings
from src.core.database import DatabaseProvider
from src.core.database.sessions import Places

from .items import CoreItem

#: PyNest's `db_type` equals the name of SQLAlchemy's dialect.
DB_TYPE = config.engine.dialect.name
#: Seconds within which an operation without waiting must finish.
SOON = 10


@pytest.fixture
async def small(core_client: httpx.AsyncClient) -> AsyncIterator[DatabaseProvider]:  # noqa: ARG001  # it clears the tables
    """Create a provider with one connection for transactions and one for reads."""
    provider = DatabaseProvider(
        DB_TYPE,
        settings.config_params,
        settings.engine_params | {"pool_size": 2, "pool_timeout": 1},
    )
    yield provider
    await provider.dispose()


async def add(session: AsyncSession, name: str) -> None:
    session.add(CoreItem(name=name))
    await session.commit()


async def test_places_are_acquired_in_order() -> None:
    places = Places(1, timeout=5)
    order: list[int] = []

    async def use(number: int) -> None:
        for _ in range(3):
            async with places:
                order.append(number)
                await asyncio.sleep(0)

    await asyncio.gather(*(use(number) for number in range(3)))

    assert order == [0, 1, 2] * 3


async def test_cancelled_task_keeps_no_place() -> None:
    places = Places(1, timeout=5)

    async def use() -> None:
        async with places:
            await asyncio.sleep(0)

    async with places:
        waiting = [asyncio.create_task(use()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
    waiting[1].cancel()
    await asyncio.wait_for(waiting[2], SOON)
    await asyncio.wait_for(use(), SOON)


async def test_wait_for_a_place_is_limited() -> None:
    places = Places(1, timeout=0.05)

    async with places:
        with pytest.raises(PoolTimeoutError, match="DB_POOL_TIMEOUT"):
            await places.acquire()
    async with places:
        pass


async def test_session_waits_for_another_transaction(small: DatabaseProvider) -> None:
    async with small.get_session() as session:
        await session.execute(select(func.count()).select_from(CoreItem))
        with pytest.raises(PoolTimeoutError):
            await _in_new_context(_use(small))
    await asyncio.wait_for(_in_new_context(_use(small)), SOON)


async def test_commit_releases_the_place(small: DatabaseProvider) -> None:
    """Other requests can use the connection during a slow call after the commit."""
    async with small.get_session() as first:
        await add(first, "first")
        await asyncio.wait_for(_in_new_context(_use(small)), SOON)
        # The session can continue: it acquires a place again.
        await add(first, "again")
    async with small.get_session() as session:
        assert await session.scalar(select(func.count()).select_from(CoreItem)) == 2


@pytest.mark.parametrize("end", ["rollback", "close", "reset"])
async def test_end_of_transaction_releases_the_place(small: DatabaseProvider, end: str) -> None:
    async with small.get_session() as session:
        await session.execute(select(1))
        await getattr(session, end)()
        await asyncio.wait_for(_in_new_context(_use(small)), SOON)


async def test_begin_block_releases_the_place(small: DatabaseProvider) -> None:
    async with small.get_session() as session:
        async with session.begin():
            session.add(CoreItem(name="Ada"))
            await session.flush()
        await asyncio.wait_for(_in_new_context(_use(small)), SOON)


async def test_unused_session_takes_no_place(small: DatabaseProvider) -> None:
    async with small.get_session() as session:
        await session.flush()
        await asyncio.wait_for(_in_new_context(_use(small)), SOON)


async def test_failed_statement_releases_the_place(small: DatabaseProvider) -> None:
    for _ in range(3):
        with pytest.raises(Exception, match="no_such_table"):
            await asyncio.wait_for(_in_new_context(_fail(small)), SOON)
    await asyncio.wait_for(_in_new_context(_use(small)), SOON)


async def test_nested_session_needs_no_second_place(small: DatabaseProvider) -> None:
    async def use_both() -> None:
        async with small.get_session() as outer:
            await outer.execute(select(func.count()).select_from(CoreItem))
            async with small.get_session() as inner:
                await inner.execute(select(func.count()).select_from(CoreItem))
            await asyncio.gather(_use(small))

    await asyncio.wait_for(asyncio.gather(*(_in_new_context(use_both()) for _ in range(5))), SOON)
    await asyncio.wait_for(_in_new_context(_use(small)), SOON)


async def test_read_inside_a_transaction_does_not_wait(small: DatabaseProvider) -> None:
    async with small.get_session() as session:
        await session.execute(select(func.count()).select_from(CoreItem))
        result = await asyncio.wait_for(small.reader.execute(select(CoreItem.name)), SOON)
        assert result.all() == []


@pytest.mark.usefixtures("core_app")
async def test_background_task_does_not_block_requests() -> None:
    """The cleanup of dependencies runs after background tasks, which is too late."""
    server = FastAPI()
    provider = DatabaseProvider(
        DB_TYPE, settings.config_params, settings.engine_params | {"pool_size": 2}
    )
    going_on = asyncio.Event()

    @server.post("/")
    async def create(
        tasks: BackgroundTasks, session: AsyncSession = Depends(provider.get_db)
    ) -> None:
        await session.execute(select(func.count()).select_from(CoreItem))
        await session.commit()
        tasks.add_task(going_on.wait)

    transport = httpx.ASGITransport(server)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        requests = [asyncio.create_task(client.post("/")) for _ in range(5)]
        await asyncio.sleep(0.2)
        await asyncio.wait_for(_in_new_context(_use(provider)), SOON)
        going_on.set()
        responses = await asyncio.gather(*requests)
    assert {response.status_code for response in responses} == {200}
    await provider.dispose()


@pytest.mark.usefixtures("core_app")
async def test_worker_opens_at_most_pool_size() -> None:
    provider = DatabaseProvider(
        DB_TYPE, settings.config_params, settings.engine_params | {"pool_size": 4}
    )
    opened: set[object] = set()
    for engine in (provider.engine, provider.read_engine):
        event.listen(engine.sync_engine, "connect", lambda connection, _: opened.add(connection))

    async def work(number: int) -> None:
        async with provider.get_session() as session:
            await session.execute(select(func.count()).select_from(CoreItem))
            await add(session, f"name {number}")
            await session.scalar(select(func.count()).select_from(CoreItem))
        await provider.reader.execute(select(CoreItem.id))

    await asyncio.gather(*(_in_new_context(work(number)) for number in range(20)))

    assert len(opened) <= 4
    await provider.dispose()


async def _use(provider: DatabaseProvider) -> None:
    async with provider.get_session() as session:
        await session.execute(select(func.count()).select_from(CoreItem))


async def _fail(provider: DatabaseProvider) -> None:
    async with provider.get_session() as session:
        await session.execute(text("SELECT 1 FROM no_such_table"))


def _in_new_context(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run a coroutine in a new context, like another request."""
    return asyncio.get_running_loop().create_task(work, context=contextvars.Context())
