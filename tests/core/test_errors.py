import asyncio
import threading
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from nest.common.exceptions import ForbiddenException
from nest.core.decorators.database import async_db_request_handler
from pydantic import BaseModel
from src.config import config, settings
from src.core.core_module import setup_app
from src.core.errors import ProblemError, problem

from tests.problems import assert_problem

INSIDE = "SELECT inside FROM /var/lib"


class OwnError(Exception):
    pass


class OwnKeyError(OwnError, KeyError):
    pass


RAISED: dict[str, Exception] = {
    "bug": RuntimeError(INSIDE),
    "server-error": HTTPException(500, INSIDE),
    "file": FileNotFoundError(2, INSIDE, INSIDE),
    "full": OSError(28, INSIDE),
    "http": HTTPException(403, "No."),
    "pynest": ForbiddenException("No."),
    "own": OwnError(),
    "derived": OwnKeyError(),
    "problem": ProblemError(500, "The shelf fell down.", shelf=7),
    "not-modified": HTTPException(304, headers={"ETag": '"1"'}),
    "surrogate": ProblemError(409, "\ud800"),
    "list": HTTPException(400, ["a", "b"]),
    "reserved": HTTPException(400, {"headers": "x", "status": 7, "title": "Mine", 1: 2}),
}


@pytest.fixture(scope="module")
async def raising() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    setup_app(app, config, settings)

    @app.get("/{name}")
    async def fail(name: str) -> None:
        raise RAISED[name]

    @async_db_request_handler
    async def serve(name: str) -> None:
        raise RAISED[name]

    @app.get("/service/{name}")
    async def fail_in_service(name: str) -> None:
        await serve(name)

    @app.exception_handler(OwnError)
    async def handle(_: Request, error: OwnError) -> Response:
        return problem(402, type(error).__name__)

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.mark.parametrize("name", ["bug", "server-error", "file", "full"])
@pytest.mark.parametrize("path", ["", "service/"])
async def test_unexpected_error_is_logged_once(
    raising: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, path: str, name: str
) -> None:
    response = await raising.get(f"/{path}{name}")

    assert_problem(response, 500)
    assert response.json() == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "request_id": response.headers["X-Request-ID"],
    }
    [logged] = [record.msg for record in caplog.records if record.levelname == "ERROR"]
    assert isinstance(logged, dict)
    assert logged["event"] == "Unexpected error"
    assert logged["exc_info"] is RAISED[name]
    assert logged["request_id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize("name", ["http", "pynest"])
@pytest.mark.parametrize("path", ["", "service/"])
async def test_http_exception_is_shown(raising: httpx.AsyncClient, path: str, name: str) -> None:
    response = await raising.get(f"/{path}{name}")

    assert_problem(response, 403)
    assert response.json().items() >= {"title": "Forbidden", "detail": "No."}.items()


@pytest.mark.parametrize("name", ["own", "derived"])
@pytest.mark.parametrize("path", ["", "service/"])
async def test_handler_added_after_setup_is_called(
    raising: httpx.AsyncClient, path: str, name: str
) -> None:
    response = await raising.get(f"/{path}{name}")

    assert_problem(response, 402)
    assert response.json()["detail"] == type(RAISED[name]).__name__


async def test_problem_error_with_500_is_shown(
    raising: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    response = await raising.get("/problem")

    assert_problem(response, 500)
    assert response.json()["shelf"] == 7
    assert not caplog.records


async def test_not_modified_has_no_body(raising: httpx.AsyncClient) -> None:
    response = await raising.get("/not-modified")

    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["ETag"] == '"1"'


@pytest.mark.parametrize(
    ("name", "status", "expected"),
    [
        ("surrogate", 409, {"detail": "\ud800"}),
        ("list", 400, {"detail": "['a', 'b']", "title": "Bad Request"}),
        ("reserved", 400, {"headers": "x", "title": "Mine", "1": 2}),
    ],
)
async def test_unusual_detail_is_a_problem(
    raising: httpx.AsyncClient, name: str, status: int, expected: dict[str, object]
) -> None:
    response = await raising.get(f"/{name}")

    assert_problem(response, status)
    assert response.json().items() >= expected.items()


async def test_handler_for_exception_is_called_last() -> None:
    app = FastAPI()
    setup_app(app, config, settings)

    @async_db_request_handler
    async def divide(number: int) -> float:
        if number > 1:
            raise ConnectionRefusedError
        return 1 / number

    @app.get("/{number}")
    async def get_inverse(number: int) -> float:
        return await divide(number)

    @app.exception_handler(Exception)
    def handle(*_: object) -> Response:
        return problem(500, "Call us.")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        unexpected, expected = await client.get("/0"), await client.get("/2")

    assert_problem(unexpected, 500)
    assert unexpected.json()["detail"] == "Call us."
    assert unexpected.headers["X-Request-ID"]
    assert_problem(expected, 503)


async def test_errors_do_not_wait_for_threads(client: httpx.AsyncClient) -> None:
    release = threading.Event()
    blocked = [asyncio.create_task(run_in_threadpool(release.wait)) for _ in range(40)]
    try:
        async with asyncio.timeout(1):
            assert_problem(await client.get("/nowhere"), 404)
            assert_problem(await client.post("/examples", json={}), 422)
    finally:
        release.set()
        await asyncio.gather(*blocked)


async def test_unknown_path_or_method_is_a_problem(client: httpx.AsyncClient) -> None:
    for response, status in [(await client.get("/nowhere"), 404), (await client.put("/"), 405)]:
        assert_problem(response, status)
        assert response.headers["X-Request-ID"]


async def test_wrong_method_response_lists_allowed_methods(core_client: httpx.AsyncClient) -> None:
    assert (await core_client.put("/items")).headers["Allow"] == "GET, POST"
    assert (await core_client.put("/items/1")).headers["Allow"] == "DELETE, GET"


async def test_validation_errors_are_limited(core_client: httpx.AsyncClient) -> None:
    response = await core_client.post("/items", json={f"unknown{key}": 0 for key in range(1000)})

    assert_problem(response, 422)
    assert len(response.json()["errors"]) == 100


@pytest.mark.parametrize(
    ("content_type", "body", "detail"),
    [
        ("", '{"name": "Ada"}', "Content-Type must be application/json"),
        ("text/plain", '{"name": "Ada"}', "Content-Type must be application/json"),
        ("application/x-www-form-urlencoded", "{}", "Content-Type must be application/json"),
        ("text/plain", "", "Field required"),
        ("application/json", "[1]", "Input should be a valid dictionary or object to extract"),
        (
            "application/problem+json",
            "[1]",
            "Input should be a valid dictionary or object to extract",
        ),
    ],
)
async def test_body_of_another_type_is_explained(content_type: str, body: str, detail: str) -> None:
    class Shelf(BaseModel):
        name: str

    app = FastAPI()
    setup_app(app, config, settings)

    @app.post("/")
    async def add(shelf: Shelf) -> None: ...

    transport = httpx.ASGITransport(app)
    headers = {"Content-Type": content_type} if content_type else {}
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await client.post("/", content=body, headers=headers)

    assert_problem(response, 422)
    [error] = response.json()["errors"]
    assert error["location"] == ["body"]
    assert error["detail"].startswith(detail)
