import asyncio

import httpx
import pytest
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from src.config import config
from src.examples.examples_entity import Example


async def test_sql_is_not_logged(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    await client.get("/examples")

    assert "SELECT" not in caplog.text


@pytest.mark.usefixtures("client")
async def test_what_is_not_committed_is_undone() -> None:
    async def add_and_fail() -> None:
        async with config.get_session() as session:
            session.add(Example(name="Ada"))
            await session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await add_and_fail()

    async with config.get_session() as session:
        assert (await session.scalars(select(Example))).all() == []


@pytest.mark.usefixtures("client")
async def test_an_entity_can_be_read_after_its_session() -> None:
    async with config.get_session() as session:
        example = Example(name="Ada")
        session.add(example)
        await session.commit()

    assert example.name == "Ada"
    assert example.id


async def test_a_request_that_fails_after_a_flush_leaves_nothing_behind(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def flush_and_fail(session: AsyncSession) -> None:
        await session.flush()
        raise RuntimeError

    monkeypatch.setattr(AsyncSession, "commit", flush_and_fail)
    response = await client.post("/examples", json={"name": "Ada"})
    monkeypatch.undo()

    assert response.status_code == 500
    assert (await client.get("/examples")).json()["items"] == []


async def test_requests_share_no_session(client: httpx.AsyncClient) -> None:
    began: list[Session] = []

    def note(session: Session, *_: object) -> None:
        began.append(session)

    event.listen(Session, "after_begin", note)
    await asyncio.gather(*(client.get("/examples") for _ in range(20)))
    event.remove(Session, "after_begin", note)

    assert len(began) == 20
    assert len(set(map(id, began))) == 20


@pytest.mark.usefixtures("app")
async def test_several_processes_can_make_the_tables_at_once() -> None:
    await config.drop_all()

    await asyncio.gather(*(config.create_all() for _ in range(4)))

    async with config.get_session() as session:
        assert (await session.scalars(select(Example))).all() == []


@pytest.mark.usefixtures("client")
async def test_two_can_remove_a_row_at_once() -> None:
    async with config.get_session() as session:
        session.add(Example(name="Ada"))
        await session.commit()

    async with config.get_session() as one, config.get_session() as other:
        for session in (one, other):
            await session.delete((await session.scalars(select(Example))).one())
        await one.commit()
        await other.commit()
