"""Headers, limits and health checks."""

import asyncio
from collections.abc import AsyncIterator
from unittest.mock import AsyncMock

import httpx
import pytest
from fastapi import FastAPI, Request
from nest.core import PyNestFactory

from src.config import config, settings
from src.core.core_module import CoreModule, setup_app
from tests.problems import assert_problem
{% if cookiecutter.auth == "oidc" %}
from tests.tokens import make_token
{% endif %}


@pytest.fixture
async def limited() -> AsyncIterator[httpx.AsyncClient]:
    app: FastAPI = PyNestFactory.create(CoreModule).get_server()
    limits = {"max_body_bytes": 10, "request_timeout": 0.5, "cors_origins": ["*"]}
    setup_app(app, config, settings.model_copy(update=limits))

    @app.post("/sleeps/{seconds}")
    async def sleep(request: Request, seconds: float) -> None:
        await request.body()
        await asyncio.sleep(seconds)

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
{% if cookiecutter.auth == "oidc" %}
        client.headers["Authorization"] = f"Bearer {make_token()}"
{% endif %}
        yield client


async def test_errors_have_headers_for_browsers(limited: httpx.AsyncClient) -> None:
    headers = {"Origin": "https://shop.example", "X-Request-ID": "abc-1"}
    response = await limited.post("/sleeps/x", headers=headers)

    assert_problem(response, 422)
    assert response.headers["X-Request-ID"] == "abc-1"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_requests_have_limits(limited: httpx.AsyncClient) -> None:
    assert (await limited.post("/sleeps/0", content=b"x" * 10)).status_code == 200
    assert_problem(await limited.post("/sleeps/0", content=b"x" * 11), 413)
    assert_problem(await limited.post("/sleeps/60"), 503)


async def test_health_needs_the_database(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await client.get("/health/ready")).json() == {"status": "ok"}

    monkeypatch.setattr(config, "ping", AsyncMock(side_effect=OSError("connection refused")))

    assert_problem(await client.get("/health/ready"), 503)
    assert (await client.get("/health/live")).json() == {"status": "ok"}
