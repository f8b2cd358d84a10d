"""Fixtures for the tests of core, which run inside a rendered project."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Column, Integer, Table, delete
from src.config import config, settings
from src.core.logs import configure_logging

from .items import CoreItem, http_server

#: Tests that only servers, or only SQLite's file can pass.
FOR_SERVERS = [
    "test_database_url.py",
    "test_failover.py",
    "test_limits.py",
    "test_production_page.py",
    "test_tls.py",
]
FOR_A_FILE = ["test_database_path.py"]
collect_ignore = FOR_SERVERS if config.engine.dialect.name == "sqlite" else FOR_A_FILE


@pytest.fixture(autouse=True)
def _logs_as_configured() -> Iterator[None]:
    yield
    configure_logging(settings.log_level, settings.log_format)


# Not session-scoped, because other tests need a database with only the app's tables.
@pytest.fixture(scope="module")
async def core_app() -> AsyncIterator[FastAPI]:
    """Run an app with only core and `items`, and create its tables."""
    async with http_server.router.lifespan_context(http_server):
        async with config.engine.begin() as connection:
            await connection.run_sync(CoreItem.metadata.create_all)
        yield http_server
        async with config.engine.begin() as connection:
            await connection.run_sync(CoreItem.metadata.drop_all)


@pytest.fixture
async def core_client(core_app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Send requests to `core_app`. Each test starts with empty tables."""
    transport = httpx.ASGITransport(core_app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
    async with config.engine.begin() as connection:
        await connection.execute(delete(CoreItem))


@pytest.fixture
async def table() -> AsyncIterator[Table]:
    """Add a table without a migration to the project's metadata."""
    table = Table("core_tables", config.Base.metadata, Column("id", Integer, primary_key=True))
    yield table
    async with config.engine.begin() as connection:
        await connection.run_sync(table.drop, checkfirst=True)
    config.Base.metadata.remove(table)
    await config.drop_all()
    await config.create_all()
