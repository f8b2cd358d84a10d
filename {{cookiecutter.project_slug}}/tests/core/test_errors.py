"""Responses to your own errors and to unexpected ones."""

from collections.abc import AsyncIterator
from decimal import Decimal

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Request, Response
from nest.core.decorators.database import async_db_request_handler

from src.config import config, settings
from src.core.core_module import setup_app
from src.core.errors import ProblemError, problem
from tests.problems import assert_problem
{% if cookiecutter.auth == "oidc" %}
from tests.tokens import make_token
{% endif %}


class OutOfStockError(ProblemError):
    def __init__(self, sku: str) -> None:
        kind, title = "urn:problem:out-of-stock", "Out of stock"
        super().__init__(409, "Sold out.", type=kind, title=title, sku=sku, price=Decimal("1.50"))


class OwnError(Exception):
    pass


ERRORS = {
    "problem": OutOfStockError("A-1"),
    "own": OwnError("SELECT inside"),
    "members": HTTPException(409, {"detail": "Sold out.", "sku": "A-1", "status": 1}),
    "unexpected": RuntimeError("SELECT inside"),
}


@async_db_request_handler
async def buy(name: str) -> None:
    """Fail like a method of a service."""
    raise ERRORS[name]


@pytest.fixture
async def shop() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()

    @app.get("/{name}")
    async def buy_one(name: str) -> None:
        await buy(name)

    @app.exception_handler(OwnError)
    async def handle_own(_: Request, error: OwnError) -> Response:
        return problem(402, "Pay first.", kind=type(error).__name__)

    setup_app(app, config, settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
{% if cookiecutter.auth == "oidc" %}
        client.headers["Authorization"] = f"Bearer {make_token()}"
{% endif %}
        yield client


@pytest.mark.parametrize(
    ("name", "status", "members"),
    [
        ("problem", 409, {"type": "urn:problem:out-of-stock", "sku": "A-1", "price": "1.50"}),
        ("own", 402, {"detail": "Pay first.", "kind": "OwnError"}),
        ("members", 409, {"detail": "Sold out.", "sku": "A-1", "title": "Conflict"}),
    ],
)
async def test_own_errors_reach_the_client(
    shop: httpx.AsyncClient, name: str, status: int, members: dict[str, str]
) -> None:
    response = await shop.get(f"/{name}")

    assert_problem(response, status)
    assert response.json().items() >= members.items()


async def test_unexpected_error_shows_nothing(
    shop: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    response = await shop.get("/unexpected")

    assert_problem(response, 500)
    assert response.json() == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "request_id": response.headers["X-Request-ID"],
    }
    assert [record.levelname for record in caplog.records] == ["ERROR"]
