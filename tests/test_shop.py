"""The worked example in docs/shop, followed from its first page to its last on PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tools import servers
from tools.pages import Block, read_blocks
from tools.shop import PAGES, Walk, pages, title
from tools.template import TEMPLATE, git, run

from .helpers.collector import Collector, collecting
from .helpers.serving import find_server, free_port, serving

#: Commands that need containers or a cluster. `tests/test_containers.py` and
#: `tests/test_kubernetes.py` test them.
UNTESTED = re.compile(r"(\w+=\S* )*docker |kubectl (?!kustomize )")
WITH_COLLECTOR = "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 make run\n"
#: Exports come soon, so that no test waits.
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_METRIC_EXPORT_INTERVAL": "100"}
#: A timestamp, and the mark that replaces it.
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
#: The page before the migrations and the guards. After it, the tests of the first pages run, but
#: those that the template generated. All tests run after the last page, and lint after each one.
TESTED = "05-status.md"
GENERATED = "--ignore=tests/core --ignore=tests/customers --ignore=tests/products/test_products.py"

# xdist starts large groups first. The tests of the site and of the shop are the longest ones.
pytestmark = pytest.mark.xdist_group("site")


class Customer(Walk):
    """Follows the pages with a database: runs each command, and compares each response."""

    def __init__(self, folder: Path, collector: Collector, **variables: str) -> None:
        super().__init__(folder, **variables)
        self.collector = collector
        (folder / "home" / ".curlrc").write_text("silent\nshow-error\n")
        self.stack = ExitStack()
        self.port = 0
        self.output = ""
        self.is_tested = True

    def follow(self, page: Path) -> None:
        self.variables["PYTEST_ADDOPTS"] = "" if page == pages()[-1] else GENERATED
        self.is_tested = page in (pages()[-1], PAGES / TESTED)
        try:
            super().follow(page)
        finally:
            self.stop()

    def run(self, commands: str) -> None:
        if UNTESTED.match(commands) or commands == "make run\n":
            # The next request starts the service.
            return
        if commands == WITH_COLLECTOR:
            self.variables |= SOON | {"OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.url}
            return
        if re.match(r"curl |for |kubectl ", commands):
            self.start()
            commands = commands.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")
            self.output = self.execute(commands)
        elif tokens := re.findall(r"(\w+)=\$\((.*)\)\n", commands):
            self.variables |= {name: self.execute(made).strip() for name, made in tokens}
        else:
            self.stop()
            commands = commands.replace("make database\n", "").replace("uvx ", "")
            if not self.is_tested:
                commands = commands.replace("make test\n", "")
            self.execute(commands)

    def start(self) -> None:
        """Start the service, unless it is running."""
        if not self.port:
            self.port = free_port()
            settings = (self.project / ".env").read_text(encoding="utf-8")
            # The reader's service restarts after each change, as the first page says.
            assert "\nAPP_DEBUG=true\n" in settings
            # The local test issuer needs APP_DEBUG=true. Before, there is no need to watch files.
            has_issuer = "AUTH_ISSUER" in settings
            variables = self.variables | {"APP_DEBUG": str(has_issuer).lower()}
            self.stack.enter_context(serving("make run", self.project, self.port, variables))

    def stop(self) -> None:
        self.stack.close()
        self.port = 0

    def edit(self, path: Path, block: Block) -> None:
        # With APP_DEBUG=true, the service would restart during the next request.
        self.stop()
        super().edit(path, block)

    def compare(self, block: Block) -> None:
        found, expected = (TIME.sub("TIME", text) for text in (self.output, block.text))
        if block.language == "json":
            assert json.loads(found) == json.loads(expected)
        elif block.language == "text":
            assert found == expected
        else:
            pytest.fail(f"the page has a block that no test runs:\n{block}")


@pytest.fixture
def settings() -> Iterator[dict[str, str]]:
    """Return the settings of an empty database."""
    settings = find_server("postgresql")
    name = f"shop_{uuid4().hex}"
    servers.execute("postgresql", settings, f"CREATE DATABASE {name}")
    yield settings | {"POSTGRESQL_DB_NAME": name}
    servers.drop("postgresql", settings, name)


def execute(settings: dict[str, str], statement: str) -> Any:
    """Execute a statement in the shop's database; return the first value of its first row."""

    async def fetch() -> Any:
        given = {name.removeprefix("POSTGRESQL_").lower(): each for name, each in settings.items()}
        database = given.pop("db_name")
        connection = await asyncpg.connect(**given, database=database)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(fetch())


def order_by_old_version(settings: dict[str, str]) -> None:
    """Place an order as the version before the total does."""
    execute(settings, "INSERT INTO orders VALUES (100, 'W-0', 1, 'new', now())")
    execute(settings, "INSERT INTO order_items VALUES (100, 1, 3, 4.50)")


@pytest.mark.matrix
def test_shop_works_page_by_page(
    tmp_path: Path, settings: dict[str, str], mypy_cache: Path
) -> None:
    with collecting() as collector:
        customer = Customer(tmp_path, collector, MYPY_CACHE_DIR=str(mypy_cache), **settings)
        for page in pages():
            if page.name == "07-required-total.md":
                order_by_old_version(settings)
            customer.follow(page)

    [request] = [span for span in collector.spans if span.name == "POST /orders"]
    statements = [span.name.split()[0] for span in collector.trace(request.trace_id)]
    assert sorted(statements) == ["INSERT", "INSERT", "POST", "SELECT"]
    assert collector.find("shop.sold_out")[-1].value == 1
    assert execute(settings, "SELECT total FROM orders WHERE number = 'W-0'") == Decimal("13.50")
    assert git(customer.project, "status", "--porcelain") == ""


def test_shop_is_replayed_without_database(tmp_path: Path) -> None:
    """Make the repository, and compare its code with the pages: each commit is a page."""
    folder = tmp_path / "shop"

    run([sys.executable, "-m", "tools.shop", str(folder)], TEMPLATE, POSTGRESQL_PORT="1")

    assert git(folder, "log", "--reverse", "--format=%s").split("\n") == [*map(title, pages())]
    assert git(folder, "status", "--porcelain") == ""


def test_pages_are_listed_and_linked() -> None:
    index = (PAGES / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\d+\. \[(.+)\]\((.+)\)", index, re.MULTILINE)
    assert listed == [(title(page), page.name) for page in pages()]
    for page, following in pairwise(pages()):
        end = f"\nNext: [{title(following)}]({following.name})\n"
        assert page.read_text(encoding="utf-8").endswith(end), page


def test_code_of_pages_is_formatted() -> None:
    for page in pages():
        for block in read_blocks(page.read_text(encoding="utf-8")):
            if block.language == "python":
                assert format_code(block.text) == block.text, page


def format_code(code: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--line-length=100", "-"]
    return subprocess.run(
        command, input=code, capture_output=True, encoding="utf-8", check=True
    ).stdout
