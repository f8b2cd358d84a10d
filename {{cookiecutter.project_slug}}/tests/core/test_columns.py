"""Column types return the stored value on every database."""

import datetime as dt
import uuid
from decimal import Decimal

from sqlalchemy import BigInteger, Column, MetaData, Table, insert, select

from src.config import config
from src.core.columns import JSON, DateTime, Id64, Numeric, Uuid

METADATA = MetaData()
TABLE = Table(
    "core_columns",
    METADATA,
    Column("id", Id64, primary_key=True),
    Column("big_integer", BigInteger),
    Column("numeric", Numeric(12, 2)),
    Column("date_time", DateTime),
    Column("uuid", Uuid),
    Column("json", JSON),
)
VALUES = {
    "id": 2**63 - 1,
    "big_integer": -(2**63),
    "numeric": Decimal("9999999999.99"),
    "date_time": dt.datetime(2026, 11, 23, 12, 30, 0, 1, tzinfo=dt.UTC),
    "uuid": uuid.UUID("a59d6f1e-6b3c-4b0e-9d5b-0f6c1d2e3f40"),
    "json": {"b": [True, 1, 1.0, None], "a": "é"},
}


async def test_columns_return_the_stored_values() -> None:
    async with config.engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
        await connection.execute(insert(TABLE).values(VALUES))
        result = await connection.execute(select(TABLE))
        found = result.mappings().one()
        await connection.run_sync(METADATA.drop_all)

    # 1, 1.0 and true are equal in Python.
    assert repr(dict(found)) == repr(VALUES)
