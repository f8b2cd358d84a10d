"""The page "Growing the service" of a project: each of its blocks is applied or run.

`tools.pages` applies a block of Python to the file that the line above it names.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tools.pages import Block, apply, read_blocks
from tools.template import run

from .helpers.projects import Combination
from .helpers.serving import free_port, legs, serving

pytestmark = pytest.mark.matrix

PAGE = "docs/growing.md"
#: Both session styles, on different databases: the page is the same for every database.
LEGS = [Combination("sqlite", "service"), Combination("postgresql", "controller")]

#: Sentences of the page that its own tests don't show.
TESTS = """\
import asyncio
from decimal import Decimal
from typing import Any

import httpx
import pytest
from fastapi import Request
from nest.common.exceptions import ProviderNotExportedException
from nest.core import BaseGuard, Controller, Get, Module, PyNestFactory, UseGuards
from sqlalchemy import select, text

from src.app_module import AppModule
from src.config import config
from src.core.errors import ProblemError
from src.orders.orders_entity import Order
from src.orders.orders_module import OrdersModule
from src.products.products_module import ProductsModule
from src.products.products_rates import RatesService
from src.products.products_service import ProductsService

from .products.products_factory import add_product


@pytest.mark.parametrize(
    ("module", "name"), [(ProductsModule, "exports"), (OrdersModule, "imports")]
)
def test_missing_export_or_import_is_named(
    module: type, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, [])

    with pytest.raises(ProviderNotExportedException) as caught:
        PyNestFactory.create(AppModule)

    assert f"'{name}=[Products" in str(caught.value)
    assert module.__name__ in str(caught.value)


async def test_pieces_are_sold_once(client: httpx.AsyncClient) -> None:
    tea = await add_product(client, stock=5)
    body = {"product_id": tea["id"], "amount": 2}

    responses = await asyncio.gather(
        *(client.post("/orders/checkout", json=body) for _ in range(8))
    )

    assert sorted(response.status_code for response in responses) == [201] * 2 + [409] * 6
    assert (await client.get(f"/products/{tea['id']}")).json()["stock"] == 1
    missing = {"product_id": tea["id"] + 1, "amount": 1}
    assert (await client.post("/orders/checkout", json=missing)).status_code == 404
    negative = await client.post("/orders/checkout", json=body | {"amount": -1})
    assert negative.status_code == 422


async def test_arguments_of_guards_are_ignored() -> None:
    class RoleGuard(BaseGuard):
        def __init__(self, role: str = "") -> None:
            self.role = role

        def can_activate(self, _: Request, __: Any) -> bool:
            return self.role == ""

    @Controller("open")
    class OpenController:
        @Get("/")
        @UseGuards(RoleGuard("admin"))  # type: ignore[arg-type]  # mypy finds it
        async def get_open(self) -> str:
            return "open"

    @Module(controllers=[OpenController])
    class OpenModule:
        pass

    transport = httpx.ASGITransport(PyNestFactory.create(OpenModule).get_server())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/open")).status_code == 200


@pytest.mark.usefixtures("client")
async def test_session_keeps_connection_until_commit() -> None:
    pool: Any = config.engine.pool
    read_pool: Any = config.read_engine.pool
    async with config.get_session() as session:
        assert pool.checkedout() == 0
        await session.scalars(select(Order))
        assert pool.checkedout() == 1
        await session.commit()
        assert pool.checkedout() == 0
    await config.reader.execute(select(Order.id))
    assert read_pool.checkedout() == 0


async def test_rates_are_read_or_unavailable() -> None:
    async def respond(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/rates/USD"
        return httpx.Response(statuses.pop(), json={"rate": 1.1})

    statuses = [500, 200]
    rates = RatesService()
    rates.client = httpx.AsyncClient(
        base_url="http://rates", transport=httpx.MockTransport(respond)
    )

    assert await rates.get_rate("USD") == Decimal("1.1")
    with pytest.raises(ProblemError):
        await rates.get_rate("USD")


async def test_old_version_can_insert(client: httpx.AsyncClient) -> None:
    async with config.engine.begin() as connection:
        insert = "INSERT INTO products (sku, price, stock) VALUES ('tea', 1, 1)"
        await connection.execute(text(insert))

    [tea] = (await client.get("/products")).json()["items"]
    assert tea["stars"] == 3


async def test_client_is_closed_at_shutdown() -> None:
    app: Any = PyNestFactory.create(AppModule)
    client = app.container.get(RatesService).client
    server = app.get_server()

    async with server.router.lifespan_context(server):
        assert not client.is_closed

    assert client.is_closed


async def test_failed_task_is_only_logged(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: ProductsService) -> None:
        raise ValueError("out of boxes")

    monkeypatch.setattr(ProductsService, "restock", fail)

    assert (await client.post("/products/restock")).status_code == 202
    assert "out of boxes" in caplog.text
"""


@pytest.mark.parametrize("block", ["```python\nx = 1\n```", "~~~toml\n~~~", "    $ make"])
def test_unknown_block_is_an_error(block: str, tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="no test runs"):
        follow(read_blocks(f"Text:\n\n{block}\n"), tmp_path, {})


@pytest.mark.parametrize("combination", legs(LEGS), indirect=True, scope="session")
@pytest.mark.runs_commands("docs/growing.md")
def test_examples_of_growing_work(project: Path, variables: dict[str, str], tmp_path: Path) -> None:
    """Follow the page in a copy of a project, then check, test and use the result."""
    run("uv sync --quiet", project)
    folder = tmp_path / "my-app"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns(".venv", ".env", ".*_cache"))
    blocks = read_blocks((folder / PAGE).read_text(encoding="utf-8"))

    tests, [response] = follow(blocks, folder, variables)

    assert "\nhttpx==" in (folder / "requirements.txt").read_text(encoding="utf-8")
    run("make format", folder, **variables)
    (folder / "tests" / "test_sentences.py").write_text(TESTS, encoding="utf-8")
    run("make lint", folder, **variables)
    run("uv run python -m src.seed", folder, **variables)
    paths = " ".join(["tests/orders", "tests/products", *tests, "tests/test_sentences.py"])
    assert re.search(r"\d+ passed", run(f"uv run pytest {paths}", folder, **variables))
    use(folder, response, variables)


def follow(
    blocks: list[Block], folder: Path, variables: dict[str, str]
) -> tuple[list[str], list[Any]]:
    """Apply or run each block; return the paths of its tests, and its JSON."""
    tests = []
    responses = []
    for block in blocks:
        named = re.fullmatch(r"`(\S+\.py)`", block.above)
        if block.language == "sh":
            run(f"set -e\n{block.text}", folder, **variables)
        elif block.language == "json":
            responses.append(json.loads(block.text))
        elif block.language == "python" and named:
            apply(folder / named[1], block.text)
            tests += [named[1]] if named[1].startswith("tests/") else []
        elif block.language == "python" and "`migrations/versions`" in block.above:
            versions = folder.glob("migrations/versions/*.py")
            newest = max(versions, key=lambda path: path.stat().st_mtime)
            assert textwrap.indent(block.text, "    ") in newest.read_text(encoding="utf-8")
        else:
            pytest.fail(f"the page has a block that no test runs:\n{block}")
    return tests, responses


def use(folder: Path, response: Any, variables: dict[str, str]) -> None:
    """Use a service that is made of all examples, with few connections and a hanging service."""
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        variables = variables | {
            "API_TOKENS": '{"staff": "s", "admin": "a"}',
            "DB_POOL_SIZE": "2",
            "RATES_URL": f"http://127.0.0.1:{hanging.getsockname()[1]}",
        }
        with serving("uv run python main.py", folder, port, variables) as client:
            coffee, tea = client.get("/products").json()["items"]
            assert {coffee["sku"], tea["sku"]} == {"coffee", "tea"}
            assert {coffee["stars"], tea["stars"]} == {3}
            check_error(client, response)
            check_guard(client)
            check_slow_calls(client)


def check_error(client: httpx.Client, expected: Any) -> None:
    [tea] = [each for each in client.get("/products").json()["items"] if each["sku"] == "tea"]
    assert client.patch(f"/products/{tea['id']}", json={"stock": 2}).status_code == 200

    response = client.post("/orders/checkout", json={"product_id": tea["id"], "amount": 3})

    assert response.json() == expected
    assert response.headers["Content-Type"] == "application/problem+json"


def check_guard(client: httpx.Client) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/orders/count"]["get"]
    assert operation["security"] == [{"HTTPBearer": []}]
    assert {"401", "403"} <= operation["responses"].keys()
    for token, status in [(None, 401), ("x", 401), ("s", 403), ("a", 200)]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = client.get("/orders/count", headers=headers)
        assert response.status_code == status, response.text
        if status != 200:
            assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)


def check_slow_calls(client: httpx.Client) -> None:
    """Wait for more calls than there are connections, and use the database meanwhile."""
    path = f"/products/{client.get('/products').json()['items'][0]['id']}/price"
    assert client.get(path, params={"currency": "XXX"}).status_code == 422
    with ThreadPoolExecutor() as threads:
        start = time.monotonic()
        calls = [threads.submit(client.get, path, params={"currency": "USD"}) for _ in range(4)]
        time.sleep(0.5)
        assert client.get("/products").status_code == 200
        assert client.post("/products/restock").status_code == 202
        assert not any(call.done() for call in calls)
        responses = [call.result() for call in calls]
    assert 2 <= time.monotonic() - start < 20
    assert {response.status_code for response in responses} == {503}
    assert {response.headers["Retry-After"] for response in responses} == {"5"}
