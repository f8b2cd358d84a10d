"""Settings set the limits of each connection to a server, but not of migrations."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import inspect, literal, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from src.config import Settings, config
from src.core.database import DatabaseProvider
from src.core.http.database_errors import is_unavailable

DB_TYPE = config.engine.dialect.name

pytestmark = pytest.mark.usefixtures("app")
SLEEP = {"postgresql": "SELECT pg_sleep(60)", "mysql": "SELECT SLEEP(60)"}[DB_TYPE]


@asynccontextmanager
async def providing(
    monkeypatch: pytest.MonkeyPatch, **variables: str
) -> AsyncIterator[DatabaseProvider]:
    """Make a provider with other settings."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load()
    provider = DatabaseProvider(
        DB_TYPE, settings.config_params, settings.engine_params, lock_timeout=17
    )
    yield provider
    await provider.dispose()


async def read_session(connection: AsyncConnection) -> dict[str, str]:
    """Read the settings of a connection that differ from the server's own."""
    if DB_TYPE == "postgresql":
        query = "SELECT name, setting FROM pg_settings WHERE source IN ('client', 'session')"
        found = {row.name: row.setting for row in await connection.execute(text(query))}
        del found["client_encoding"]
        return found
    names = "'lock_wait_timeout', 'innodb_lock_wait_timeout', 'max_statement_time'"
    names += ", 'max_execution_time', 'tx_isolation', 'transaction_isolation'"
    rows: dict[str, set[tuple[str, str]]] = {}
    for scope in ("SESSION", "GLOBAL"):
        query = f"SHOW {scope} VARIABLES WHERE Variable_name IN ({names})"
        rows[scope] = {(name, value) for name, value in await connection.execute(text(query))}
    return dict(rows["SESSION"] - rows["GLOBAL"])


async def test_settings_reach_each_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"DB_STATEMENT_TIMEOUT": "1.5"}
    expected = {"lock_timeout": "17000", "statement_timeout": "1500"}
    if DB_TYPE == "postgresql":
        variables["DB_APPLICATION_NAME"] = "shop"
        expected["application_name"] = "shop"
    else:
        expected = {"lock_wait_timeout": "17", "innodb_lock_wait_timeout": "17"}

    async with providing(monkeypatch, **variables) as provider:
        for engine in (provider.engine, provider.read_engine):
            async with engine.connect() as connection:
                assert (await read_session(connection)).items() >= expected.items()
        async with provider.schema_connection() as connection:
            # Migrations take as long as they need.
            found = await read_session(connection)
            assert not found.keys() & {"lock_timeout", "statement_timeout", "lock_wait_timeout"}


async def test_statement_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def execute(provider: DatabaseProvider) -> None:
        async with provider.get_session() as session:
            await session.execute(text(SLEEP))

    async with providing(monkeypatch, DB_STATEMENT_TIMEOUT="1") as provider:
        for run in (execute(provider), provider.reader.execute(text(SLEEP))):
            start = time.monotonic()
            with pytest.raises(DBAPIError) as caught:
                await run
            assert 0.9 < time.monotonic() - start < 30
            assert is_unavailable(caught.value)
        assert (await provider.reader.execute(select(literal(1)))).scalar_one() == 1


async def test_pooler_gets_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind it, a transaction may have another connection than the one before."""
    async with providing(monkeypatch, DB_TRANSACTION_POOLER="true") as provider:
        for engine in (provider.engine, provider.read_engine):
            async with engine.connect() as connection:
                assert await read_session(connection) == {}


async def test_pooler_gets_no_named_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    if DB_TYPE != "postgresql":
        return  # aiomysql prepares no statements.
    prepared = text("SELECT name FROM pg_prepared_statements")
    async with providing(monkeypatch, DB_TRANSACTION_POOLER="true") as provider:
        for engine in (provider.engine, provider.read_engine):
            async with engine.connect() as connection:
                await connection.execute(select(literal(1)))
                assert (await connection.execute(prepared)).all() == []


@pytest.mark.parametrize("direct", [False, True])
async def test_pooler_gets_no_lock_of_a_session(
    monkeypatch: pytest.MonkeyPatch, *, direct: bool
) -> None:
    if DB_TYPE != "postgresql":
        return  # MySQL has no locks of transactions, and its poolers keep a session with a lock.
    locks = text(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE locktype = 'advisory' AND datname = current_database()"
    )
    variables = {"DB_TRANSACTION_POOLER": "true"}
    if direct:
        url = config.engine.url.set(drivername="postgresql", query={"target_session_attrs": "any"})
        variables["DB_MIGRATION_URL"] = url.render_as_string(hide_password=False)

    async with providing(monkeypatch, **variables) as provider:
        async with provider.schema_connection() as connection:
            assert (await provider.reader.execute(locks)).scalar_one() == (1 if direct else 0)
            await connection.execute(select(literal(1)))
            # This one belongs to the transaction.
            assert (await provider.reader.execute(locks)).scalar_one() == 1
        assert (await provider.reader.execute(locks)).scalar_one() == 0


async def test_starts_behind_a_pooler_migrate_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    await config.drop_all()
    async with providing(monkeypatch, DB_TRANSACTION_POOLER="true") as provider:
        async with provider.schema_connection() as connection:
            await connection.execute(select(literal(1)))
            start = asyncio.create_task(provider.create_all())
            await asyncio.sleep(0.5)
            assert not start.done()
        await asyncio.wait_for(start, 30)

    async with config.engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert "alembic_version" in tables


def test_statement_timeout_is_not_for_a_pooler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_TRANSACTION_POOLER", "true")
    monkeypatch.setenv("DB_STATEMENT_TIMEOUT", "1")

    with pytest.raises(SystemExit, match=r"^DB_STATEMENT_TIMEOUT: [^\n]+$"):
        Settings.load()
