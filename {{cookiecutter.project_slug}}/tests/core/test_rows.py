import asyncio

import pytest
from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import QueuePool

from src.config import config
from src.core.rows import add_row

from .items import CoreDefault, CoreItem

pytestmark = pytest.mark.usefixtures("core_client")

ITEMS = select(CoreItem).order_by(CoreItem.id)
BY_NAME = select(CoreItem).where(CoreItem.name == bindparam("name"))


async def add(*names: str) -> None:
    async with config.get_session() as session:
        for name in names:
            await add_row(session, CoreItem, {"name": name})
        await session.commit()


async def names() -> list[str]:
    return [row["name"] for row in await config.reader.fetch_all(ITEMS)]


async def test_reads_rows_as_dictionaries() -> None:
    await add("Ada", "Grace")

    rows = await config.reader.fetch_all(ITEMS)

    assert [(row["name"], row["parent_id"]) for row in rows] == [("Ada", None), ("Grace", None)]
    assert await config.reader.fetch_one(BY_NAME, {"name": "Grace"}) == rows[1]
    assert await config.reader.fetch_one(BY_NAME, {"name": "Linus"}) is None


async def test_a_reader_keeps_no_connection() -> None:
    pool = config.engine.pool
    assert isinstance(pool, QueuePool)

    await asyncio.gather(*(config.reader.fetch_all(ITEMS) for _ in range(20)))
    reading = asyncio.create_task(config.reader.fetch_all(ITEMS))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait({reading})

    assert pool.checkedout() == 0
    assert await config.reader.fetch_all(ITEMS) == []


async def test_what_was_read_with_is_no_less_of_a_transaction_after() -> None:
    async def add_and_fail(number: int) -> None:
        async with config.get_session() as session:
            await add_row(session, CoreItem, {"name": f"number {number}"})
            await session.flush()
            raise RuntimeError

    for _ in range(3):
        await asyncio.gather(*(config.reader.fetch_all(ITEMS) for _ in range(10)))
        failures = [add_and_fail(number) for number in range(10)]
        errors = await asyncio.gather(*failures, return_exceptions=True)
        assert {type(error) for error in errors} == {RuntimeError}

    assert await config.reader.fetch_all(ITEMS) == []


async def test_an_added_row_is_whole() -> None:
    async with config.get_session() as session:
        short = await add_row(session, CoreDefault, {})
        full = await add_row(session, CoreDefault, {"name": "Ada", "made_by": "me"})
        await session.commit()

    assert short == {"id": short["id"], "name": "made here", "made_by": "the database"}
    assert full == {"id": full["id"], "name": "Ada", "made_by": "me"}
    rows = await config.reader.fetch_all(select(CoreDefault).order_by(CoreDefault.id))
    assert rows == [short, full]


async def test_a_commit_is_of_all_that_the_session_has_done() -> None:
    async with config.get_session() as session:
        await add_row(session, CoreItem, {"name": "Ada"})
        await add_row(session, CoreItem, {"name": "Grace"}, commit=True)
        # By itself, and then in a transaction again.
        await add_row(session, CoreItem, {"name": "Linus"}, commit=True)
        await add_row(session, CoreItem, {"name": "undone"})

    assert await names() == ["Ada", "Grace", "Linus"]


async def test_what_is_refused_leaves_nothing() -> None:
    await add("Ada")

    async with config.get_session() as session:
        with pytest.raises(IntegrityError):
            await add_row(session, CoreItem, {"name": "Ada"}, commit=True)
        await add_row(session, CoreItem, {"name": "Grace"}, commit=True)
        await add_row(session, CoreItem, {"name": "undone"})
        with pytest.raises(IntegrityError):
            await add_row(session, CoreItem, {"name": "Ada"}, commit=True)

    assert await names() == ["Ada", "Grace"]


async def test_many_can_add_at_once() -> None:
    async def add_one(number: int) -> None:
        async with config.get_session() as session:
            await add_row(session, CoreItem, {"name": f"number {number}"}, commit=True)

    await asyncio.gather(*(add(f"{number}") for number in range(25)), *map(add_one, range(25)))

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
