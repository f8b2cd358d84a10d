"""The migrations and the entities describe the same tables."""

import asyncio
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect

from src.config import config
from src.core.database.schema import ALEMBIC_INI

CONFIG = Config(ALEMBIC_INI)


@pytest.fixture(autouse=True)
def _migrated_again() -> Iterator[None]:
    yield
    asyncio.run(config.drop_all())
    command.upgrade(CONFIG, "head")


def find_tables() -> set[str]:
    """Return the names of the tables in the database."""

    def inspect_tables(connection: Connection) -> list[str]:
        return inspect(connection).get_table_names()

    async def find() -> list[str]:
        async with config.schema_connection() as connection:
            return await connection.run_sync(inspect_tables)

    return set(asyncio.run(find()))


def test_migrations_create_and_drop_the_entities_tables() -> None:
    # This fails if an entity has no migration: write it with `make migration`.
    command.check(CONFIG)
    assert find_tables() == set(config.Base.metadata.tables) | {"alembic_version"}

    command.downgrade(CONFIG, "base")
    assert find_tables() == {"alembic_version"}

    command.upgrade(CONFIG, "head")
    command.check(CONFIG)


def test_start_migrates_an_empty_database() -> None:
    asyncio.run(config.drop_all())

    asyncio.run(config.create_all())

    command.check(CONFIG)
