"""Errors that an owner can build on, and the form that all errors have."""

from collections.abc import AsyncIterator
from decimal import Decimal

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Request, Response
from nest.core import Controller, Get, Injectable, Module, PyNestFactory
from nest.core.decorators.database import async_db_request_handler

from src.config import config, settings
from src.core.core_module import setup_app
from src.core.errors import ProblemError, problem
from tests.problems import assert_problem

INSIDE = "SELECT inside FROM /var/lib"


class OutOfStockError(ProblemError):
    def __init__(self, sku: str) -> None:
        super().__init__(
            409,
            f"{sku} is out of stock.",
            type="urn:problem:out-of-stock",
            title="Out of stock",
            sku=sku,
            price=Decimal("1.50"),
        )


class OwnError(Exception):
    pass


class LateError(Exception):
    pass


ERRORS = {
    "problem": OutOfStockError("A-1"),
    "own": OwnError(INSIDE),
    "late": LateError(INSIDE),
    "members": HTTPException(409, {"detail": "Sold out.", "sku": "A-1", "status": 1}),
    "unexpected": RuntimeError(INSIDE),
}


@Injectable
class ShopService:
    @async_db_request_handler
    async def buy(self, name: str) -> None:
        raise ERRORS[name]


@Controller("shop")
class ShopController:
    def __init__(self, service: ShopService) -> None:
        self.service = service

    @Get("/{name}")
    async def buy(self, name: str) -> None:
        await self.service.buy(name)


@Module(controllers=[ShopController], providers=[ShopService])
class ShopModule:
    pass


@pytest.fixture(scope="module")
async def shop() -> AsyncIterator[httpx.AsyncClient]:
    app: FastAPI = PyNestFactory.create(ShopModule).get_server()

    @app.exception_handler(OwnError)
    async def handle_own(_: Request, error: OwnError) -> Response:
        return problem(402, "Pay first.", kind=type(error).__name__)

    setup_app(app, config, settings)

    @app.exception_handler(LateError)
    def handle_late(_: Request, error: LateError) -> Response:
        return problem(402, "Pay later.", kind=type(error).__name__)

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_problem_error_reaches_the_client(shop: httpx.AsyncClient) -> None:
    response = await shop.get("/shop/problem")

    assert_problem(response, 409)
    assert response.json() == {
        "type": "urn:problem:out-of-stock",
        "title": "Out of stock",
        "status": 409,
        "detail": "A-1 is out of stock.",
        "sku": "A-1",
        "price": "1.50",
    }


@pytest.mark.parametrize(
    ("name", "detail", "kind"),
    [("own", "Pay first.", "OwnError"), ("late", "Pay later.", "LateError")],
)
async def test_own_exception_handler_fires(
    shop: httpx.AsyncClient, name: str, detail: str, kind: str
) -> None:
    response = await shop.get(f"/shop/{name}")

    assert_problem(response, 402)
    assert response.json().items() >= {"detail": detail, "kind": kind}.items()


async def test_http_exception_keeps_its_members(shop: httpx.AsyncClient) -> None:
    response = await shop.get("/shop/members")

    assert_problem(response, 409)
    assert response.json().items() >= {"detail": "Sold out.", "sku": "A-1"}.items()


async def test_unexpected_error_shows_nothing(
    shop: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    response = await shop.get("/shop/unexpected")

    assert_problem(response, 500)
    assert response.json() == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "request_id": response.headers["X-Request-ID"],
    }
    assert [record.levelname for record in caplog.records] == ["ERROR"]
