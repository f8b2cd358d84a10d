"""Calls from websites: every response has the headers without which a browser hides it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Request
from src.config import config, settings
from src.core.core_module import setup_app

ORIGIN = "https://shop.example"
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH"}


@asynccontextmanager
async def client_of(*origins: str) -> AsyncIterator[httpx.AsyncClient]:
    """Talk to an app that these origins may call."""
    app = FastAPI()
    limits = {"max_body_bytes": 10, "request_timeout": 0.5, "cors_origins": list(origins)}
    setup_app(app, config, settings.model_copy(update=limits))

    @app.post("/statuses/{status}")
    async def respond(status: int, request: Request) -> None:
        await request.body()
        if status == 503:
            await asyncio.sleep(60)
        if status == 500:
            raise RuntimeError
        if status != 200:
            raise HTTPException(status)

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.mark.parametrize("status", [200, 401, 403, 404, 405, 413, 422, 500, 503])
async def test_every_response_has_cors_headers(status: int) -> None:
    path = {405: "/docs", 422: "/statuses/x"}.get(status, f"/statuses/{status}")
    body = b"x" * (11 if status == 413 else 1)
    async with client_of(ORIGIN) as client:
        response = await client.post(path, content=body, headers={"Origin": ORIGIN})

    exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert response.headers["Vary"] == "Origin"
    assert exposed == ["Location", "Retry-After", "WWW-Authenticate", "X-Request-ID"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("origin", ["https://other.example", "null", f"{ORIGIN}.other", ""])
async def test_other_origins_are_not_allowed(origin: str) -> None:
    async with client_of(ORIGIN) as client:
        response = await client.post("/statuses/200", headers={"Origin": origin})
        preflight = await client.options("/statuses/200", headers=PREFLIGHT | {"Origin": origin})

    assert (response.status_code, preflight.status_code) == (200, 400)
    for each in (response, preflight):
        assert "Access-Control-Allow-Origin" not in each.headers
        assert "Origin" in each.headers["Vary"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_preflight_allows_methods_and_headers(method: str) -> None:
    names = "authorization,content-type,x-request-id,x-own"
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": names}
    async with client_of(ORIGIN) as client:
        response = await client.options("/statuses/200", headers=PREFLIGHT | asked)

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert method in response.headers["Access-Control-Allow-Methods"].split(", ")
    assert response.headers["Access-Control-Allow-Headers"] == names
    assert "Access-Control-Allow-Credentials" not in response.headers


async def test_star_allows_every_origin() -> None:
    async with client_of("*") as client:
        response = await client.post("/statuses/404", headers={"Origin": ORIGIN})
        preflight = await client.options("/statuses/404", headers=PREFLIGHT)

    for each in (response, preflight):
        assert each.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in each.headers


async def test_no_origin_is_allowed_by_default() -> None:
    async with client_of() as client:
        response = await client.post("/statuses/200", headers={"Origin": ORIGIN})
        preflight = await client.options("/statuses/200", headers=PREFLIGHT)

    assert settings.cors_origins == []
    assert (response.status_code, preflight.status_code) == (200, 405)
    for each in (response, preflight):
        assert not [name for name in each.headers if name.startswith("access-control-")]
