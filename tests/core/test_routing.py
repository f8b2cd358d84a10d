from typing import Any

import fastapi.routing
import httpx
import pytest
from fastapi import FastAPI, Request
from nest.core import Controller, Delete, Get, Module, PyNestFactory
from src.config import config, settings
from src.core.core_module import lifespan, setup_app
from src.core.routing import location

#: Since FastAPI 0.137, routes form a tree and can't be moved out of their routers.
IS_TREE = hasattr(fastapi.routing, "iter_route_contexts")


@Controller("orders")
class OrdersController:
    @Get("/{order_id}")
    async def get_order(self, order_id: int) -> str:
        return f"order {order_id}"

    @Delete("/stats")
    async def remove_stats(self) -> str:
        return "removed"

    @Get("/stats")
    async def get_stats(self) -> str:
        return "stats"

    @Get("/{order_id}/{name}")
    async def get_item(self, order_id: int, name: str) -> str:
        return f"{name} of {order_id}"

    @Get("/{order_id}/lines")
    async def get_lines(self, order_id: int) -> str:
        return f"lines of {order_id}"


@Controller("links")
class LinksController:
    @Get("/")
    async def get_links(self, request: Request) -> list[str]:
        return [
            location(request, "get_links"),
            location(request, "get_link", name="a b?", link_id=7),
        ]

    @Get("/{link_id}/{name}")
    async def get_link(self, link_id: int, name: str) -> None: ...


def create_app(*controllers: type) -> FastAPI:
    @Module(controllers=list(controllers))
    class MainModule:
        pass

    app = PyNestFactory.create(MainModule, lifespan=lifespan).get_server()
    setup_app(app, config, settings.model_copy(update={"db_create_all": False}))
    return app


def names(app: FastAPI) -> list[str]:
    return [getattr(route, "name", "") for route in app.routes]


async def get(app: FastAPI, path: str) -> Any:
    transport = httpx.ASGITransport(app, root_path="/api")
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return (await client.get(path)).json()


async def test_location_has_root_path_and_quotes() -> None:
    found = await get(create_app(LinksController), "/api/links")

    assert found == ["/api/links", "/api/links/7/a%20b%3F"]


async def test_startup_reorders_hidden_routes() -> None:
    app = create_app(OrdersController, LinksController)

    @app.get("/late/{name}")
    async def get_late(name: str) -> str:
        return name

    if IS_TREE:
        message = r"{name} \(get_item\) .* /orders/{order_id}/lines \(get_lines\): rename get_lines"
        with pytest.raises(ValueError, match=message):
            async with lifespan(app):
                pass
        return
    before = names(app)
    async with lifespan(app):
        found = {
            path: await get(app, f"/orders/{path}") for path in ("7", "stats", "7/lines", "7/x")
        }

    assert found == {
        "7": "order 7",
        "stats": "stats",
        "7/lines": "lines of 7",
        "7/x": "x of 7",
    }
    moved = ("get_stats", "get_lines")
    unmoved = [name for name in before if name not in moved]
    assert [name for name in names(app) if name not in moved] == unmoved


async def test_startup_keeps_order_without_hidden_routes() -> None:
    app = create_app(LinksController)
    before = list(app.routes)

    async with lifespan(app):
        assert list(app.routes) == before
