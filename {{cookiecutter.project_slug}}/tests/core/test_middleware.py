import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from src.core.errors import install_error_handlers
from src.core.logs import configure_logging
from src.core.middleware import RequestMiddleware


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_error_handlers(app)
    app.add_middleware(RequestMiddleware, max_body_bytes=10, seconds=0.1)

    @app.post("/sizes")
    async def measure(request: Request) -> int:
        return len(await request.body())

    @app.get("/sleeps/{seconds}")
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)

    @app.get("/binds/{user}")
    async def bind(user: str) -> None:
        structlog.contextvars.bind_contextvars(user=user)

    @app.get("/streams")
    async def stream() -> StreamingResponse:
        async def count() -> AsyncIterator[str]:
            for number in range(3):
                yield str(number)
                await asyncio.sleep(0.06)

        return StreamingResponse(count())

    @app.get("/breaks")
    async def break_off() -> StreamingResponse:
        async def fail() -> AsyncIterator[str]:
            yield "begun"
            raise RuntimeError

        return StreamingResponse(fail())

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def events(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    found = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [event for event in found if event["event"] == name]


async def test_a_request_is_one_line_in_the_log(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    response = await client.get("/sleeps/0?password=secret")

    [event] = events(caplog, "Request")
    assert event["method"] == "GET"
    assert event["route"] == "/sleeps/{seconds}"
    assert event["path"] == "/sleeps/0"
    assert event["status"] == 200
    assert 0 < event["duration_ms"] < 1000
    assert event["request_id"] == response.headers["X-Request-ID"]
    assert "secret" not in caplog.text


async def test_other_handlers_have_the_time_of_a_line(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    begin = time.time()
    await client.get("/sleeps/0")

    assert begin <= caplog.records[-1].created <= time.time()


async def test_what_the_app_binds_is_in_the_line(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("INFO", "json")

    await client.get("/binds/Ada")

    [line] = map(json.loads, capsys.readouterr().err.splitlines())
    assert line["user"] == "Ada"
    assert line["status"] == 200
    assert line["timestamp"].endswith("Z")


async def test_a_path_is_no_second_line(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    await client.get("/nowhere%0A%1B[31m")

    [event] = events(caplog, "Request")
    assert (event["route"], event["path"]) == (None, "/nowhere%0A%1B%5B31m")


async def test_takes_over_the_id_of_a_request(client: httpx.AsyncClient) -> None:
    response = await client.get("/sleeps/0", headers={"X-Request-ID": "abc-1"})

    assert response.headers["X-Request-ID"] == "abc-1"


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "é", '"'])
async def test_gives_an_id_where_there_is_no_proper_one(
    client: httpx.AsyncClient, given: str
) -> None:
    headers = {b"X-Request-ID": given.encode()}

    ids = {(await client.get("/sleeps/0", headers=headers)).headers["X-Request-ID"]}
    ids.add((await client.get("/sleeps/0", headers=headers)).headers["X-Request-ID"])

    assert len(ids) == 2
    assert given not in ids


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size):
        yield b"x"


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_body_has_a_limit(client: httpx.AsyncClient, *, streamed: bool) -> None:
    fits = await client.post("/sizes", content=chunks(10) if streamed else b"x" * 10)
    exceeds = await client.post("/sizes", content=chunks(11) if streamed else b"x" * 11)

    assert (fits.status_code, fits.json()) == (200, 10)
    assert exceeds.status_code == 413
    assert exceeds.headers["Content-Type"] == "application/problem+json"


async def test_the_length_of_a_body_may_begin_with_many_zeros(client: httpx.AsyncClient) -> None:
    fits, exceeds = [
        await client.post(
            "/sizes", content=b"x" * size, headers={"Content-Length": f"{size:05000}"}
        )
        for size in (10, 11)
    ]

    assert (fits.status_code, exceeds.status_code) == (200, 413)


async def test_a_query_has_a_limit(client: httpx.AsyncClient) -> None:
    fits = await client.get("/sleeps/0?" + "&".join(["x"] * 1000))
    exceeds = await client.get("/sleeps/0?" + "&".join(["x"] * 1001))

    assert fits.status_code == 200
    assert exceeds.status_code == 414
    assert exceeds.headers["Content-Type"] == "application/problem+json"
    assert exceeds.headers["X-Request-ID"]


async def test_a_request_has_a_time_limit(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await client.get("/sleeps/0.05")).status_code == 200

    response = await client.get("/sleeps/60")

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["X-Request-ID"]
    assert repr(events(caplog, "Request")[-1]["status"]) == "503"


async def test_a_response_that_has_begun_may_take_its_time(client: httpx.AsyncClient) -> None:
    assert (await client.get("/streams")).text == "012"


async def test_a_response_that_breaks_off_is_logged(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    # What httpx makes of a response without an end.
    with pytest.raises(AssertionError):
        await client.get("/breaks")

    [event] = events(caplog, "Unforeseen error")
    assert isinstance(event["exc_info"], RuntimeError)
    assert len(events(caplog, "Request")) == 1
