"""The Python in the project's pages works as documented."""

import ast
import inspect
import re
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Request, Response
from nest.core import Depends, Patch
from nest.core.decorators.database import async_db_request_handler
from sqlalchemy import bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from src.config import config, settings
from src.core.core_module import setup_app
from src.core.database import DatabaseProvider, driver
from src.core.errors import problem, problems
from src.core.models import Id64, columns_of
from src.core.settings import DatabaseSettings
from src.examples.examples_entity import Example as ExampleEntity
from src.examples.examples_model import Example, ExampleCreate, ExampleUpdate

from tests.examples.examples_factory import add_example

DOCS = Path(__file__).parents[2] / "docs"


def read(page: str, heading: str) -> list[str]:
    """Read the Python in a section of a page."""
    _, _, section = (DOCS / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    blocks = re.findall(
        r"^```python\n(.*?)^```$", section.partition("\n## ")[0], re.MULTILINE | re.DOTALL
    )
    assert blocks, (page, heading)
    return blocks


async def execute(code: str, **names: Any) -> dict[str, Any]:
    """Execute code that may await, and return its names."""
    compiled = compile(code, "page", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(compiled, names)  # noqa: S307  # the page is the project's
    if inspect.iscoroutine(result):
        await result
    return names


async def send(app: FastAPI, error: Exception) -> httpx.Response:
    """Raise an error in a service, and return the response."""

    @async_db_request_handler
    async def serve() -> None:
        raise error

    @app.get("/")
    async def fail() -> None:
        await serve()

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get("/")


@pytest.fixture
def app_of_core() -> FastAPI:
    app = FastAPI()
    setup_app(app, config, settings)
    return app


async def test_documented_settings_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    define, use = read("configuration.md", "Add a setting")
    own = (await execute(define, DatabaseSettings=DatabaseSettings))["Settings"]

    for value in ("new,used", '["new", "used"]'):
        monkeypatch.setenv("SHOP_TAGS", value)
        monkeypatch.setenv("SHOP_NAME", "Tea")
        loaded = own.load()
        assert (loaded.shop_name, loaded.shop_tags) == ("Tea", ["new", "used"])
    monkeypatch.setattr("src.config.settings", loaded)
    await execute(use)
    assert own(shop_tags=["new"]).shop_tags == ["new"]


async def test_documented_engine_argument_is_accepted() -> None:
    [code] = read("configuration.md", "Configure the engine")
    given = "db_type=db_type, config_params=settings.config_params,"
    names = {"settings": settings, "db_type": driver.DB_TYPE, "DatabaseProvider": DatabaseProvider}

    made = (await execute(code.replace("...,", given), **names))["config"]

    await made.dispose()


async def test_documented_problem_reaches_the_client(app_of_core: FastAPI) -> None:
    [code] = read("errors.md", "Raise your own")
    error = (await execute(code))["OutOfStockError"]("tea")

    response = await send(app_of_core, error)

    assert response.status_code == 409
    assert response.json() == {
        "type": "urn:problem:out-of-stock",
        "title": "Conflict",
        "detail": "tea is out of stock.",
        "sku": "tea",
        "status": 409,
    }


async def test_documented_http_exception_keeps_members(app_of_core: FastAPI) -> None:
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    [code] = re.findall(r"^`(HTTPException\(.*\))`", page, re.MULTILINE)
    names = await execute(f"error = {code}", HTTPException=HTTPException, sku="tea")

    response = await send(app_of_core, names["error"])

    assert (response.status_code, response.json()["sku"]) == (409, "tea")


async def test_documented_handler_is_called(app_of_core: FastAPI) -> None:
    class OutOfStock(Exception):  # noqa: N818  # the page's name
        sku = "tea"

    [code] = read("errors.md", "Handle another exception")
    names = {"Request": Request, "Response": Response, "problem": problem}
    await execute(code, http_server=app_of_core, OutOfStock=OutOfStock, **names)

    response = await send(app_of_core, OutOfStock())

    assert (response.status_code, response.json()["sku"]) == (409, "tea")


async def test_documented_error_is_a_real_one(client: httpx.AsyncClient) -> None:
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)

    response = await client.post("/examples", json={})

    assert response.json() == ast.literal_eval(shown)


async def test_documented_log_entry_is_written(caplog: pytest.LogCaptureFixture) -> None:
    _, _, page = (DOCS / "logging.md").read_text(encoding="utf-8").partition("```python\n")
    code = page.partition("```")[0]

    await execute(code, order=SimpleNamespace(id=7), __name__="page")

    assert "Order paid" in caplog.text


async def test_documented_test_passes(client: httpx.AsyncClient) -> None:
    [code] = read("testing.md", "Write a test")
    names = await execute(code, httpx=httpx, add_example=add_example)

    await names["test_example_is_found"](client)


async def test_documented_reads_find_rows(client: httpx.AsyncClient) -> None:
    added = await add_example(client, name="Ada")
    service = SimpleNamespace(reader=config.reader)
    names: dict[str, Any] = {"select": select, "bindparam": bindparam, "columns_of": columns_of}
    names |= {"ExampleEntity": ExampleEntity, "Example": Example, "example_id": added["id"]}
    names |= {"reader": config.reader, "self": service}

    for code in read("sessions.md", "Read"):
        names = await execute(code, **names)

    assert Example.model_validate(names["row"]).name == "Ada"


async def test_documented_write_is_stored(client: httpx.AsyncClient) -> None:
    [code] = read("sessions.md", "Write")
    names: dict[str, Any] = {"Example": Example, "ExampleEntity": ExampleEntity}
    names |= {"Patch": Patch, "problems": problems, "Id64": Id64, "ExampleUpdate": ExampleUpdate}
    names |= {"AsyncSession": AsyncSession, "Depends": Depends, "config": config}
    if code.startswith("@"):
        # In controller style, the page shows a method of the controller.
        assert inspect.iscoroutinefunction((await execute(code, **names))["update_example"])
        return
    method = f"async def add(self, example):\n{textwrap.indent(code, '    ')}"
    names = await execute(method, **names)

    service = SimpleNamespace(session=config.get_session)
    added = await names["add"](service, ExampleCreate(name="Ada"))

    assert (await client.get(f"/examples/{added.id}")).json()["name"] == "Ada"


async def test_documented_snapshot_is_accepted() -> None:
    [code] = read("sessions.md", "Read several times from the same data")
    async with config.get_session() as session:
        service = SimpleNamespace(session=config.get_session)
        await execute(code, session=session, self=service, text=text)
