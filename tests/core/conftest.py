"""Fixtures for the tests of core, which are laid over a rendered project."""

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


# Not for the whole session: the tests of the schema need the app's tables alone.
@pytest.fixture(scope="module")
async def core_app() -> AsyncIterator[FastAPI]:
    """Run an app that consists of core and `items`, with its tables."""
    async with http_server.router.lifespan_context(http_server):
        async with config.engine.begin() as connection:
            await connection.run_sync(CoreItem.metadata.create_all)
        yield http_server
        async with config.engine.begin() as connection:
            await connection.run_sync(CoreItem.metadata.drop_all)


@pytest.fixture
async def core_client(core_app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Talk to that app over HTTP; each test starts with empty tables."""
    transport = httpx.ASGITransport(core_app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
    async with config.engine.begin() as connection:
        await connection.execute(delete(CoreItem))


@pytest.fixture
async def table() -> AsyncIterator[Table]:
    """Give the project's app a table that no migration creates."""
    table = Table("core_tables", config.Base.metadata, Column("id", Integer, primary_key=True))
    yield table
    async with config.engine.begin() as connection:
        await connection.run_sync(table.drop, checkfirst=True)
    config.Base.metadata.remove(table)
    await config.drop_all()
    await config.create_all()
