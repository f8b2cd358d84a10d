"""Fixtures of all tests."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from alembic import command
from alembic.config import Config
from fastapi import FastAPI

from src.app_module import http_server
from src.config import config
{% if cookiecutter.auth == "oidc" %}
from src.core.auth import SCOPES
{% endif %}
from src.core.database.schema import ALEMBIC_INI

from . import DATABASE, throwaway
{% if cookiecutter.auth == "oidc" %}
from .tokens import make_token
{% endif %}


def pytest_sessionstart() -> None:
    """Create this process's database, or end with a line that says why not."""
    url = config.engine.url
    urls = (url, config.read_engine.url, config.migration_url)
    if {each.database for each in urls} != {DATABASE}:
        message = f"the tests would change {url!r}: let src/config.py take it from the settings"
        raise pytest.UsageError(message)
    try:
        asyncio.run(throwaway.create())
    except throwaway.UNREACHABLE as error:
        reason = str(error).splitlines()[0]
        message = (
            f"the tests cannot create a database at {url.host}:{url.port} ({reason}); "
            "start the server, or set its address and user in .env"
        )
        raise pytest.UsageError(message) from None
    command.upgrade(Config(ALEMBIC_INI), "head")


def pytest_sessionfinish() -> None:
    """Drop this process's database."""
    asyncio.run(throwaway.drop())


@pytest.fixture(scope="session")
async def app() -> AsyncIterator[FastAPI]:
    """Run the app from its start to its shutdown, once for all tests."""
    async with http_server.router.lifespan_context(http_server):
        yield http_server


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Talk to the app over HTTP; each test begins with empty tables."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
{% if cookiecutter.auth == "oidc" %}
        # The token has all scopes that guards ask for. A test may send another one.
        client.headers["Authorization"] = f"Bearer {make_token(*SCOPES)}"
{% endif %}
        yield client
    async with config.engine.begin() as connection:
        for table in reversed(config.Base.metadata.sorted_tables):
            await connection.execute(table.delete())
