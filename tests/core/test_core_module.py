import asyncio
import time

import pytest
from fastapi import FastAPI
from sqlalchemy import inspect
from src.config import config, settings
from src.core import core_module
from src.core.core_module import lifespan


@pytest.mark.parametrize("create", [True, False])
async def test_start_runs_the_migrations_unless_told_not_to(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, *, create: bool
) -> None:
    await config.drop_all()
    changed = settings.model_copy(update={"db_create_all": create})
    monkeypatch.setattr(core_module, "settings", changed)

    async with lifespan(app), config.engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())

    assert ("alembic_version" in tables) is create
    assert (config.Base.metadata.tables.keys() <= set(tables)) is create
    await config.create_all()


async def test_shutdown_closes_the_connections(app: FastAPI) -> None:
    async with lifespan(app):
        pool = config.engine.pool
        async with config.engine.connect():
            pass
        assert "Connections in pool: 0" not in pool.status()

    assert "Connections in pool: 0" in pool.status()
    assert config.engine.pool is not pool


async def test_shutdown_does_not_wait_for_a_database_that_hangs(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = settings.model_copy(update={"db_connect_timeout": 0.05})
    monkeypatch.setattr(core_module, "settings", changed)
    monkeypatch.setattr(config, "dispose", asyncio.Event().wait)

    async with lifespan(app):
        start = time.monotonic()

    assert time.monotonic() - start < 1


class DriverError(Exception):
    sqlstate = "3D000"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(111, "refused"), "refused"),
        (TimeoutError(), "no answer in time"),
        (DriverError("no such database"), "no such database"),
    ],
    ids=repr,
)
async def test_a_start_without_the_database_says_where_it_should_be(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    async def fail() -> None:
        raise error

    monkeypatch.setattr(config, "create_all", fail)

    with pytest.raises(ConnectionError, match=rf"cannot make the tables in .*{reason}"):
        async with lifespan(app):
            pass
