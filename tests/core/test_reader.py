"""The reader executes each statement in a separate transaction."""

import asyncio

import pytest
from sqlalchemy import ColumnElement, Integer, MetaData, String, bindparam, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column
from src.config import config
from src.core.database import Base

from .items import CoreItem


class CorePerson(Base):
    __tablename__ = "core_people"
    metadata = MetaData()

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column("full_name", String(100))

    @hybrid_property
    def length(self) -> int:
        return len(self.name)

    @length.inplace.expression
    @classmethod
    def _length(cls) -> ColumnElement[int]:
        return func.length(cls.name)


#: Rows of a Core statement use column names, so renamed columns and hybrids need a label.
PERSON = select(CorePerson.name.label("name"), CorePerson.length.label("length"))


@pytest.mark.usefixtures("core_client")
async def test_reader_returns_rows_by_attribute() -> None:
    async with config.engine.begin() as connection:
        await connection.run_sync(CorePerson.metadata.create_all)
    try:
        async with config.get_session() as session:
            session.add(CorePerson(name="Ada"))
            await session.commit()

        row = (await config.reader.execute(PERSON)).one()

        assert (row.name, row.length) == ("Ada", 3)
    finally:
        async with config.engine.begin() as connection:
            await connection.run_sync(CorePerson.metadata.drop_all)


@pytest.mark.usefixtures("core_client")
async def test_reader_sees_each_commit() -> None:
    statement = select(CoreItem.name).where(CoreItem.name == bindparam("name"))

    for name in ("Ada", "Grace"):
        async with config.get_session() as session:
            session.add(CoreItem(name=name))
            await session.flush()
            assert (await config.reader.execute(statement, {"name": name})).all() == []
            await session.commit()
        assert (await config.reader.execute(statement, {"name": name})).scalars().all() == [name]


@pytest.mark.usefixtures("core_client")
async def test_reader_survives_a_failed_statement() -> None:
    for _ in range(settings_pool_size() + 1):
        with pytest.raises(DBAPIError):
            await config.reader.execute(text("SELECT 1 FROM no_such_table"))

    assert (await config.reader.execute(select(1))).scalar_one() == 1


def settings_pool_size() -> int:
    size = config.read_engine.pool.size()
    assert isinstance(size, int)
    return size


@pytest.mark.usefixtures("core_client")
async def test_reader_serves_many_reads_at_once() -> None:
    results = await asyncio.gather(*(config.reader.execute(select(1)) for _ in range(100)))

    assert [result.scalar_one() for result in results] == [1] * 100


@pytest.mark.usefixtures("core_client")
async def test_reader_does_not_leave_autocommit_on() -> None:
    await config.reader.execute(select(1))

    async with config.get_session() as session:
        session.add(CoreItem(name="Ada"))
        await session.flush()
        await session.rollback()

    assert (await config.reader.execute(select(CoreItem.name))).all() == []


@pytest.mark.usefixtures("core_client")
async def test_read_succeeds_after_table_change() -> None:
    """PostgreSQL rejects a prepared statement if the type of its result has changed."""
    statement = select(CoreItem.__table__.c.id, text("core_items.*"))
    await config.reader.execute(statement)
    async with config.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE core_items ADD COLUMN note INTEGER"))
    try:
        for _ in range(settings_pool_size() + 1):
            assert (await config.reader.execute(statement)).all() == []
    finally:
        async with config.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE core_items DROP COLUMN note"))
