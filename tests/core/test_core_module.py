import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from sqlalchemy import inspect
from src.config import config, settings
from src.core import core_module
from src.core.core_module import lifespan
from starlette.types import Message


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
    @asynccontextmanager
    async def connect() -> AsyncIterator[None]:
        raise error
        yield

    def migrate(*_: object) -> None:
        raise error

    monkeypatch.setattr("src.core.database.provider.migrate_if_empty", migrate)
    with pytest.raises(ConnectionError, match=rf"^cannot create the tables in .*{reason}"):
        async with lifespan(app):
            pass

    monkeypatch.setattr(config, "connect", connect)
    with pytest.raises(ConnectionError, match=rf"^cannot connect to .*{reason}"):
        async with lifespan(app):
            pass


async def test_mistake_in_a_migration_keeps_its_type(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    def migrate(*_: object) -> None:
        raise KeyError("revision")

    monkeypatch.setattr("src.core.database.provider.migrate_if_empty", migrate)

    with pytest.raises(KeyError, match="revision"):
        async with lifespan(app):
            pass


@pytest.mark.parametrize(
    ("error", "is_short"),
    [
        (ConnectionError("no database"), True),
        (TimeoutError("no lock"), True),
        (TimeoutError(), False),
        (ConnectionRefusedError(111, "of something else"), False),
        (KeyError("revision"), False),
    ],
    ids=repr,
)
async def test_startup_failure_has_a_short_message(error: Exception, *, is_short: bool) -> None:
    @asynccontextmanager
    async def fail(_: FastAPI) -> AsyncIterator[None]:
        raise error
        yield

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    app = FastAPI(lifespan=fail)
    core_module.setup_app(app, config, settings)
    with pytest.raises(type(error)):
        await app({"type": "lifespan", "app": app}, receive, send)

    [message] = sent
    assert message["type"] == "lifespan.startup.failed"
    assert (message["message"] == str(error)) is is_short
    assert ("Traceback" in message["message"]) is not is_short
