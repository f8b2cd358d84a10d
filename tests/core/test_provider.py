"""The database provider: sessions, pools and engine parameters."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from src.config import config, settings
from src.core.database import DatabaseProvider
from src.core.database.sessions import OrderedSession

from .items import CoreItem


async def test_sql_is_not_logged(
    core_client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    await core_client.get("/items")

    assert "SELECT" not in caplog.text


@pytest.mark.usefixtures("core_client")
async def test_uncommitted_changes_are_rolled_back() -> None:
    async def add_and_fail() -> None:
        async with config.get_session() as session:
            session.add(CoreItem(name="Ada"))
            await session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await add_and_fail()

    async with config.get_session() as session:
        assert (await session.scalars(select(CoreItem))).all() == []


@pytest.mark.usefixtures("core_client")
async def test_entity_can_be_read_after_its_session() -> None:
    async with config.get_session() as session:
        item = CoreItem(name="Ada")
        session.add(item)
        await session.commit()

    assert item.name == "Ada"
    assert item.id


async def test_failed_request_leaves_nothing_behind(
    core_client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def flush_and_fail(session: AsyncSession) -> None:
        await session.flush()
        raise RuntimeError

    ada = (await core_client.post("/items", json={"name": "Ada"})).json()
    monkeypatch.setattr(OrderedSession, "commit", flush_and_fail)
    responses = [
        await core_client.post("/items", json={"name": "Grace"}),
        await core_client.delete(f"/items/{ada}"),
    ]
    monkeypatch.undo()

    assert [response.status_code for response in responses] == [500, 500]
    assert (await core_client.get("/items")).json() == ["Ada"]


async def test_requests_share_no_session(
    core_client: httpx.AsyncClient,
) -> None:
    began: list[Session] = []

    def note(session: Session, *_: object) -> None:
        began.append(session)

    event.listen(Session, "after_begin", note)
    await asyncio.gather(*(core_client.get(path) for path in ["/items", "/items/1"] * 10))
    event.remove(Session, "after_begin", note)

    assert len(began) == 20
    assert len(set(map(id, began))) == 20


@pytest.mark.usefixtures("core_client")
async def test_two_sessions_can_delete_one_row() -> None:
    async with config.get_session() as session:
        session.add(CoreItem(name="Ada"))
        await session.commit()

    async with config.get_session() as one, config.get_session() as other:
        for session in (one, other):
            await session.delete((await session.scalars(select(CoreItem))).one())
        await one.commit()
        await other.commit()


@pytest.mark.parametrize("idle", [True, False])
@pytest.mark.parametrize("engine", ["engine", "read_engine"])
@pytest.mark.usefixtures("core_app")
async def test_idle_connection_is_tested(
    monkeypatch: pytest.MonkeyPatch, engine: str, *, idle: bool
) -> None:
    if config.engine.dialect.name == "sqlite":
        assert settings.db_pool_pre_ping  # Connections to SQLite never break.
        return

    async def fail(connection: object) -> None:
        tested.append(connection)
        raise ConnectionError

    async def ask() -> None:
        async with getattr(config, engine).connect() as connection:
            await connection.execute(select(1))

    tested: list[object] = []
    await ask()
    monkeypatch.setattr("src.core.database.driver.ping", fail)
    monkeypatch.setattr("src.core.database.driver.MAX_IDLE", 0 if idle else 60)

    await ask()

    assert len(tested) == (1 if idle else 0)


@pytest.mark.usefixtures("core_app")
async def test_connection_that_passes_the_test_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    if config.engine.dialect.name != "sqlite":
        monkeypatch.setattr("src.core.database.driver.MAX_IDLE", 0)

    async with providing() as provider:
        event.listen(provider.read_engine.sync_engine, "connect", lambda *_: opened.append(1))
        for _ in range(5):
            await provider.reader.execute(select(1))

    assert len(opened) == 1


@asynccontextmanager
async def providing(**params: Any) -> AsyncIterator[DatabaseProvider]:
    """Make a provider with other `engine_params`."""
    params = settings.engine_params | params
    provider = DatabaseProvider(config.engine.dialect.name, settings.config_params, params)
    yield provider
    await provider.dispose()


async def count_sessions(provider: DatabaseProvider) -> int:
    """Count how many sessions can have a transaction at the same time."""

    async def hold() -> None:
        nonlocal held
        async with provider.get_session() as session:
            # Not the session of this test's own task, inside of which others take no place.
            with suppress(PoolTimeoutError):
                await session.execute(select(1))
                held += 1
                await asyncio.sleep(0.5)

    held = 0
    await asyncio.gather(*(hold() for _ in range(20)))
    return held


async def count_readers(provider: DatabaseProvider) -> int:
    """Count the connections that the reading engine lends at the same time."""
    async with AsyncExitStack() as stack:
        lent = 0
        with suppress(PoolTimeoutError):
            while lent < 20:
                await stack.enter_async_context(provider.read_engine.connect())
                lent += 1
    return lent


@pytest.mark.parametrize(
    ("size", "overflow", "writers", "readers"),
    [(10, 0, 5, 5), (3, 0, 1, 2), (1, 0, 1, 1), (4, 4, 4, 4)],
)
@pytest.mark.usefixtures("core_app")
async def test_pool_size_is_split(size: int, overflow: int, writers: int, readers: int) -> None:
    if config.engine.dialect.name == "sqlite":
        writers, readers = 1, max(1, size - 1 + overflow)
    limits = {"pool_size": size, "max_overflow": overflow, "pool_timeout": 0.2}

    async with providing(**limits) as provider:
        assert await count_sessions(provider) == writers
        assert await count_readers(provider) == readers


@pytest.mark.usefixtures("core_app")
async def test_own_engine_params_are_used() -> None:
    opened: list[object] = []
    async with providing(pool_recycle=0) as provider:
        for engine in (provider.engine, provider.read_engine):
            async with engine.connect():
                pass
            event.listen(engine.sync_engine, "connect", lambda *_: opened.append(1))
            for _ in range(2):
                await asyncio.sleep(0.01)
                async with engine.connect():
                    pass

    # The pool replaces a connection that is older than 0 seconds.
    assert len(opened) == 4


@pytest.mark.usefixtures("core_app")
async def test_ping_does_not_use_the_pool() -> None:
    async with AsyncExitStack() as stack:
        for engine in (config.engine, config.read_engine):
            with suppress(PoolTimeoutError, TimeoutError):
                while True:
                    connection = engine.connect()
                    await asyncio.wait_for(stack.enter_async_context(connection), 0.5)
        await asyncio.wait_for(config.ping(), 10)


async def test_parameters_of_migrations_are_hidden() -> None:
    async with config.schema_connection() as connection:
        with pytest.raises(DBAPIError) as caught:
            await connection.execute(text("SELECT :x FROM no_such_table"), {"x": "secret"})
    assert "secret" not in str(caught.value)
