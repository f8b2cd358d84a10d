import asyncio

import pytest
from sqlalchemy import select

from src.config import config
from src.examples.examples_entity import Example


def test_is_quiet() -> None:
    assert config.engine.echo is False


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


async def test_every_request_has_a_session_of_its_own() -> None:
    one, other = config.get_db(), config.get_db()

    assert await anext(one) is not await anext(other)

    await one.aclose()
    await other.aclose()


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
