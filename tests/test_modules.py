"""Scaffolded modules are checked, migrated, tested and served, on every database."""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tools import servers
from tools.template import run

from .helpers.projects import Combination
from .helpers.serving import free_port, serving
from .test_scaffold import KINDS, NAMES, fields_of

pytestmark = pytest.mark.matrix

#: How many modules of any kind one project gets at the most.
MODULES = 10
GIT = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
EVERY_TYPE = (
    "name:str:unique note:text size:int count:bigint:index ratio:float price:decimal open:bool "
    "day:date at:datetime:unique key:uuid:unique extra:json name2:str? note2:text? "
    "size2:int?:unique count2:bigint? ratio2:float? price2:decimal?:unique open2:bool? "
    "day2:date?:index at2:datetime? key2:uuid? extra2:json? example:ref(examples)?:unique "
    "other:ref(examples)"
)

#: The tests that compare a database with the entities, and go through all migrations.
MIGRATIONS = "core/test_migrations.py"

#: A leg of each style, on the databases that know most types. SQLite's types are also those of
#: `test_any_module_passes_its_tests`.
THOROUGH = {Combination("postgresql", "controller"), Combination("mysql", "service")}


def commands(project: Path, heading: str) -> list[str]:
    """Find the commands in a section of the README."""
    readme = (project / "README.md").read_text(encoding="utf-8")
    _, _, section = readme.partition(f"\n{heading}\n")
    return re.findall(r"^\$ (.*)$", section.partition("\n## ")[0], re.MULTILINE)


@pytest.fixture
def variables(
    combination: Combination,
    project: Path,
    settings: dict[str, str],
    database: str,
    mypy_cache: Path,
) -> dict[str, str]:
    """Make a copy use the project's environment, an empty database and no network."""
    servers.execute(combination.database, settings, f"CREATE DATABASE {database}")
    return settings | {
        f"{combination.database.upper()}_DB_NAME": database,
        "UV_PROJECT_ENVIRONMENT": str(project / ".venv"),
        "UV_OFFLINE": "1",
        "MYPY_CACHE_DIR": str(mypy_cache),
    }


def test_modules_are_as_good_as_examples(
    combination: Combination, project: Path, variables: dict[str, str], tmp_path: Path
) -> None:
    """Run the README's commands on modules; in thorough legs, on one of every type too."""
    # The copy uses this environment.
    run("uv sync --quiet", project)
    folder = tmp_path / "my-app"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns(".venv", ".env", ".*_cache"))
    [orders, *others, checkout, clean, clean_migration] = commands(folder, "## A new module")
    assert orders == "make module name=orders"
    modules = ["orders", "invoices", "order_items"]
    if combination in THOROUGH:
        others.insert(0, f"make module name=things fields='{EVERY_TYPE}'")
        modules.insert(1, "things")
        run([*GIT, "init", "--quiet"], folder)

    for command in (orders, *others):
        before = commit(folder) if combination in THOROUGH else ""
        run(command, folder, **variables)
    if combination in THOROUGH:
        # The README's last commands undo this one, of which Python keeps caches.
        run("uv run python -m compileall -q src/order_items tests/order_items", folder, **variables)
        for command in (checkout, clean, clean_migration):
            run(command, folder)
        assert run([*GIT, "status", "--porcelain"], folder) == ""
        assert commit(folder) == before
        run(others[-1], folder, **variables)

    run("make lint", folder, **variables)
    run("make migrate", folder, **variables)
    assert_tests_pass(folder, [*modules, MIGRATIONS], variables)
    port = free_port()
    with serving("uv run python main.py", folder, port, variables) as client:
        use(client)
    remove(folder, ["examples", *modules])
    run("make migration m='remove all'", folder, **variables)
    # It drops the tables that were used above. The tests below go back and forth in their own.
    run("make migrate", folder, **variables)
    # Core's other tests pass without any module: on one database, since all run them with modules.
    everything = combination == Combination("postgresql", "controller")
    assert_tests_pass(folder, ["."] if everything else [MIGRATIONS], variables)


def assert_tests_pass(folder: Path, tests: list[str], variables: dict[str, str]) -> None:
    """Run a project's tests, given by their paths in `tests`."""
    paths = " ".join(f"tests/{name}" for name in tests)
    assert re.search(r"\d+ passed", run(f"uv run pytest {paths}", folder, **variables))


def remove(folder: Path, modules: list[str]) -> None:
    """Remove modules as the README says, but for the migration."""
    app_module = folder / "src" / "app_module.py"
    text = app_module.read_text(encoding="utf-8")
    for name in modules:
        for parent in ("src", "tests"):
            shutil.rmtree(folder / parent / name)
        text = re.sub(rf".*\b{name.title().replace('_', '')}Module\b.*\n", "", text)
    app_module.write_text(text, encoding="utf-8")


def commit(folder: Path) -> str:
    """Commit all files, and return the tree."""
    run([*GIT, "add", "."], folder)
    run([*GIT, "commit", "--quiet", "--allow-empty", "--message", "A module"], folder)
    return run([*GIT, "rev-parse", "HEAD^{tree}"], folder)


def use(client: httpx.Client) -> None:
    """Use modules that refer to each other, in the right way and in a wrong one."""
    order = client.post("/orders", json={"name": "Tea"})
    invoice = {"number": "1", "order_id": order.json()["id"], "total": "12.5"}
    added = client.post("/invoices", json=invoice)
    assert added.status_code == 201, added.text
    assert added.json() == {**invoice, "id": 1, "total": "12.50", "sent_at": None, "note": None}
    sent = client.patch("/invoices/1", json={"sent_at": "2026-11-23T12:00:00.5+02:00"}).json()
    assert sent["sent_at"] == "2026-11-23T10:00:00.500000Z"
    item = client.post("/shop/items", json={"order_id": 1, "amount": 2})
    assert item.headers["Location"] == "/shop/items/1"

    for response, status in [
        (client.delete("/orders/1"), 409),
        (client.post("/invoices", json=invoice), 409),
        (client.post("/shop/items", json={"order_id": 7, "amount": 2}), 409),
        (client.post("/shop/items", json={"order_id": "1", "amount": 2}), 422),
        (client.post("/shop/items", json={"order_id": 1, "amount": 2**31}), 422),
    ]:
        assert response.status_code == status, response.text
        assert response.headers["Content-Type"] == "application/problem+json"
    for path in ("/invoices/1", "/shop/items/1", "/orders/1"):
        assert client.delete(path).status_code == 204


@pytest.mark.xdist_group("sqlite-service")
def test_any_module_passes_its_tests(
    scaffold: ModuleType, rendered: Path, mypy_cache: Path, tmp_path: Path
) -> None:
    """Generate modules with random names and fields, skip the rejected ones, and use the others."""
    project = Path(shutil.copytree(rendered, tmp_path / "my-app"))
    made: list[str] = []

    @settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
    @given(name=NAMES, fields=st.lists(fields_of(KINDS), min_size=1, max_size=4).map(" ".join))
    def make(name: str, fields: str) -> None:
        if len(made) == MODULES:
            return
        with contextlib.suppress(scaffold.RefusedError):
            names = scaffold.make_names(name)
            scaffold.make_module(scaffold.Project(project), names, fields)
            made.append(names.module)

    make()
    assert len(made) > MODULES / 2
    run("make lint", project, MYPY_CACHE_DIR=str(mypy_cache))
    assert_tests_pass(project, [*made, MIGRATIONS], {})
