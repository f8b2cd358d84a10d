import asyncio
import errno
import io
from collections.abc import AsyncIterator, MutableMapping
from contextlib import suppress
from typing import Any

import httpx
import pytest
import structlog
from fastapi import BackgroundTasks, FastAPI, Request
from fastapi.responses import StreamingResponse
from src.core.errors import install_error_handlers
from src.core.http.middleware import RequestMiddleware, SizeLimitMiddleware
from src.core.logs import create_request_logger
from starlette.types import Message, Receive, Scope, Send
from structlog.contextvars import merge_contextvars
from structlog.testing import LogCapture

from tests.problems import assert_problem

from .items import settle

Entries = list[MutableMapping[str, Any]]
#: Ends the background task of `/tasks`.
release_task = asyncio.Event()


def create_app(logger: Any) -> FastAPI:  # noqa: C901  # a route each
    app = FastAPI()
    install_error_handlers(app)
    app.add_middleware(SizeLimitMiddleware, max_body_bytes=10)
    app.add_middleware(RequestMiddleware, logger=logger, seconds=0.5)

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
                await asyncio.sleep(0.3)

        return StreamingResponse(count())

    @app.get("/breaks")
    async def break_off() -> StreamingResponse:
        async def fail() -> AsyncIterator[str]:
            yield "begun"
            raise RuntimeError

        return StreamingResponse(fail())

    @app.get("/tasks")
    async def start(tasks: BackgroundTasks) -> None:
        tasks.add_task(release_task.wait)

    @app.get("/stubborn")
    async def resist() -> str:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return "late"

    return app


@pytest.fixture
def log() -> LogCapture:
    return LogCapture()


@pytest.fixture
async def client(log: LogCapture) -> AsyncIterator[httpx.AsyncClient]:
    logger = structlog.wrap_logger(None, processors=[merge_contextvars, log])
    transport = httpx.ASGITransport(create_app(logger))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_request_has_one_log_entry(client: httpx.AsyncClient, log: LogCapture) -> None:
    response = await client.get("/sleeps/0?password=secret")

    [entry] = log.entries
    assert 0 < entry.pop("duration_ms") < 1000
    assert entry == {
        "event": "Request",
        "log_level": "info",
        "method": "GET",
        "route": "/sleeps/{seconds}",
        "path": "/sleeps/0",
        "status": 200,
        "request_id": response.headers["X-Request-ID"],
    }


async def test_log_entry_does_not_wait_for_tasks(
    client: httpx.AsyncClient, log: LogCapture
) -> None:
    request = asyncio.create_task(client.get("/tasks"))
    await settle()

    [entry] = log.entries
    assert not request.done()
    assert entry["status"] == 200
    release_task.set()
    await request
    assert len(log.entries) == 1


async def test_log_entry_has_bound_values(client: httpx.AsyncClient, log: LogCapture) -> None:
    await client.get("/binds/Ada")

    assert log.entries[0]["user"] == "Ada"


async def test_path_is_escaped_in_the_log(client: httpx.AsyncClient, log: LogCapture) -> None:
    await client.get("/nowhere%0A%1B[31m")

    [entry] = log.entries
    assert (entry["route"], entry["path"]) == (None, "/nowhere%0A%1B%5B31m")


async def test_response_survives_a_full_disk(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class FullDisk(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("sys.stderr", FullDisk())
        app = create_app(create_request_logger("INFO", "json"))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/sleeps/0")).status_code == 200
    assert not caplog.records


async def test_given_request_id_is_kept(client: httpx.AsyncClient) -> None:
    response = await client.get("/sleeps/0", headers={"X-Request-ID": "abc-1"})

    assert response.headers["X-Request-ID"] == "abc-1"


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "é", '"'])
async def test_unsafe_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    headers = {b"X-Request-ID": given.encode()}

    ids = {(await client.get("/sleeps/0", headers=headers)).headers["X-Request-ID"]}
    ids.add((await client.get("/sleeps/0", headers=headers)).headers["X-Request-ID"])

    assert len(ids) == 2
    assert given not in ids


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size):
        yield b"x"


@pytest.mark.parametrize("streamed", [True, False])
async def test_body_size_is_limited(client: httpx.AsyncClient, *, streamed: bool) -> None:
    fits = await client.post("/sizes", content=chunks(10) if streamed else b"x" * 10)
    exceeds = await client.post("/sizes", content=chunks(11) if streamed else b"x" * 11)

    assert (fits.status_code, fits.json()) == (200, 10)
    assert_problem(exceeds, 413)


async def test_content_length_may_have_leading_zeros(client: httpx.AsyncClient) -> None:
    fits, exceeds = [
        await client.post(
            "/sizes", content=b"x" * size, headers={"Content-Length": f"{size:05000}"}
        )
        for size in (10, 11)
    ]

    assert (fits.status_code, exceeds.status_code) == (200, 413)


@pytest.mark.parametrize("length", ["ten", "-1", "1_0", "+1", "\u0661"])
async def test_malformed_content_length_is_a_problem(
    client: httpx.AsyncClient, log: LogCapture, length: str
) -> None:
    headers = {b"Content-Length": length.encode()}

    assert_problem(await client.post("/sizes", content=b"x", headers=headers), 400)

    assert log.entries[0]["status"] == 400


async def test_huge_content_length_is_rejected(client: httpx.AsyncClient) -> None:
    headers = {"Content-Length": "9" * 5000}

    assert_problem(await client.post("/sizes", content=b"x", headers=headers), 413)


async def test_query_parameters_are_limited(client: httpx.AsyncClient) -> None:
    fits = await client.get("/sleeps/0?" + "&".join(["x"] * 1000))
    exceeds = await client.get("/sleeps/0?" + "&".join(["x"] * 1001))

    assert fits.status_code == 200
    assert_problem(exceeds, 414)
    assert exceeds.headers["X-Request-ID"]


async def test_request_time_is_limited(client: httpx.AsyncClient, log: LogCapture) -> None:
    assert (await client.get("/sleeps/0.05")).status_code == 200

    response = await client.get("/sleeps/60")

    assert_problem(response, 503)
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["X-Request-ID"]
    # An HTTPStatus would be logged by its name.
    assert repr(log.entries[-1]["status"]) == "503"


async def test_late_response_is_sent_once(client: httpx.AsyncClient) -> None:
    response = await client.get("/stubborn")

    assert (response.status_code, response.json()) == (200, "late")


async def test_timeout_after_the_start_sends_nothing(log: LogCapture) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def start_late(_: Scope, __: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await send({"type": "http.response.start", "status": 200, "headers": []})

    logger = structlog.wrap_logger(None, processors=[log])
    limited = RequestMiddleware(start_late, logger, seconds=0.01)
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "app": FastAPI()}
    await limited(scope, asyncio.Event().wait, send)  # type: ignore[arg-type]  # no message comes

    assert [message["type"] for message in sent] == ["http.response.start"]
    assert [entry["status"] for entry in log.entries] == [200]


async def test_started_response_has_no_time_limit(client: httpx.AsyncClient) -> None:
    assert (await client.get("/streams")).text == "012"


async def test_broken_response_is_logged(
    client: httpx.AsyncClient, log: LogCapture, caplog: pytest.LogCaptureFixture
) -> None:
    # httpx asserts that the response is complete.
    with pytest.raises(AssertionError):
        await client.get("/breaks")

    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert isinstance(record.msg, dict)
    assert isinstance(record.msg["exc_info"], RuntimeError)
    assert [entry["status"] for entry in log.entries] == [200]
