"""SIGTERM with `SHUTDOWN_DELAY`: not ready at once, and shut down later."""

import asyncio
import os
import signal
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from src.core.core_module import delay_shutdown

from tests.problems import assert_problem


@pytest.fixture
def shutdowns() -> Iterator[list[int]]:
    """Handle SIGTERM like a server, and record it."""
    recorded: list[int] = []
    previous = signal.signal(signal.SIGTERM, lambda number, _: recorded.append(number))
    yield recorded
    signal.signal(signal.SIGTERM, previous)


async def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0)


async def test_service_serves_on_for_the_delay(
    app: FastAPI, client: httpx.AsyncClient, shutdowns: list[int]
) -> None:
    with delay_shutdown(app.state, 1):
        await terminate()
        # A process manager may send the signal to a worker and to its parent.
        await terminate()

        ready = await client.get("/health/ready")
        assert_problem(ready, 503)
        assert int(ready.headers["Retry-After"]) > 0
        served = await client.get("/health/live")
        assert served.status_code == 200
        # Clients have to connect to another instance.
        assert served.headers["Connection"] == "close"
        assert shutdowns == []

        for _ in range(200):
            if not shutdowns:
                await asyncio.sleep(0.05)
        assert shutdowns == [signal.SIGTERM]
    app.state.is_stopping = False

    assert "Connection" not in (await client.get("/health/ready")).headers


async def test_signal_is_the_servers_without_delay(app: FastAPI, shutdowns: list[int]) -> None:
    with delay_shutdown(app.state, 0):
        await terminate()

    assert shutdowns == [signal.SIGTERM]
    assert not app.state.is_stopping


async def test_handler_is_restored_after_the_app(app: FastAPI, shutdowns: list[int]) -> None:
    with delay_shutdown(app.state, 60):
        pass
    await terminate()

    assert shutdowns == [signal.SIGTERM]


async def test_app_in_a_thread_sets_no_signal(app: FastAPI) -> None:
    def run() -> None:
        with delay_shutdown(app.state, 60):
            pass

    # Python only lets the main thread do so; Starlette's TestClient runs the app in another one.
    await asyncio.to_thread(run)
