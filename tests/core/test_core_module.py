import asyncio

import pytest
from fastapi import FastAPI
from sqlalchemy import inspect
from src.config import config, settings
from src.core import core_module
from src.core.core_module import lifespan


@pytest.mark.parametrize("create", [True, False])
async def test_startup_runs_the_migrations_unless_disabled(app: FastAPI, *, create: bool) -> None:
    await config.drop_all()
    app.state.settings = settings.model_copy(update={"db_create_all": create})

    async with lifespan(app), config.engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())

    assert ("alembic_version" in tables) is create
    assert (config.Base.metadata.tables.keys() <= set(tables)) is create
    app.state.settings = settings
    await config.create_all()


async def test_shutdown_closes_the_connections(app: FastAPI) -> None:
    async with lifespan(app):
        pool = config.engine.pool
        async with config.engine.connect():
            pass
        assert "Connections in pool: 0" not in pool.status()

    assert "Connections in pool: 0" in pool.status()
    assert config.engine.pool is not pool


async def test_shutdown_does_not_wait_forever(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_module, "DISPOSE_TIMEOUT", 0.05)
    monkeypatch.setattr(config, "dispose", asyncio.Event().wait)

    async with asyncio.timeout(10), lifespan(app):
        pass


async def test_install_calls_setup_app() -> None:
    app = FastAPI()

    core_module.install(app)

    assert app.state.config is config
    assert app.state.settings is settings


class DriverError(Exception):
    sqlstate = "3D000"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(111, "refused"), "refused"),
        (TimeoutError(), "no response in time"),
        (DriverError("no such database"), "no such database"),
    ],
    ids=repr,
)
async def test_startup_error_has_address_and_reason(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    async def fail() -> None:
        raise error

    monkeypatch.setattr(config, "create_all", fail)

    with pytest.raises(ConnectionError, match=rf"cannot create the tables in .*{reason}"):
        async with lifespan(app):
            pass
