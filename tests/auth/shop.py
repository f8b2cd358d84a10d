"""An app with routes of each kind, guarded or not."""

from typing import Any

from fastapi import FastAPI, Request, Security, WebSocket, WebSocketException
from fastapi.responses import PlainTextResponse
from nest.core import Controller, Depends, Get, Injectable, Module, Post, PyNestFactory, UseGuards
from nest.websockets import ConnectedSocket, SubscribeMessage, WebSocketGateway
from src.core.auth import Principal, get_principal, requires
from src.core.core_module import CoreModule, lifespan
from starlette.applications import Starlette
from starlette.routing import Route


@Controller("teas", tag="teas")
@UseGuards(requires("teas:read"))
class TeasController:
    @Get("/")
    async def get_teas(self, principal: Principal = Depends(get_principal)) -> dict[str, Any]:
        return {"subject": principal.subject, "scopes": sorted(principal.scopes)}

    @Get("/{tea_id}")
    async def get_tea(self, tea_id: int) -> int:
        return tea_id

    @Post("/")
    @UseGuards(requires("teas:write", "teas:brew"))
    async def add_tea(self) -> None: ...


@Controller("open", tag="open")
class OpenController:
    """A module that somebody forgot to guard."""

    @Get("/")
    async def get_open(self, request: Request) -> bool:
        return request.user is not None

    @Post("/")
    async def add_open(self) -> None: ...

    @Get("/{name}")
    async def get_named(self, name: str) -> str:
        return name

    @Get("/me")
    async def get_me(self, principal: Principal = Depends(get_principal)) -> str:
        return principal.subject


@Injectable
@WebSocketGateway(namespace="/chat")
class ChatGateway:
    @SubscribeMessage("hello")
    async def hello(self, client: WebSocket = ConnectedSocket()) -> str:
        return str(client.user.subject)

    @SubscribeMessage("brew")
    @UseGuards(requires("teas:brew"))
    async def brew(self) -> str:
        return "brewed"


@Injectable
@WebSocketGateway(namespace="/orders/events")
class OrdersGateway:
    """The gateway of docs/authentication.md, whose server sends to all clients."""

    server: Any

    async def on_connection(self, client: WebSocket) -> None:
        if "orders:read" not in client.user.scopes:
            raise WebSocketException(1008)

    @SubscribeMessage("order")
    async def order(self) -> None:
        await self.server.broadcast("ordered", "tea")


@Module(
    imports=[CoreModule],
    controllers=[TeasController, OpenController],
    providers=[ChatGateway, OrdersGateway],
)
class ShopModule:
    pass


async def brew() -> str:
    return "brewed"


async def chat(client: WebSocket) -> None:
    await client.accept()
    await client.send_json("brewing")


async def get_file(path: str) -> str:
    return path


def make_app() -> FastAPI:
    """Create the app, with a mounted one at `/mounted`."""
    app = PyNestFactory.create(ShopModule, lifespan=lifespan).get_server()

    async def show(_: Request) -> PlainTextResponse:
        return PlainTextResponse("inside")

    # FastAPI's own routes, which no controller has.
    for name, marker in (("depends", Depends), ("security", Security)):
        needed = [marker(requires("teas:brew"))]
        app.get(f"/brews/{name}", dependencies=needed)(brew)
        app.websocket(f"/brewing/{name}", dependencies=needed)(chat)
    app.get("/files/{path:path}")(get_file)
    app.mount("/mounted", Starlette(routes=[Route("/page", show)]))
    return app
