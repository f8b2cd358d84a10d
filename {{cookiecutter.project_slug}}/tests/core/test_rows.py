import asyncio

import pytest
from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import QueuePool

from src.config import config

from .items import CoreItem

pytestmark = pytest.mark.usefixtures("core_client")

ITEMS = select(CoreItem).order_by(CoreItem.id)
BY_NAME = select(CoreItem).where(CoreItem.name == bindparam("name"))


async def add(*names: str) -> None:
    async with config.get_session() as session:
        for name in names:
            session.add(CoreItem(name=name))
        await session.commit()


async def names() -> list[str]:
    return [row.name for row in await config.reader.execute(ITEMS)]


async def test_reader_returns_rows() -> None:
    await add("Ada", "Grace")

    rows = (await config.reader.execute(ITEMS)).all()

    assert [(row.name, row.parent_id) for row in rows] == [("Ada", None), ("Grace", None)]
    assert (await config.reader.execute(BY_NAME, {"name": "Grace"})).first() == rows[1]
    assert (await config.reader.execute(BY_NAME, {"name": "Linus"})).first() is None


async def test_reader_keeps_no_connection() -> None:
    pool = config.engine.pool
    assert isinstance(pool, QueuePool)

    await asyncio.gather(*(config.reader.execute(ITEMS) for _ in range(20)))
    reading = asyncio.create_task(config.reader.execute(ITEMS))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait({reading})

    assert pool.checkedout() == 0
    assert await names() == []


async def test_reader_does_not_leave_autocommit_on() -> None:
    async def add_and_fail(number: int) -> None:
        async with config.get_session() as session:
            session.add(CoreItem(name=f"number {number}"))
            await session.flush()
            raise RuntimeError

    for _ in range(3):
        await asyncio.gather(*(config.reader.execute(ITEMS) for _ in range(10)))
        failures = [add_and_fail(number) for number in range(10)]
        errors = await asyncio.gather(*failures, return_exceptions=True)
        assert {type(error) for error in errors} == {RuntimeError}

    assert await names() == []


async def test_commit_stores_everything_the_session_did() -> None:
    async with config.get_session() as session:
        session.add(CoreItem(name="Ada"))
        await session.flush()
        session.add(CoreItem(name="Grace"))
        await session.commit()
        session.add(CoreItem(name="rolled back"))
        await session.flush()

    assert await names() == ["Ada", "Grace"]


async def test_rejected_row_leaves_nothing() -> None:
    await add("Ada")

    async with config.get_session() as session:
        session.add_all([CoreItem(name="rolled back"), CoreItem(name="Ada")])
        with pytest.raises(IntegrityError):
            await session.commit()

    assert await names() == ["Ada"]


async def test_many_sessions_add_at_once() -> None:
    await asyncio.gather(*(add(f"{number}") for number in range(50)))

    assert len(await names()) == 50


async def test_who_changes_a_row_waits_for_who_does_so_already() -> None:
    await add("Ada")

    async def rename(name: str) -> None:
        async with config.get_session() as session:
            item = (await session.scalars(select(CoreItem).with_for_update())).one()
            item.name = name
            await session.commit()

    async with config.get_session() as session:
        item = (await session.scalars(select(CoreItem).with_for_update())).one()
        item.name = "first"
        await session.flush()
        waiting = asyncio.create_task(rename("second"))
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        await session.commit()
    await waiting

    assert not done
    assert await names() == ["second"]
