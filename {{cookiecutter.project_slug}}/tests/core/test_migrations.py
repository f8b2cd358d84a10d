"""The migrations and the entities describe the same tables."""

import asyncio
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.config import Config

from src.config import config
from src.core.database.schema import ALEMBIC_INI

CONFIG = Config(ALEMBIC_INI)


@pytest.fixture(autouse=True)
def _migrated_again() -> Iterator[None]:
    yield
    asyncio.run(config.drop_all())
    command.upgrade(CONFIG, "head")


def test_migrations_create_and_drop_the_entities_tables() -> None:
    # If this fails, an entity has no migration: create one with `make migration`.
    command.check(CONFIG)
    command.downgrade(CONFIG, "base")
    command.upgrade(CONFIG, "head")
    command.check(CONFIG)


def test_startup_migrates_an_empty_database() -> None:
    asyncio.run(config.drop_all())
    asyncio.run(config.create_all())

    command.check(CONFIG)
