"""An app with guards, and an issuer for its tokens."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from src.config import config, settings
from src.core.core_module import setup_app
from src.core.settings import CoreSettings

from .issuer import AUDIENCE, LocalIssuer, serving_issuer
from .shop import make_app


@pytest.fixture
def issuer() -> Iterator[LocalIssuer]:
    with serving_issuer() as issuer:
        yield issuer


@pytest.fixture
def given(issuer: LocalIssuer) -> CoreSettings:
    """Return the settings for the issuer, whose keys discovery finds."""
    named = [name for name in CoreSettings.model_fields if name.startswith(("auth_", "public_"))]
    usual = {name: CoreSettings.model_fields[name].get_default() for name in named}
    own = {"auth_issuer": issuer.url, "auth_audience": AUDIENCE}
    return settings.model_copy(update=usual | own)


@pytest.fixture
def changes() -> dict[str, Any]:
    """Return other settings. A test parametrizes this."""
    return {}


@pytest.fixture
async def shop(given: CoreSettings, changes: dict[str, Any]) -> AsyncIterator[FastAPI]:
    """Set up an app, whose keys aren't fetched yet."""
    app = make_app()
    setup_app(app, config, given.model_copy(update=changes))
    yield app
    app.state.issuer.stop()


@pytest.fixture
async def client(shop: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(shop, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.fixture
async def chat(shop: FastAPI) -> AsyncIterator[str]:
    """Serve the app, and return the URL of a WebSocket."""
    server = uvicorn.Server(uvicorn.Config(shop, port=0, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(30):
        while not server.started:  # noqa: ASYNC110  # no event tells of it
            await asyncio.sleep(0.01)
    [port] = {socket.getsockname()[1] for each in server.servers for socket in each.sockets}
    yield f"ws://127.0.0.1:{port}/chat"
    server.should_exit = True
    await serving


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
