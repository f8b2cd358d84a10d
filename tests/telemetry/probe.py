"""Routes for the tests of telemetry. They are added to the app of a rendered project."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator

import structlog
from documented import pay, tracer
from fastapi import BackgroundTasks, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy import literal, select
from src.app_module import http_server as app
from src.config import config
from src.examples.examples_entity import Example

__all__ = ["app"]

#: Routes wait here until a test opens the gate with this name.
gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)


class Cup(BaseModel):
    size: int


@app.post("/gates/{name}")
async def open_gate(name: str) -> None:
    gates[name].set()


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        yield "first"
        await gates["stream"].wait()
        yield "last"

    return StreamingResponse(parts())


@app.post("/later")
async def later(tasks: BackgroundTasks) -> None:
    tasks.add_task(gates["later"].wait)


@app.get("/hold")
async def hold() -> None:
    async with config.get_session() as session:
        await session.connection()
        await gates["hold"].wait()


@app.get("/logs")
async def write_logs() -> None:
    structlog.stdlib.get_logger("structlog").info("By structlog")
    logging.getLogger("logging").warning("By logging")


@app.post("/pay/{order_id}")
async def pay_order(order_id: int) -> None:
    await pay(order_id)


@app.post("/twice")
async def add_twice(name: str) -> None:
    """Fail with an error that quotes the row, in a span of the owner's."""
    with tracer.start_as_current_span("add twice"):
        async with config.get_session() as session:
            session.add(Example(name=name))
            await session.flush()
            session.add(Example(name=name))
            await session.flush()


@app.post("/unexpected")
async def fail(name: str) -> None:
    """Fail with an unexpected error, caused by one that quotes the row."""
    try:
        await add_twice(name)
    except Exception as error:
        raise RuntimeError("unexpected") from error


@app.post("/cups")
async def fill(size: str) -> None:
    """Fail with an unexpected error that quotes the input."""
    Cup.model_validate({"size": size})


@app.get("/literal")
async def find(name: str) -> None:
    """Read by a value in the text of the statement."""
    where = Example.name == literal(name, literal_execute=True)
    await config.reader.execute(select(Example.id).where(where))


@app.get("/broken")
async def break_off() -> StreamingResponse:
    """Fail after the first part of the response."""

    async def parts() -> AsyncIterator[str]:
        yield "first"
        raise RuntimeError("broken")

    return StreamingResponse(parts())


@app.websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()
