"""Request ids, limits and health checks."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from nest.core import PyNestFactory

from src.config import config, settings
from src.core.core_module import CoreModule, setup_app
from tests.problems import assert_problem


@pytest.fixture(scope="module")
async def limited() -> AsyncIterator[httpx.AsyncClient]:
    app: FastAPI = PyNestFactory.create(CoreModule).get_server()
    limits = {"max_body_bytes": 10, "request_timeout": 0.1, "health_timeout": 0.1}
    setup_app(app, config, settings.model_copy(update=limits))

    @app.post("/sizes")
    async def measure(request: Request) -> int:
        return len(await request.body())

    @app.get("/sleeps/{seconds}")
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_request_id_is_returned(limited: httpx.AsyncClient) -> None:
    given = await limited.get("/sleeps/0", headers={"X-Request-ID": "abc-1"})
    unsafe = await limited.get("/sleeps/0", headers={"X-Request-ID": "two words"})

    assert given.headers["X-Request-ID"] == "abc-1"
    assert len(unsafe.headers["X-Request-ID"]) == 32


async def test_body_has_a_limit(limited: httpx.AsyncClient) -> None:
    fits = await limited.post("/sizes", content=b"x" * 10)
    exceeds = await limited.post("/sizes", content=b"x" * 11)

    assert (fits.status_code, fits.json()) == (200, 10)
    assert_problem(exceeds, 413)


async def test_request_has_a_time_limit(limited: httpx.AsyncClient) -> None:
    response = await limited.get("/sleeps/60")

    assert_problem(response, 503)
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["X-Request-ID"]


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_service_is_healthy(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_service_is_not_ready_without_database(
    limited: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "ping", asyncio.Event().wait)

    assert_problem(await limited.get("/health/ready"), 503)
    assert (await limited.get("/health/live")).status_code == 200
