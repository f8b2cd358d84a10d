"""Startup runs the migrations on an empty database and keeps any other database unchanged."""

import asyncio
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Table, inspect, text
from src.config import config
from src.core.database.schema import ALEMBIC_INI

Result = TypeVar("Result")
CONFIG = Config(ALEMBIC_INI)


@pytest.fixture(autouse=True)
def _migrated_again() -> Iterator[None]:
    yield
    asyncio.run(config.drop_all())
    command.upgrade(CONFIG, "head")


def on_database(function: Callable[[Connection], Result]) -> Result:
    async def run() -> Result:
        async with config.schema_connection() as connection, connection.begin():
            return await connection.run_sync(function)

    return asyncio.run(run())


def tables() -> set[str]:
    return set(on_database(lambda connection: inspect(connection).get_table_names()))


def test_downgrade_drops_every_table() -> None:
    entities = set(config.Base.metadata.tables)

    assert tables() == entities | {"alembic_version"}
    command.downgrade(CONFIG, "base")
    assert tables() == {"alembic_version"}


@pytest.mark.usefixtures("table")
def test_check_finds_entity_without_migration() -> None:
    with pytest.raises(CommandError, match="add_table"):
        command.check(CONFIG)


def test_migrations_work_after_startup_created_tables() -> None:
    asyncio.run(config.drop_all())

    asyncio.run(config.create_all())

    command.check(CONFIG)
    command.downgrade(CONFIG, "base")
    command.upgrade(CONFIG, "head")


@pytest.mark.usefixtures("table")
def test_startup_keeps_migrated_database(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    command.downgrade(CONFIG, "base")
    # Simulate a newer migration, even if the app has no migrations.
    monkeypatch.setattr(ScriptDirectory, "get_heads", lambda _: ["newer"])

    asyncio.run(config.create_all())

    assert tables() == {"alembic_version"}
    assert "alembic upgrade head" in caplog.text


def test_startup_keeps_unknown_tables(table: Table, caplog: pytest.LogCaptureFixture) -> None:
    on_database(table.create)
    on_database(lambda connection: connection.execute(text("DROP TABLE alembic_version")))

    asyncio.run(config.create_all())

    assert "alembic_version" not in tables()
    assert "alembic stamp" in caplog.text
