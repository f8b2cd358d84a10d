"""Check, migrate, test and serve scaffolded modules on every database."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from tools.releases import releases
from tools.template import TEMPLATE, git, render, run

from .conftest import Commands
from .helpers.docs import find_section
from .helpers.projects import COMBINATIONS, Combination
from .helpers.serving import free_port, legs, on, serving
from .test_scaffold import KINDS, NAMES, fields_of

pytestmark = pytest.mark.matrix

#: The maximum number of random modules in one project.
MODULES = 4
GIT = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
OLD_TYPES = (
    "name:str:unique note:text size:int count:bigint:index ratio:float price:decimal open:bool "
    "day:date at:datetime:unique key:uuid:unique extra:json name2:str? note2:text? "
    "size2:int?:unique count2:bigint? ratio2:float? price2:decimal?:unique open2:bool? "
    "day2:date?:index at2:datetime? key2:uuid? extra2:json? example:ref(examples)?:unique "
    "other:ref(examples)"
)
EVERY_TYPE = (
    f"{OLD_TYPES} state:enum(new, paid,in-transit):index=in-transit state2:enum(one)? born:created "
    "changed:updated changed2:updated:index name3:str=é=(b):c size3:int:index=-5 ratio3:float=1e22 "
    "count3:bigint?=9223372036854775807 price3:decimal=0.5 open3:bool=true note3:text?=no"
)

#: The tests that compare a database with the entities, and run all migrations.
MIGRATIONS = "core/test_migrations.py"

#: Modules of an old project, in the order of their creation.
OLD_MODULES = {
    "orders": "name:str:unique",
    "invoices": "number:str:unique order_id:ref(orders)",
    "reports": "columns:json location:str? t:int tuple:int?",
    "things": OLD_TYPES,
}
#: Creates these modules in one process, because each start of the scaffold takes a second.
CREATE = f"""
import sys
from scaffold.__main__ import main

for name, fields in {OLD_MODULES}.items():
    sys.argv[1:] = [name, "--fields", fields]
    main()
"""


# Each style, on the databases with the most types. SQLite has the tests of random modules.
@on("postgresql-controller", "mysql-service")
@pytest.mark.runs_commands("docs/modules.md", "Make a module", "Undo a new module")
def test_generated_modules_pass_all_checks(
    combination: Combination,
    project: Path,
    commands: Commands,
    variables: dict[str, str],
    tmp_path: Path,
) -> None:
    """Run the page's commands, and also make a module with every type of field."""
    # The copy shares this environment.
    run("uv sync --quiet", project)
    folder = tmp_path / "my-app"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns(".venv", ".env", ".*_cache"))
    make, plain, look, apply = commands(folder, "docs/modules.md", "Make a module")
    [undo] = commands(folder, "docs/modules.md", "Undo a new module")
    orders, *others = make.splitlines()
    assert orders == "make module name=orders"
    migrate, test = apply.splitlines()
    assert test == "make test"
    modules = ["orders", "things", "invoices", "order_items"]
    run([*GIT, "init", "--quiet"], folder)

    for command in [orders, f"make module name=things fields='{EVERY_TYPE}'", *others]:
        run(command, folder, **variables)
    before = commit(folder)
    run(plain, folder, **variables)
    assert "POST   /payments\n" in run(look, folder, **variables)
    assert not (folder / "src" / "payments").exists()
    # Create caches of this module, which `undo` removes.
    run("uv run python -m compileall -q src/order_items tests/order_items", folder, **variables)
    run(undo, folder)
    assert run([*GIT, "status", "--porcelain"], folder) == ""
    assert commit(folder) == before
    run("make openapi", folder, **variables)
    rename_column(folder)
    model = folder / "src" / "things" / "things_model.py"
    rewrite(model, ('    PAID = "paid"\n', ""))
    run(plain, folder, **variables)
    relate(folder)

    run("make lint", folder, **variables)
    run(migrate, folder, **variables)
    # `make module` has updated openapi.json.
    assert_tests_pass(folder, [*modules, MIGRATIONS, "test_openapi.py"], variables)
    port = free_port()
    with serving("uv run python main.py", folder, port, variables) as client:
        use(client)
        check_schemas(client)
    remove(folder, ["examples", *modules])
    (folder / "openapi.json").unlink()
    run("make migration m='remove all'", folder, **variables)
    # This migration drops the tables that were used above. The tests below use other databases.
    run("make migrate", folder, **variables)
    # Core's other tests also pass without modules. One database is enough for that.
    everything = combination.database == "postgresql"
    assert_tests_pass(folder, ["."] if everything else [MIGRATIONS], variables)


def assert_tests_pass(folder: Path, tests: list[str], variables: dict[str, str]) -> None:
    """Run a project's tests, selected by paths in `tests`."""
    paths = " ".join(f"tests/{name}" for name in tests)
    assert re.search(r"\d+ passed", run(f"uv run pytest {paths}", folder, **variables))


def shown(folder: Path, heading: str) -> list[str]:
    """Return the Python blocks in a section of the page about modules."""
    blocks = find_section(folder, "docs/modules.md", heading).code_in("python")
    return [f"{code}\n" for code in blocks]


def rewrite(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, (path, old)
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def relate(folder: Path) -> None:
    """Add the page's relationship to `orders`."""
    imported, entity, statement = shown(folder, "Relationships")
    [attribute] = re.findall(r"^    invoices: .*\n", entity, re.MULTILINE)
    path = folder / "src" / "orders" / "orders_entity.py"
    rewrite(
        path,
        ("from sqlalchemy.orm", "from typing import TYPE_CHECKING\nfrom sqlalchemy.orm"),
        ("mapped_column\n", "mapped_column, relationship\n"),
        ("\n\nclass Order", f"\n{imported}\n\nclass Order"),
    )
    path.write_text(path.read_text(encoding="utf-8") + attribute, encoding="utf-8")
    rewrite(
        folder / "src" / "orders" / "orders_service.py",
        ("import AsyncSession\n", "import AsyncSession\nfrom sqlalchemy.orm import selectinload\n"),
        ("\n\n@Injectable", f"{statement}\n\n@Injectable"),
    )
    run(["ruff", "check", "--fix", "--quiet", "--no-cache", "src/orders"], folder)
    run(["ruff", "format", "--quiet", "--no-cache", "src/orders"], folder)


def rename_column(folder: Path) -> None:
    """Rename a column of `things`, but not its attribute."""
    rewrite(
        folder / "src" / "things" / "things_entity.py",
        ("name: Mapped[str] = mapped_column(", 'name: Mapped[str] = mapped_column("thing_name", '),
    )
    [migration] = folder.glob("migrations/versions/*_create_things.py")
    rewrite(
        migration,
        ('            "name",\n', '            "thing_name",\n'),
        ('"name", name=op.f("uq_things_name")', '"thing_name", name=op.f("uq_things_thing_name")'),
    )


def remove(folder: Path, modules: list[str]) -> None:
    """Remove modules as the page says, except for the migration."""
    app_module = folder / "src" / "app_module.py"
    text = app_module.read_text(encoding="utf-8")
    for name in modules:
        for parent in ("src", "tests"):
            shutil.rmtree(folder / parent / name)
        text = re.sub(rf".*\b{name.title().replace('_', '')}Module\b.*\n", "", text)
    app_module.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("combination", legs(COMBINATIONS[:1]), indirect=True, scope="session")
@pytest.mark.runs_commands("README.md", "Add a module", "Migrations")
@pytest.mark.runs_commands("AGENTS.md", "Add a module", "Change a table")
@pytest.mark.runs_commands(
    "docs/migrations.md", "Change a table", "Go back", "Migrate in production"
)
@pytest.mark.runs_commands("docs/modules.md", "Remove an old module")
@pytest.mark.runs_commands("docs/testing.md", "Run the tests")
def test_documented_steps_lead_to_modules(
    project: Path, commands: Commands, variables: dict[str, str], tmp_path: Path
) -> None:
    """Follow the pages on a project's modules and migrations, one after the other."""
    run("uv sync --quiet", project)
    folder = tmp_path / "my-app"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns(".venv", ".env", ".*_cache"))

    def follow(page: str, heading: str) -> str:
        blocks = commands(folder, page, heading)
        return "".join(run(block, folder, **variables) for block in blocks)

    def add_column(module: str, column: str) -> None:
        [entity] = (folder / "src" / module).glob("*_entity.py")
        with entity.open("a") as file:
            file.write(f"    {column}: Mapped[str | None] = mapped_column(String(100))\n")

    # `make test` only runs the new tests here.
    variables |= {"PYTEST_ADDOPTS": "tests/books"}
    assert re.search(r"\d+ passed", follow("README.md", "Add a module"))
    del variables["PYTEST_ADDOPTS"]
    follow("AGENTS.md", "Add a module")
    for number, (page, heading, module) in enumerate(
        [
            ("README.md", "Migrations", "books"),
            ("AGENTS.md", "Change a table", "orders"),
            ("docs/migrations.md", "Change a table", "examples"),
        ]
    ):
        add_column(module, f"added_{number}")
        follow(page, heading)
        newest = newest_migration(folder)
        assert re.search(rf'sa\.Column\(\s*"added_{number}"', newest)
    run("uv run alembic check", folder, **variables)

    went = follow("docs/migrations.md", "Go back")
    assert "(head)" in went
    assert "Running downgrade" in went
    assert "Running upgrade" in follow("docs/migrations.md", "Migrate in production")
    test, some = commands(folder, "docs/testing.md", "Run the tests")
    # All of the tests run elsewhere, and fewer processes leave room for the other legs.
    some = some.replace("-n 4", "-n 2 tests/test_app.py")
    assert test == "make test"  # README.md has it too
    assert len(re.findall(r"\d+ passed", run(some, folder, **variables))) == 2
    remove(folder, ["examples"])
    follow("docs/modules.md", "Remove an old module")
    assert 'op.drop_table("examples")' in newest_migration(folder)


def newest_migration(folder: Path) -> str:
    """Read the migration that was written last."""
    paths = (folder / "migrations" / "versions").glob("*.py")
    return max(paths, key=lambda path: path.stat().st_mtime_ns).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def first_release(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Check out the first release of the template."""
    folder = tmp_path_factory.mktemp("first") / "pynest-async"
    git(template, "clone", "--quiet", str(template), str(folder))
    git(folder, "checkout", "--quiet", releases(TEMPLATE)["0.1.0"])
    return folder


# SQLite's keys always have 64 bits, and `test_edited_project_of_any_version_updates` runs old
# modules there.
@on("postgresql-service", "mysql-controller")
def test_modules_of_first_release_still_work(
    combination: Combination,
    project: Path,
    variables: dict[str, str],
    first_release: Path,
    tmp_path: Path,
) -> None:
    """Copy modules of an old project into a new one, then widen their keys."""
    run("uv sync --quiet", project)
    old = render(str(tmp_path / "old"), first_release, **combination.answers)
    run([sys.executable, "-c", CREATE], old, PYTHONDONTWRITEBYTECODE="1")
    folder = tmp_path / "my-app"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns(".venv", ".env", ".*_cache"))
    shutil.copyfile(old / "src" / "app_module.py", folder / "src" / "app_module.py")
    shutil.rmtree(folder / "migrations" / "versions")
    shutil.copytree(old / "migrations" / "versions", folder / "migrations" / "versions")
    for parent in ("src", "tests"):
        shutil.rmtree(folder / parent / "examples")
        for name in ("examples", *OLD_MODULES):
            shutil.copytree(old / parent / name, folder / parent / name)

    run("make lint", folder, **variables)
    # Their code is the same on every database, so one leg runs all tests.
    tested = ["examples", *OLD_MODULES] if combination.database == "postgresql" else ["invoices"]
    assert_tests_pass(folder, [*tested, MIGRATIONS], variables)
    run("uv run alembic upgrade head", folder, **variables)

    widen(folder)
    run("uv run alembic upgrade head", folder, **variables)
    run("uv run alembic check", folder, **variables)
    key = str(2**40)
    statements = ["INSERT INTO orders (id, name) VALUES (KEY, 'Tea')"]
    if combination.database == "postgresql":
        statements.append("SELECT setval('orders_id_seq', KEY)")
    execute(folder, [statement.replace("KEY", key) for statement in statements], **variables)
    with serving("uv run python main.py", folder, free_port(), variables) as client:
        assert client.get(f"/orders/{2**40}").json() == {"id": 2**40, "name": "Tea"}
        order = client.post("/orders", json={"name": "Milk"})
        assert order.json()["id"] == 2**40 + 1
        invoice = {"number": "1", "order_id": 2**40 + 1}
        assert client.post("/invoices", json=invoice).status_code == 201
        assert client.delete(order.headers["Location"]).status_code == 409
        assert client.get("/orders", params={"after": 2**40}).json()["items"] == [order.json()]

    replace_list(folder)
    run("make lint", folder, **variables)
    with serving("uv run python main.py", folder, free_port(), variables) as client:
        page = client.get("/orders", params={"sort": "name", "limit": 1}).json()
        assert page["items"] == [order.json()]
        more = {"sort": "name", "cursor": page["next"]}
        assert [each["name"] for each in client.get("/orders", params=more).json()["items"]] == [
            "Tea"
        ]
        assert client.get("/orders", params={"name": "Milk"}).json()["items"] == [order.json()]
        assert client.get("/orders", params={"nmae": "Milk"}).status_code == 422


def execute(folder: Path, statements: list[str], **variables: str) -> None:
    """Execute SQL with the service's engine, and commit."""
    code = f"""
import asyncio
from sqlalchemy import text
from src.config import config

async def main():
    async with config.engine.begin() as connection:
        for statement in {statements!r}:
            await connection.execute(text(statement))
    await config.dispose()

asyncio.run(main())
"""
    run(["uv", "run", "--no-sync", "python", "-c", code], folder, **variables)


def widen(folder: Path) -> None:
    """Widen the keys of `orders` to 64 bits, as the page shows."""
    for name in ("orders", "invoices"):
        for path in (folder / "src" / name).glob("*_[mc]o*.py"):
            text = path.read_text(encoding="utf-8")
            path.write_text(re.sub(r"\b(Id|After|Reference)\b", r"\g<1>64", text), encoding="utf-8")
    rewrite(
        folder / "src" / "orders" / "orders_entity.py",
        ("mapped_column(Integer,", "mapped_column(Id64,"),
        ("from src.config", "from src.core.columns import Id64\nfrom src.config"),
    )
    versions = folder / "migrations" / "versions"
    texts = [path.read_text(encoding="utf-8") for path in versions.glob("*.py")]
    revisions, followed = (
        {name for text in texts for name in re.findall(rf'^{key} = "(.*)"$', text, re.MULTILINE)}
        for key in ("revision", "down_revision")
    )
    [head] = revisions - followed
    for upgrade in shown(folder, "Keys of 64 bits"):
        header = 'import sqlalchemy as sa\nfrom alembic import op\n\nrevision = "wide"\n'
        (versions / "wide.py").write_text(f'{header}down_revision = "{head}"\n\n\n{upgrade}')


def replace_list(folder: Path) -> None:
    """Let the list of `orders` filter and sort, as the page shows."""
    model, controller, service, _ = shown(folder, "Filter and sort an older list")
    page = (folder / "docs" / "modules.md").read_text(encoding="utf-8")
    [statement] = re.findall(r"`(ALL = .*)`", page)
    # Ruff removes those that a file doesn't use.
    imports = """
from typing import Annotated, Literal
from fastapi import Query
from src.config import config
from src.core.models import columns_of
from src.core.paging import CursorPage, ListQuery, select_page
"""
    for name, start, code in [
        ("model", "", model),
        ("controller", '@Get("/",', controller),
        ("service", "@async_db_request_handler\n    async def get_orders(", service),
    ]:
        path = folder / "src" / "orders" / f"orders_{name}.py"
        text = imports + path.read_text(encoding="utf-8")
        if start:
            method = rf"    {re.escape(start)}.*?(?=\n    @)"
            text, count = re.subn(method, code, text, flags=re.DOTALL)
            assert count == 1
            text = f"from .orders_model import OrdersQuery\n{text}"
            text = text.replace("\n\n@Injectable", f"\n{statement}\n\n\n@Injectable")
        else:
            text += f"\n\n{code}"
        path.write_text(text, encoding="utf-8")
    run(["ruff", "check", "--fix", "--quiet", "--no-cache", "src/orders"], folder)
    run(["ruff", "format", "--quiet", "--no-cache", "src/orders"], folder)


def commit(folder: Path) -> str:
    """Commit all files, and return the hash of the tree."""
    run([*GIT, "add", "."], folder)
    run([*GIT, "commit", "--quiet", "--allow-empty", "--message", "A module"], folder)
    return run([*GIT, "rev-parse", "HEAD^{tree}"], folder)


def check_schemas(client: httpx.Client) -> None:
    """Check how the OpenAPI schema shows the enums, defaults and timestamps of `things`."""
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    create, update, thing = (
        schemas[name]["properties"] for name in ("ThingCreate", "ThingUpdate", "Thing")
    )
    enum = {"$ref": "#/components/schemas/ThingState"}
    assert schemas["ThingState"]["enum"] == ["new", "in-transit"]
    assert create["state"] == {**enum, "default": "in-transit"}
    assert update["state"] == enum
    assert thing["state"]["anyOf"] == [enum, {"type": "string"}]
    defaults = {"price3": "0.50", "size3": -5, "count3": 2**63 - 1, "name3": "é=(b):c"}
    assert defaults == {name: create[name]["default"] for name in defaults}
    assert not {name for name in update if "default" in update[name]}
    assert defaults.keys().isdisjoint(schemas["ThingCreate"]["required"])
    for name in ("born", "changed"):
        assert name not in create.keys() | update.keys()
        assert thing[name]["format"] == "date-time"


def use(client: httpx.Client) -> None:
    """Send valid and invalid requests to modules that refer to each other."""
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


@on("sqlite-service")
def test_any_module_passes_its_tests(
    scaffold: ModuleType, installed: Path, variables: dict[str, str], tmp_path: Path
) -> None:
    """Generate modules with random names and fields, and run the tests of the accepted ones."""
    ignored = shutil.ignore_patterns(".venv", ".*_cache")
    project = Path(shutil.copytree(installed, tmp_path / "my-app", ignore=ignored))
    made: list[str] = []

    @settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
    @given(name=NAMES, fields=st.lists(fields_of(KINDS), min_size=1, max_size=4).map(" ".join))
    def make(name: str, fields: str) -> None:
        if len(made) == MODULES:
            return
        try:
            names = scaffold.make_names(name)
            scaffold.make_module(scaffold.Project(project), names, fields)
        except scaffold.RejectedError:
            reject()
        made.append(names.module)

    make()
    assert len(made) == MODULES
    run("make lint", project, **variables)
    assert_tests_pass(project, [*made, MIGRATIONS], variables)


def make_target(rendered: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make, which prints the commands of uv instead of running them."""
    command = ["make", "--silent", "--old-file=uv.lock", "UV=echo", *arguments]
    return subprocess.run(command, cwd=rendered, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("given", "flags"), [("", []), ("0", []), ("1", ["--dry-run"])])
def test_make_reads_dry_run(rendered: Path, given: str, flags: list[str]) -> None:
    result = make_target(rendered, "module", "name=orders", f"dry_run={given}")

    assert result.returncode == 0
    expected = ["--fields=", "--singular=", "--route=", *flags, "--", "orders"]
    assert result.stdout.split() == ["run", "python", "-m", "scaffold", *expected]


@pytest.mark.parametrize("given", ["no", "false", "1 0", "'"])
def test_make_rejects_unclear_dry_run(rendered: Path, given: str) -> None:
    result = make_target(rendered, "module", "name=orders", f"dry_run={given}")

    assert result.returncode != 0
    assert result.stdout == ""
    assert result.stderr.startswith("dry_run is neither 0 nor 1: write dry_run=1\n")
