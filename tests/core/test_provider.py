"""The database provider: sessions, pools and engine parameters."""

import asyncio
from contextlib import AsyncExitStack, suppress

import httpx
import pytest
from sqlalchemy import AsyncAdaptedQueuePool, event, select, text
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

    def fail(connection: object) -> bool:
        tested.append(connection)
        raise ConnectionError

    async def ask() -> None:
        async with getattr(config, engine).connect() as connection:
            await connection.execute(select(1))

    tested: list[object] = []
    await ask()
    monkeypatch.setattr(getattr(config, engine).dialect, "do_ping", fail)
    monkeypatch.setattr("src.core.database.driver.MAX_IDLE", 0 if idle else 60)

    await ask()

    assert len(tested) == (1 if idle else 0)


@pytest.mark.parametrize(
    ("size", "overflow", "places", "readers"),
    [(10, 0, 5, 5), (3, 0, 1, 2), (1, 0, 1, 1), (4, 4, 4, 4)],
)
def test_pool_size_is_split(size: int, overflow: int, places: int, readers: int) -> None:
    provider = DatabaseProvider(
        config.engine.dialect.name,
        settings.config_params,
        {"pool_size": size, "max_overflow": overflow},
    )
    if config.engine.dialect.name == "sqlite":
        places, readers = 1, max(1, size - 1 + overflow)

    pool = provider.read_engine.pool
    assert isinstance(pool, AsyncAdaptedQueuePool)
    assert pool.size() + provider.read_engine.pool._max_overflow == readers  # noqa: SLF001
    assert provider.session.kw["places"]._value == places  # noqa: SLF001


def test_own_engine_params_are_used() -> None:
    provider = DatabaseProvider(
        config.engine.dialect.name,
        settings.config_params,
        settings.engine_params | {"pool_recycle": 7, "connect_args": {"timeout": 77}},
    )

    for engine in (provider.engine, provider.read_engine):
        assert engine.pool._recycle == 7  # noqa: SLF001


@pytest.mark.usefixtures("core_app")
async def test_ping_does_not_use_the_pool() -> None:
    async with AsyncExitStack() as stack:
        for engine in (config.engine, config.read_engine):
            for _ in range(20):
                with suppress(PoolTimeoutError, TimeoutError):
                    connection = engine.connect()
                    await asyncio.wait_for(stack.enter_async_context(connection), 0.2)
        await asyncio.wait_for(config.ping(), 2)


async def test_parameters_of_migrations_are_hidden() -> None:
    async with config.schema_connection() as connection:
        with pytest.raises(DBAPIError) as caught:
            await connection.execute(text("SELECT :x FROM no_such_table"), {"x": "secret"})
    assert "secret" not in str(caught.value)
