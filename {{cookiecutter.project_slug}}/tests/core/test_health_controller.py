import asyncio
import time

import httpx
import pytest

from src.config import config, settings
from src.core import health_controller


async def test_is_live_and_ready(client: httpx.AsyncClient) -> None:
    for path in ("/health/live", "/health/ready"):
        response = await client.get(path)

        assert response.status_code == 200
        assert response.json() == {"status": "ok"}


async def test_is_live_but_not_ready_while_no_connection_is_free(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = settings.model_copy(update={"health_timeout": 0.1})
    monkeypatch.setattr(health_controller, "settings", changed)
    most = settings.db_pool_size + settings.db_max_overflow
    connections = [await config.engine.connect() for _ in range(most)]

    start = time.monotonic()
    ready = await client.get("/health/ready")
    took = time.monotonic() - start
    live = await client.get("/health/live")
    await asyncio.gather(*(connection.close() for connection in connections))

    assert ready.status_code == 503
    assert ready.headers["Content-Type"] == "application/problem+json"
    assert int(ready.headers["Retry-After"]) > 0
    assert took < 1
    assert live.status_code == 200
    assert (await client.get("/health/ready")).status_code == 200


async def test_is_not_ready_when_the_database_fails(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(config, "engine", type("Engine", (), {"connect": staticmethod(refuse)}))

    assert (await client.get("/health/ready")).status_code == 503
    monkeypatch.undo()
    assert (await client.get("/health/ready")).status_code == 200
