import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from src.config import config, settings

from tests.problems import assert_problem

from .items import settle


async def test_service_is_ready_while_pools_are_busy(client: httpx.AsyncClient) -> None:
    most = settings.db_pool_size + settings.db_max_overflow
    async with asyncio.TaskGroup() as group:
        release = asyncio.Event()
        for _ in range(most):
            group.create_task(_hold_session(release))
        await asyncio.sleep(0.05)

        responses = [await client.get(f"/health/{name}") for name in ("live", "ready")]
        release.set()

    assert [response.status_code for response in responses] == [200, 200]


async def _hold_session(release: asyncio.Event) -> None:
    async with config.get_session() as session:
        await session.execute(select(1))
        await release.wait()


async def test_requests_share_one_check(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    pings = 0
    release = asyncio.Event()

    async def ping() -> None:
        nonlocal pings
        pings += 1
        await release.wait()

    monkeypatch.setattr(config, "ping", ping)

    requests = [asyncio.create_task(client.get("/health/ready")) for _ in range(50)]
    await settle()
    release.set()

    assert {(await request).status_code for request in requests} == {200}
    assert pings == 1
    await client.get("/health/ready")
    assert pings == 2


async def test_cancelled_request_does_not_cancel_check(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "ping", lambda: asyncio.sleep(0.1))
    first = asyncio.create_task(client.get("/health/ready"))
    second = asyncio.create_task(client.get("/health/ready"))
    await asyncio.sleep(0.02)

    first.cancel()

    assert (await second).status_code == 200


async def hang(release: asyncio.Event) -> None:
    await release.wait()


async def ignore_cancellation(release: asyncio.Event) -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(60)
    await release.wait()


@pytest.fixture
def _short(app: FastAPI) -> Iterator[None]:
    """Shorten the time limit of the readiness check."""
    app.state.settings = settings.model_copy(update={"health_timeout": 0.1})
    yield
    app.state.settings = settings


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("ping", [hang, ignore_cancellation])
async def test_readiness_check_time_is_limited(
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    ping: Callable[[asyncio.Event], Awaitable[None]],
) -> None:
    release = asyncio.Event()
    monkeypatch.setattr(config, "ping", lambda: ping(release))

    async with asyncio.timeout(10):
        response = await client.get("/health/ready")

    assert_problem(response, 503)
    assert int(response.headers["Retry-After"]) > 0
    assert (await client.get("/health/live")).status_code == 200
    release.set()
    # Otherwise, the next request would join the check that took too long.
    await settle()
    monkeypatch.undo()
    assert (await client.get("/health/ready")).status_code == 200


async def test_service_is_unready_when_database_fails(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse() -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(config, "ping", refuse)

    assert_problem(await client.get("/health/ready"), 503)
    monkeypatch.undo()
    assert (await client.get("/health/ready")).status_code == 200
