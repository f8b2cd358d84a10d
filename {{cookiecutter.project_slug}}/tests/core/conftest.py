"""Fixtures of the tests of core, which need no module of the app."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Column, Integer, Table, delete

from src.config import config, settings
from src.core.logs import configure_logging

from .items import CoreItem, http_server


@pytest.fixture(autouse=True)
def _logs_as_configured() -> Iterator[None]:
    yield
    configure_logging(settings.log_level, settings.log_format)


# Not for all tests at once: those of the migrations want no table but the app's.
@pytest.fixture(scope="module")
async def core_app() -> AsyncIterator[FastAPI]:
    """Run an app of core and `items` alone, with its table."""
    async with http_server.router.lifespan_context(http_server):
        async with config.engine.begin() as connection:
            await connection.run_sync(CoreItem.metadata.create_all)
        yield http_server
        async with config.engine.begin() as connection:
            await connection.run_sync(CoreItem.metadata.drop_all)


@pytest.fixture
async def core_client(core_app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Talk to that app over HTTP; each test begins with an empty table."""
    transport = httpx.ASGITransport(core_app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
    async with config.engine.begin() as connection:
        await connection.execute(delete(CoreItem))


@pytest.fixture
async def table() -> AsyncIterator[Table]:
    """Give the real app a table that no migration makes; it need not have another."""
    table = Table("core_tables", config.Base.metadata, Column("id", Integer, primary_key=True))
    yield table
    await config.drop_all()
    config.Base.metadata.remove(table)
    await config.create_all()
