"""The column types: every database returns the value that it was given."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, Double, MetaData, String, Table, insert, select

from src.config import config
from src.core.columns import JSON, DateTime, Id64, Numeric, Uuid

METADATA = MetaData()
TABLE = Table(
    "core_columns",
    METADATA,
    Column("id", Id64, primary_key=True),
    Column("text", String(100)),
    Column("big_integer", BigInteger),
    Column("double", Double),
    Column("numeric", Numeric(12, 2)),
    Column("date_time", DateTime),
    Column("uuid", Uuid),
    Column("json", JSON),
)
VALUES: dict[str, Any] = {
    "id": 2**63 - 1,
    "text": "é 日本語 🦊",
    "big_integer": -(2**63),
    "double": 0.1,
    "numeric": Decimal("9999999999.99"),
    "date_time": dt.datetime(2026, 11, 23, 12, 30, 0, 1, tzinfo=dt.UTC),
    "uuid": uuid.UUID("a59d6f1e-6b3c-4b0e-9d5b-0f6c1d2e3f40"),
    "json": {"b": [True, 1, 1.0, None], "a": "é"},
}


pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture(autouse=True)
async def _table() -> AsyncIterator[None]:
    async with config.engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    yield
    async with config.engine.begin() as connection:
        await connection.run_sync(METADATA.drop_all)


@pytest.mark.parametrize("name", VALUES)
async def test_column_returns_the_stored_value(name: str) -> None:
    async with config.engine.begin() as connection:
        await connection.execute(insert(TABLE).values({name: VALUES[name]}))

    result = await config.reader.execute(select(TABLE.c[name]))

    # 1, 1.0 and true are equal in Python.
    assert repr(result.scalar_one()) == repr(VALUES[name])


async def test_time_of_any_zone_returns_as_utc() -> None:
    time = dt.datetime(2026, 11, 23, 1, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    async with config.engine.begin() as connection:
        await connection.execute(insert(TABLE).values(date_time=time))

    found = await config.reader.execute(select(TABLE.c.date_time).where(TABLE.c.date_time == time))

    assert found.scalar_one().isoformat() == "2026-11-22T23:30:00+00:00"
