import asyncio

import httpx
import pytest
from sqlalchemy import Table, event, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from src.config import config

from .items import CoreItem


async def test_sql_is_not_logged(
    core_client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    await core_client.get("/items")

    assert "SELECT" not in caplog.text


@pytest.mark.usefixtures("core_client")
async def test_what_is_not_committed_is_undone() -> None:
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
async def test_an_entity_can_be_read_after_its_session() -> None:
    async with config.get_session() as session:
        item = CoreItem(name="Ada")
        session.add(item)
        await session.commit()

    assert item.name == "Ada"
    assert item.id


async def test_a_request_that_fails_after_a_flush_leaves_nothing_behind(
    core_client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def flush_and_fail(session: AsyncSession) -> None:
        await session.flush()
        raise RuntimeError

    ada = (await core_client.post("/items", json={"name": "Ada"})).json()
    monkeypatch.setattr(AsyncSession, "commit", flush_and_fail)
    responses = [
        await core_client.post("/items", json={"name": "Grace"}),
        await core_client.delete(f"/items/{ada}"),
    ]
    monkeypatch.undo()

    assert [response.status_code for response in responses] == [500, 500]
    assert (await core_client.get("/items")).json() == ["Ada"]


async def test_requests_share_no_session(core_client: httpx.AsyncClient) -> None:
    began: list[Session] = []

    def note(session: Session, *_: object) -> None:
        began.append(session)

    event.listen(Session, "after_begin", note)
    await asyncio.gather(*(core_client.get(path) for path in ["/items", "/items/1"] * 10))
    event.remove(Session, "after_begin", note)

    assert len(began) == 20
    assert len(set(map(id, began))) == 20


@pytest.mark.usefixtures("app")
async def test_several_processes_can_make_the_tables_at_once(table: Table) -> None:
    await config.drop_all()

    await asyncio.gather(*(config.create_all() for _ in range(4)))

    async with config.get_session() as session:
        assert (await session.scalars(select(table))).all() == []


@pytest.mark.usefixtures("core_client")
async def test_two_can_remove_a_row_at_once() -> None:
    async with config.get_session() as session:
        session.add(CoreItem(name="Ada"))
        await session.commit()

    async with config.get_session() as one, config.get_session() as other:
        for session in (one, other):
            await session.delete((await session.scalars(select(CoreItem))).one())
        await one.commit()
        await other.commit()


@pytest.mark.parametrize("idle", [True, False])
async def test_a_connection_is_tested_where_it_was_idle(
    core_client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, *, idle: bool
) -> None:
    async def ask() -> int:
        return (await core_client.get("/items")).status_code

    def fail(connection: object) -> bool:
        tested.append(connection)
        raise ConnectionError

    tested: list[object] = []
    await ask()
    monkeypatch.setattr(config, "tests_idle", True)
    monkeypatch.setattr(config.engine.dialect, "do_ping", fail)
    monkeypatch.setattr("src.core.database.MAX_IDLE", 0 if idle else 60)

    assert await ask() == 200
    assert len(tested) == (1 if idle else 0)
