import asyncio
import datetime as dt
import random
import re
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import render_python_code
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.operations.ops import MigrationScript
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeEngine
from src.config import config
from src.core.columns import JSON, DateTime, Id64, Numeric, Uuid
from src.core.database.schema import ALEMBIC_INI, set_table_options

CONFIG = Config(ALEMBIC_INI)

#: The types in migrations.
MIGRATED: dict[str, TypeEngine[Any]] = {
    "string": sa.String(length=100),
    "text": sa.Text(),
    "integer": sa.Integer(),
    "big_integer": sa.BigInteger(),
    "double": sa.Double(),
    "numeric": sa.Numeric(precision=12, scale=2),
    "boolean": sa.Boolean(),
    "date": sa.Date(),
    "date_time": sa.DateTime(timezone=True),
    "uuid": sa.Uuid(),
    "json": sa.JSON(),
}
#: The types in entities.
MAPPED = MIGRATED | {
    "numeric": Numeric(12, 2),
    "date_time": DateTime(),
    "uuid": Uuid(),
    "json": JSON(),
}
#: Types that not every database can index.
UNINDEXED = {"text", "json"}

#: The type of a primary key in migrations.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

METADATA = sa.MetaData()
TABLE = sa.Table(
    "typed",
    METADATA,
    sa.Column("id", Id64, primary_key=True),
    *(sa.Column(name, type_) for name, type_ in MAPPED.items()),
)


pytestmark = pytest.mark.usefixtures("app")


def migrate(connection: sa.Connection) -> None:
    """Create the table like migrations: first with some columns, then add the others."""
    operations = Operations(MigrationContext.configure(connection))
    columns: list[sa.Column[Any]] = [sa.Column(name, type_) for name, type_ in MIGRATED.items()]
    operations.create_table("typed", sa.Column("id", KEY, primary_key=True), *columns[:4])
    for column in columns[4:8]:
        operations.add_column("typed", column)
    with operations.batch_alter_table("typed") as batch:
        for column in columns[8:]:
            batch.add_column(column)


@pytest.fixture(params=[METADATA.create_all, migrate], ids=["metadata", "migration"])
async def _table(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    async with config.engine.begin() as connection:
        await connection.run_sync(request.param)
    yield
    async with config.engine.begin() as connection:
        await connection.run_sync(METADATA.drop_all)


FLOATS = random.Random(1)  # noqa: S311  # a fixed seed
UTC = dt.UTC
VALUES: dict[str, list[Any]] = {
    "string": ["\U0001f600" * 100, "\ud7ff\\ '%s\x01"],
    "text": ["\U0001f600" * 16_383],
    "integer": [-(2**31), 0, 2**31 - 1],
    "big_integer": [-(2**63), 2**53 + 1, 2**63 - 1],
    "double": [
        *(0.0, 5.0, 0.1, 1e22, sys.float_info.max, -sys.float_info.max),
        *(sys.float_info.min, 5e-324, -5e-324),
        *(FLOATS.uniform(-1, 1) * 10.0 ** FLOATS.randint(-307, 307) for _ in range(50)),
    ],
    "numeric": [
        *(Decimal("9999999999.99"), Decimal("-9999999999.99")),
        *(Decimal(cents).scaleb(-2) for cents in range(-110, 111)),
    ],
    "boolean": [True, False],
    "date": [dt.date(1000, 1, 1), dt.date(9999, 12, 31)],
    "date_time": [
        dt.datetime(1000, 1, 1, tzinfo=UTC),
        dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        dt.datetime(2026, 11, 23, 12, 30, 0, 1, tzinfo=UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
    "uuid": [uuid.UUID(int=0), uuid.UUID("a59d6f1e-6b3c-4b0e-9d5b-0f6c1d2e3f40")],
    "json": [
        *({}, [], {"b": 1, "aa": 2, "": None}, ["\0", "\U0001f600", "\ud7ff"]),
        *([True, 1, 1.0, 10**30, 1e22, 0.1, 5e-324, -1.1030161663305387],),
    ],
}


@pytest.mark.usefixtures("_table")
@pytest.mark.parametrize("name", VALUES)
async def test_column_returns_the_stored_value(name: str) -> None:
    column = TABLE.c[name]
    values = [*VALUES[name], None]
    async with config.engine.begin() as connection:
        await connection.execute(sa.insert(TABLE), [{name: value} for value in values])
        found = await connection.scalars(sa.select(column).order_by(TABLE.c.id))
        null = await connection.scalars(sa.select(column).where(column.is_(None)))

    assert list(map(repr, found)) == list(map(repr, values))
    assert null.all() == [None]


@pytest.mark.usefixtures("_table")
@pytest.mark.parametrize("name", sorted(VALUES.keys() - {"boolean", "json"}))
async def test_column_finds_and_orders_values(name: str) -> None:
    column = TABLE.c[name]
    values = list(dict.fromkeys(VALUES[name]))
    async with config.engine.begin() as connection:
        await connection.execute(sa.insert(TABLE), [{name: value} for value in values])
        for value in values:
            found = await connection.scalars(sa.select(column).where(column == value))
            assert found.all() == [value]
        ordered = await connection.scalars(sa.select(column).order_by(column))
        greatest = await connection.scalars(sa.select(column).where(column >= max(values)))

    assert ordered.all() == sorted(values)
    assert greatest.all() == [max(values)]


@pytest.mark.usefixtures("_table")
async def test_datetime_is_returned_in_utc() -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    async with config.engine.begin() as connection:
        time = dt.datetime(2026, 11, 23, 1, 30, tzinfo=zone)
        await connection.execute(sa.insert(TABLE).values(date_time=time))
        column = TABLE.c.date_time
        found = await connection.scalars(sa.select(column).where(column == time))

    assert repr(found.one()) == repr(dt.datetime(2026, 11, 22, 23, 30, tzinfo=UTC))


async def test_datetime_without_time_zone_is_rejected() -> None:
    time = dt.datetime(2026, 11, 23)  # noqa: DTZ001  # naive on purpose
    async with config.engine.connect() as connection:
        with pytest.raises(StatementError, match="has no time zone"):
            await connection.execute(sa.insert(TABLE).values(date_time=time))


async def test_64_bit_key_is_never_reused() -> None:
    keys = sa.Table("core_keys", sa.MetaData(), sa.Column("id", Id64, primary_key=True))
    # `Base` and the migrations do this for their tables.
    set_table_options(keys)
    async with config.engine.begin() as connection:
        await connection.run_sync(keys.create)
        await connection.execute(sa.insert(keys).values(id=2**40))
        await connection.execute(sa.delete(keys))
        if connection.dialect.name == "postgresql":
            await connection.execute(sa.func.setval("core_keys_id_seq", 2**40).select())
        result = await connection.execute(sa.insert(keys))
        await connection.run_sync(keys.drop)

    assert result.inserted_primary_key == (2**40 + 1,)


@pytest.mark.usefixtures("_table")
async def test_sums_are_exact() -> None:
    column = TABLE.c.numeric
    async with config.engine.begin() as connection:
        await connection.execute(sa.insert(TABLE), [{"numeric": Decimal("0.10")}] * 3)
        total = await connection.scalar(sa.select(sa.func.sum(column)))

    assert repr(total) == "Decimal('0.30')"


def test_precision_above_15_digits_is_rejected() -> None:
    with pytest.raises(ValueError, match="15 digits"):
        Numeric(16, 2)


@pytest.mark.usefixtures("_table")
@pytest.mark.parametrize(
    ("old", "new"), [({"a": 1}, {"a": True}), ([1], [1.0]), ({"a": 1}, None), (None, [])]
)
async def test_every_change_of_json_is_stored(old: object, new: object) -> None:
    class Typed:
        json: object

    registry().map_imperatively(Typed, TABLE)
    async with config.get_session() as session:
        typed = Typed()
        typed.json = old
        session.add(typed)
        await session.commit()
        typed.json = new
        await session.commit()
        await session.refresh(typed)

    assert repr(typed.json) == repr(new)


def describe(
    metadata: sa.MetaData, key: TypeEngine[Any], types: dict[str, TypeEngine[Any]]
) -> sa.Table:
    """Create a table with two columns per type: one nullable and unique, the other indexed."""
    table = sa.Table("typed", metadata, sa.Column("id", key, primary_key=True))
    for name, type_ in types.items():
        indexed = name not in UNINDEXED
        table.append_column(sa.Column(name, type_, unique=indexed))
        table.append_column(sa.Column(f"{name}_", type_, nullable=False, index=indexed))
    return table


@pytest.fixture
def entity() -> Iterator[sa.Table]:
    table = describe(config.Base.metadata, Id64, MAPPED)
    yield table
    config.Base.metadata.remove(table)


@pytest.fixture
def _migrated() -> Iterator[None]:
    async def run(function: Callable[[sa.Connection], None]) -> None:
        async with config.schema_connection() as connection, connection.begin():
            await connection.run_sync(function)

    table = describe(
        sa.MetaData(naming_convention=config.Base.metadata.naming_convention), KEY, MIGRATED
    )
    asyncio.run(run(table.create))
    yield
    asyncio.run(run(table.drop))


def autogenerate() -> tuple[str, str]:
    """Return the code of a new migration's upgrade and downgrade."""
    texts = []

    def catch(context: MigrationContext, _: object, scripts: list[MigrationScript]) -> None:
        for operations in (scripts[0].upgrade_ops, scripts[0].downgrade_ops):
            assert operations
            text = render_python_code(
                operations,
                render_item=context.opts["render_item"],
                migration_context=MigrationContext.configure(dialect=context.dialect),
            )
            texts.append(text)
        scripts.clear()

    command.revision(CONFIG, autogenerate=True, process_revision_directives=catch)
    upgrade, downgrade = texts
    return upgrade, downgrade


#: The columns in a migration, with their types.
COLUMNS = {f"{name}{end}": f"sa.{type_!r}" for name, type_ in MIGRATED.items() for end in ("", "_")}
#: The type of a primary key in a new migration, and of one that was read from the database.
NEW_KEY = {"id": "sa.BigInteger().with_variant(sa.Integer(), 'sqlite')"}
OLD_KEY = {"id": f"sa.{'' if config.engine.dialect.name == 'sqlite' else 'Big'}Integer()"}


def made(text: str) -> dict[str, str]:
    return dict(re.findall(r"sa\.Column\('(\w+)', (sa\..+?\)), (?:autoincrement|nullable)", text))


def altered(text: str) -> dict[str, str]:
    return dict(re.findall(r"alter_column\('\w+', '(\w+)',\s+existing_type=(sa\..+?\)),\n", text))


@pytest.mark.usefixtures("entity")
def test_migration_has_database_neutral_types() -> None:
    assert made(autogenerate()[0]) == NEW_KEY | COLUMNS


@pytest.mark.usefixtures("_migrated")
def test_altered_columns_have_neutral_types(entity: sa.Table) -> None:
    for column in entity.columns:
        column.nullable = not column.nullable and not column.primary_key
    upgrade, downgrade = autogenerate()

    assert altered(upgrade) == COLUMNS
    assert altered(downgrade) == COLUMNS


@pytest.mark.usefixtures("_migrated")
def test_dropped_columns_have_neutral_types() -> None:
    assert made(autogenerate()[1]) == OLD_KEY | COLUMNS


@pytest.mark.usefixtures("_migrated", "entity")
def test_migrated_table_matches_the_entity() -> None:
    command.check(CONFIG)


COMPILE = """
import sys
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.dialects.mysql.mariadb import MariaDBDialect
from src.core.columns import JSON, DateTime, Id64, Numeric, Uuid

dialects = {each.name: each for each in (sqlite.dialect(), postgresql.dialect(), mysql.dialect())}
dialects["mariadb"] = MariaDBDialect()
for name in sys.argv[1:]:
    dialect = dialects[name]
    types = (Id64, Numeric(12, 2), DateTime(), Uuid(), JSON())
    print(*(each.compile(dialect=dialect) for each in types), sep=" | ")
"""


def test_types_compile_without_migration_hooks() -> None:
    """Compile the types in a process that has not loaded the hooks in `migrations/env.py`."""
    on_mysql = "BIGINT | NUMERIC(12, 2) | DATETIME(6) | CHAR(32) | LONGTEXT"
    expected = {
        "sqlite": {"sqlite": "INTEGER | NUMERIC(12, 2) | DATETIME | CHAR(32) | JSON"},
        "postgresql": {
            "postgresql": "BIGINT | NUMERIC(12, 2) | TIMESTAMP WITH TIME ZONE | UUID | JSON"
        },
        "mysql": {"mysql": on_mysql, "mariadb": on_mysql},
    }[config.engine.dialect.name]
    printed = subprocess.run(
        [sys.executable, "-c", COMPILE, *expected], check=True, capture_output=True, text=True
    ).stdout

    assert printed.splitlines() == list(expected.values())
