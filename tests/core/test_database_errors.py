"""Responses to database errors, raised by the real database and simulated for the others."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI, Request
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.orm.exc import StaleDataError
from src.config import config
from src.core.database import Base
from src.core.errors import respond_to

INSIDE = "SELECT inside FROM /var/lib"
READ_ONLY = {
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
}


class CoreStock(Base):
    __tablename__ = "core_stock"
    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    __table_args__ = (
        sa.UniqueConstraint("name", "shelf"),
        sa.CheckConstraint("quantity >= 0", "quantity_positive"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sku: Mapped[str] = mapped_column(sa.String(50), unique=True)
    name: Mapped[str] = mapped_column(sa.String(50), default="x")
    shelf: Mapped[int | None]
    # A renamed column: responses must show the attribute's name.
    amount: Mapped[int] = mapped_column("quantity", default=0)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("core_stock.id"))


@pytest.fixture(scope="module", autouse=True)
async def _table() -> AsyncIterator[None]:
    async with config.engine.begin() as connection:
        await connection.run_sync(CoreStock.metadata.create_all)
        for key, parent in ((1, None), (2, 1)):
            row = {"id": key, "sku": f"A-{key}", "name": "y", "shelf": key, "parent_id": parent}
            await connection.execute(sa.insert(CoreStock).values(row))
    yield
    async with config.engine.begin() as connection:
        await connection.run_sync(CoreStock.metadata.drop_all)


async def respond(error: Exception) -> tuple[int, dict[str, Any]]:
    request = Request({"type": "http", "app": FastAPI(), "path": "/", "method": "GET"})
    response = await respond_to(request, error)
    body = bytes(response.body)
    assert INSIDE.encode() not in body
    assert b"core_stock" not in body
    assert (response.status_code == 503) is ("Retry-After" in response.headers)
    return response.status_code, json.loads(body)


async def execute(statement: sa.Executable) -> tuple[int, dict[str, Any]]:
    async def commit() -> None:
        async with config.get_session() as session:
            await session.execute(statement)
            await session.commit()

    with pytest.raises((sa.exc.DBAPIError, OverflowError)) as caught:
        await commit()
    return await respond(caught.value)


UNIQUE = (409, "A value that must be unique already exists.", "This value already exists.")
CHECK = "A value breaks a rule of the database."
REQUIRED = (422, "A required value is missing.", "This value is required.")
MISSING = (409, "This refers to something that does not exist.", "This does not exist.")


@pytest.mark.parametrize(
    ("values", "expected", "fields"),
    [
        ({"sku": "A-1"}, UNIQUE, ["sku"]),
        ({"id": 1}, UNIQUE, ["id"]),
        ({"name": "y", "shelf": 1}, UNIQUE, ["name", "shelf"]),
        ({"amount": -1}, (409, CHECK, "This value breaks a rule."), ["amount"]),
        ({"name": None}, REQUIRED, ["name"]),
        ({"amount": None}, REQUIRED, ["amount"]),
        ({"parent_id": 2**31 - 1}, MISSING, ["parent_id"]),
    ],
)
async def test_violation_response_lists_the_fields(
    values: dict[str, Any], expected: tuple[int, str, str], fields: list[str]
) -> None:
    status, detail, reason = expected
    for statement in (
        sa.insert(CoreStock).values({"id": 9, "sku": "A-9"} | values),
        sa.update(CoreStock).where(CoreStock.id == 2).values({"shelf": 2} | values),
    ):
        found, body = await execute(statement)

        assert (found, body["detail"]) == (status, detail)
        errors = [{"detail": reason, "location": ["body", name]} for name in fields]
        assert body["errors"] == errors


async def test_deleting_a_referenced_row_is_a_conflict() -> None:
    status, body = await execute(sa.delete(CoreStock).where(CoreStock.id == 1))

    assert (status, body["detail"]) == (409, "Something else still refers to this.")
    assert "errors" not in body


async def test_insert_without_required_value_is_422() -> None:
    status, body = await execute(
        sa.text("INSERT INTO core_stock (id, name, quantity) VALUES (9, 'x', 1)")
    )

    assert (status, body["errors"][0]["location"]) == (422, ["body", "sku"])


async def test_number_out_of_range_is_422() -> None:
    values = {"id": 9, "sku": "A-9", "shelf": 2**63}

    status, body = await execute(sa.insert(CoreStock).values(values))

    assert (status, body["detail"]) == (422, "A value is out of range.")


async def test_read_only_database_is_unavailable() -> None:
    engine = create_async_engine(config.config_url)
    async with engine.connect() as connection:
        await connection.execute(sa.text(READ_ONLY[engine.dialect.name]))
        await connection.commit()
        with pytest.raises(sa.exc.DBAPIError) as caught:
            await connection.execute(sa.insert(CoreStock).values(id=9, sku="A-9"))
    await engine.dispose()

    assert (await respond(caught.value))[0] == 503


async def test_stale_prepared_statement_is_503() -> None:
    async with config.get_session() as session:
        select = sa.text("SELECT * FROM core_stock WHERE id = 1")
        await session.execute(select)
        await session.commit()
        async with config.engine.begin() as connection:
            await connection.execute(sa.text("ALTER TABLE core_stock ADD COLUMN extra INTEGER"))
        status = 503
        try:
            await session.execute(select)
        except sa.exc.DBAPIError as error:
            # Only asyncpg has a prepared statement, which is stale now.
            status, _ = await respond(error)

    assert status == 503


class DriverError(Exception):
    """An error with the attributes of drivers' errors."""

    def __init__(self, code: str | int) -> None:
        super().__init__(code if isinstance(code, int) else INSIDE, INSIDE)
        self.sqlstate = self.sqlite_errorname = code


CODES: dict[str, dict[int, tuple[str | int, ...]]] = {
    "postgresql": {
        503: (
            *("08000", "08006", "28000", "28P01", "3D000", "40001", "40P01", "53300", "57014"),
            *("57P01", "57P03", "58030", "25006", "25P03", "25P04", "55P03"),
        ),
        409: ("23505", "23P01", "23503", "23514", "23001"),
        422: ("23502", "22001", "22003", "22008"),
        500: ("42703", "25P02", "22012", "0A000", "XX000"),
    },
    "mysql": {
        503: (
            *(1040, 1044, 1045, 1047, 1049, 1053, 1205, 1213, 1290, 1317, 1792, 1836, 1969),
            *(2002, 2003, 2006, 2013, 3024),
        ),
        409: (1062, 1586, 1216, 1217, 1451, 1452, 3819, 4025),
        422: (1048, 1364, 1264, 1406, 1690),
        500: (1054, 1064),
    },
    "sqlite": {
        503: (
            *("SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_CANTOPEN", "SQLITE_FULL"),
            *("SQLITE_IOERR_WRITE", "SQLITE_LOCKED", "SQLITE_READONLY"),
        ),
        409: (
            *("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"),
            *("SQLITE_CONSTRAINT_ROWID", "SQLITE_CONSTRAINT_CHECK"),
            "SQLITE_CONSTRAINT_FOREIGNKEY",
        ),
        422: ("SQLITE_CONSTRAINT_NOTNULL",),
        500: ("SQLITE_ERROR", "SQLITE_CONSTRAINT_TRIGGER"),
    },
}
OWN_CODES = CODES[config.engine.dialect.name]


@pytest.mark.parametrize("code", OWN_CODES[503])
async def test_unavailable_database_is_503(code: str | int) -> None:
    status, _ = await respond(OperationalError(INSIDE, {}, DriverError(code)))

    assert status == 503


@pytest.mark.parametrize(
    ("code", "status"), [(code, status) for status in (409, 422, 500) for code in OWN_CODES[status]]
)
async def test_error_code_has_its_status(code: str | int, status: int) -> None:
    error = IntegrityError(INSIDE, {"inside": INSIDE}, DriverError(code))

    assert (await respond(error))[0] == status


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PoolTimeoutError(INSIDE), 503),
        (ConnectionRefusedError(111, INSIDE), 503),
        (TimeoutError(INSIDE), 503),
        (OSError(f"Multiple exceptions: {INSIDE}"), 503),
        (OSError(113, INSIDE), 503),
        (OperationalError(INSIDE, {}, Exception(INSIDE), connection_invalidated=True), 503),
        (StaleDataError(INSIDE), 409),
        # Arguments of other errors are not MySQL's error codes.
        (KeyError(1062), 500),
        (OverflowError(INSIDE), 500),
        (ValueError("value out of int32 range"), 500),
    ],
    ids=repr,
)
async def test_error_without_code_has_its_status(error: Exception, status: int) -> None:
    assert (await respond(error))[0] == status
