"""`make module` in a rendered project: its arguments, its errors and its changes.

The scaffold runs in this process; `test_modules.py` uses the modules.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tools.examples import scaffolded
from tools.template import AUTHS, SESSION_STYLES, environment, files, run

from .conftest import Render

# One process renders the project and imports its scaffold.
pytestmark = pytest.mark.xdist_group("scaffold")


@pytest.fixture
def project(rendered: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(rendered, tmp_path / "my-app"))


Make = Callable[..., list[str]]
Contents = dict[str, bytes]


@pytest.fixture
def make(scaffold: ModuleType, project: Path) -> Make:
    """Return a function that creates a module in the project like the command line."""

    def make(
        name: str, fields: str = "", singular: str = "", route: str = "", *, dry_run: bool = False
    ) -> list[str]:
        names = scaffold.make_names(name, singular, route)
        known = scaffold.Project(project)
        told: list[str] = scaffold.make_module(known, names, fields, dry_run=dry_run)
        return told

    return make


def contents(project: Path) -> Contents:
    return {path.as_posix(): (project / path).read_bytes() for path in files(project)}


@pytest.fixture(scope="module")
def unchanged(render: Render, scaffold: ModuleType) -> tuple[Any, Contents]:
    """Return a project that every test leaves unchanged, and its files.

    The scaffold parses its code once for all tests.
    """
    folder = render()
    (folder / "src" / "odd.py").write_text("class ExamPle: ...\n")
    return scaffold.Project(folder), contents(folder)


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("style", SESSION_STYLES)
def test_examples_match_the_scaffold(style: str, auth: str, render: Render, tmp_path: Path) -> None:
    project = render(session_style=style, auth=auth)

    assert contents(scaffolded(project, tmp_path)) == contents(project), "run `make examples`"


def test_scaffold_template_gets_all_variables(scaffold: ModuleType, rendered: Path) -> None:
    settings = scaffold.json.loads((rendered / scaffold.TEMPLATE / "cookiecutter.json").read_text())

    context = scaffold.make_context(scaffold.make_names("orders"), [], None)

    assert {name for name in settings if not name.startswith("_")} | {"fields"} == context.keys()


def test_command_prints_its_changes(project: Path) -> None:
    command = [sys.executable, "-m", "scaffold", "Order items", "--route", "/shop/items"]
    before = contents(project)

    told = run(command, project, PYTHONDONTWRITEBYTECODE="1").splitlines()

    after = contents(project)
    created = {line.removeprefix("CREATE ") for line in told if line.startswith("CREATE ")}
    updated = {line.removeprefix("UPDATE ") for line in told if line.startswith("UPDATE ")}
    assert created == after.keys() - before.keys()
    assert updated == {name for name in before if before[name] != after[name]}
    assert updated == {"src/app_module.py"}
    assert {
        f"src/order_items/{name}.py"
        for name in (
            "__init__",
            "order_items_controller",
            "order_items_entity",
            "order_items_model",
            "order_items_module",
            "order_items_service",
        )
    } < created
    assert "POST   /shop/items" in told
    assert "DELETE /shop/items/{order_item_id}" in told
    assert "Filters of the list: name" in told
    assert "Sorts, also with a -: id, name" in told


def test_only_indexed_fields_filter_and_sort(make: Make, project: Path) -> None:
    fields = "aa:str bb:decimal:index cc:ref(examples)? dd:bool:index ee:created ff:updated"

    told = make("orders", fields)

    filters = "bb, bb_min, bb_max, cc, dd, ee, ee_min, ee_max"
    assert f"Filters of the list: {filters}" in told
    assert "Sorts, also with a -: id, bb, ee" in told
    entity = (project / "src" / "orders" / "orders_entity.py").read_text(encoding="utf-8")
    indexes = re.findall(r'Index\("ix_orders_(\w+)", "(\w+)", "id"\)', entity)
    assert indexes == [(name, name) for name in ("bb", "cc", "dd", "ee")]
    assert "Filters of the list: none" in make("books", "aa:str")


def test_factory_follows_the_enum(make: Make, project: Path) -> None:
    make("orders", "aa:enum(new,paid) bb:enum(one)? cc:ref(examples)")

    factory = project / "tests" / "orders" / "orders_factory.py"
    text = factory.read_text(encoding="utf-8")
    assert "from src.orders.orders_model import OrderAa, OrderBb\n" in text
    assert '"aa": list(OrderAa)[number % len(OrderAa)],' in text
    assert '"bb": list(OrderBb)[number % len(OrderBb)],' in text


def test_dry_run_writes_nothing(scaffold: ModuleType, make: Make, project: Path) -> None:
    before = contents(project)

    with pytest.raises(scaffold.RejectedError, match=r"^fields: 'decimal' already"):
        make("orders", "decimal:int", dry_run=True)
    planned = make("orders", dry_run=True)

    assert contents(project) == before
    assert not list(project.glob(".scaffold-*"))
    assert planned[-1] == "This was a dry run. Nothing was written."
    shown = planned.index("src/app_module.py:")
    assert planned[shown + 1 : shown + 3] == [
        "+ from .orders.orders_module import OrdersModule",
        "+         OrdersModule,",
    ]
    # Each module has a new revision.
    plain = [re.sub(r"_[0-9a-f]{12}_", "_", line) for line in planned[:shown]]
    made = [re.sub(r"_[0-9a-f]{12}_", "_", line) for line in make("orders")]
    assert plain == made[:shown]
    assert planned[shown + 3 : -1] == made[shown - 1 : -1]


def test_dry_run_keeps_unusual_app_module(make: Make, project: Path) -> None:
    app_module = project / "src" / "app_module.py"
    app_module.write_text(app_module.read_text(encoding="utf-8").replace("imports=", "exports="))
    before = contents(project)

    planned = make("orders", dry_run=True)

    assert contents(project) == before
    assert "        OrdersModule," in planned
    assert "src/app_module.py:" not in planned


@pytest.mark.parametrize(
    "name",
    ["order_items", "OrderItems", "orderItems", "order-items", "Order items", "  Order_Items "],
)
def test_name_is_accepted_in_any_spelling(scaffold: ModuleType, name: str) -> None:
    names = scaffold.make_names(name)

    assert names.module == "order_items"
    assert names.singular == "order_item"
    assert names.plural_class == "OrderItems"
    assert names.singular_class == "OrderItem"
    assert names.route == "order_items"


@pytest.mark.parametrize(
    ("name", "singular"),
    [
        ("orders", "order"),
        ("order", "order"),
        ("companies", "company"),
        ("people", "person"),
        ("addresses", "address"),
        ("status", "status"),
        ("sheep", "sheep"),
        ("HTTPLogs", "http_log"),
        ("orders2", "orders2"),
    ],
)
def test_singular_is_derived(scaffold: ModuleType, name: str, singular: str) -> None:
    assert scaffold.make_names(name).singular == singular


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": ""}, "name: .*words of letters"),
        ({"name": "2fast"}, "name: .*words of letters"),
        ({"name": "order!"}, "name: .*words of letters"),
        ({"name": "../orders"}, "name: .*words of letters"),
        ({"name": "bücher"}, "name: .*words of letters"),
        ({"name": "class"}, "name: 'class' is a Python keyword"),
        ({"name": "json"}, "name: 'json' is a Python module"),
        ({"name": "core"}, "name: 'core' is a part of the app"),
        ({"name": "Config"}, "name: 'config' is a part of the app"),
        ({"name": "app"}, "name: 'app' is a part of the app"),
        ({"name": "aux"}, "name: 'aux' is a device"),
        ({"name": "sqlite_things"}, "name: 'sqlite_things' is reserved"),
        ({"name": "o" * 41}, "name: .* is over 40 characters"),
        ({"name": "examples"}, r"name: src/examples already exists"),
        ({"name": "app_module"}, r"name: src/app_module\.py already exists"),
        ({"name": "throwaway"}, r"name: tests/throwaway\.py already exists"),
        ({"name": "health"}, "route: /health conflicts with /health/"),
        ({"name": "orders", "route": "/examples"}, "route: /examples conflicts with /examples"),
        ({"name": "orders", "route": "/examples/old"}, "route: /examples/old conflicts with"),
        ({"name": "orders", "route": "/docs"}, "route: /docs conflicts with /docs"),
        ({"name": "orders", "route": "/"}, "route: '/' is invalid"),
        ({"name": "orders", "route": "/{x}"}, "route: '/{x}' is invalid"),
        ({"name": "orders", "route": "/Orders"}, "route: '/Orders' is invalid"),
        (
            {"name": "orders", "singular": "example"},
            "singular: src/examples/.* has a class Example",
        ),
        ({"name": "orders", "singular": "a b!"}, "singular: .*words of letters"),
        ({"name": "os"}, "name: 'os' is a Python module"),
        ({"name": "orders", "singular": "o"}, "singular: 'o' would name a class O, which looks"),
        ({"name": "exceptions"}, "singular: 'exception' would name a class Exception"),
        ({"name": "nones"}, "singular: 'none' would name a class None"),
        ({"name": "problems"}, "singular: 'problem' would name a class Problem, which the OpenAPI"),
        ({"name": "orders", "singular": "o" * 41}, "singular: .* is over 40 characters"),
        ({"name": "app_services", "singular": "app_info"}, "singular: .* has a class AppInfo"),
        (
            {"name": "app_2", "route": "/docs/oauth2-redirect"},
            "route: /docs/oauth2-redirect conflicts",
        ),
        ({"name": "dates"}, "singular: 'date' would name a class Date"),
        ({"name": "texts"}, "singular: 'text' would name a class Text"),
        ({"name": "orders", "fields": "number"}, "fields: number has no type; the types are str, "),
        ({"name": "orders", "fields": "number:string"}, "fields: number has 'string', .*str, text"),
        (
            {"name": "orders", "fields": "number:str:uniq"},
            "fields: number has 'uniq', .*unique and index",
        ),
        ({"name": "orders", "fields": "number:str:int"}, "fields: number has 'int', .*repeated"),
        ({"name": "orders", "fields": "number:unique?:str"}, r"fields: number has 'unique\?'"),
        ({"name": "orders", "fields": "Number:str"}, "fields: invalid name 'Number'"),
        ({"name": "orders", "fields": "_a:str"}, "fields: invalid name '_a'"),
        ({"name": "orders", "fields": "l:int"}, "fields: 'l' looks like 1"),
        ({"name": "orders", "fields": "class:str"}, "fields: 'class' already has"),
        ({"name": "orders", "fields": "id:int"}, "fields: 'id' already has"),
        ({"name": "orders", "fields": "json:json"}, "fields: 'json' already has"),
        ({"name": "orders", "fields": "metadata:json"}, "fields: 'metadata' already has"),
        ({"name": "orders", "fields": "str:str"}, "fields: 'str' already has"),
        ({"name": "orders", "fields": "t:int"}, "fields: 't' already has"),
        ({"name": "orders", "fields": "tuple:int"}, "fields: 'tuple' already has"),
        ({"name": "orders", "fields": "aa:str aa:int"}, "fields: 'aa' is given twice"),
        ({"name": "orders", "fields": "aa:text:unique"}, "fields: aa cannot be unique"),
        ({"name": "orders", "fields": "aa:json:index"}, "fields: aa cannot have an index, because"),
        ({"name": "orders", "fields": "aa:bool:unique"}, "fields: aa cannot be unique"),
        ({"name": "orders", "fields": f"{'a' * 60}:int:index"}, "fields: .* over 63 char"),
        (
            {"name": "orders", "fields": "limit:int:index"},
            "fields: 'limit' has an index, .*such as 'limit_value'",
        ),
        ({"name": "orders", "fields": "cursor:str:unique"}, "fields: 'cursor' has an index"),
        ({"name": "orders", "fields": "aa_min:int:index"}, "fields: 'aa_min' has an index"),
        ({"name": "orders", "fields": "aa_max:ref(examples)"}, "fields: 'aa_max' has an index"),
        ({"name": "sheep", "fields": "query:enum(a)"}, "fields: .* an enum SheepQuery, which"),
        ({"name": "orders", "fields": "aa:ref(nothing)"}, r"fields: ref\(nothing\) needs a module"),
        ({"name": "orders", "fields": "aa:ref(orders)"}, r"fields: ref\(orders\) needs a module"),
        ({"name": "orders", "fields": "aa:ref(core)"}, r"fields: ref\(core\) needs a module"),
        ({"name": "orders", "fields": "aa:ref()"}, r"fields: ref\(\): '' is invalid"),
        (
            {"name": "orders", "fields": "aa:enum"},
            r"fields: aa has 'enum'; write enum\(new,paid\)$",
        ),
        ({"name": "orders", "fields": "aa:ref?"}, r"fields: aa has 'ref\?'; write ref\(orders\)$"),
        (
            {"name": "orders", "fields": "aa_min:text aa:int:index"},
            "fields: 'aa_min' is also a parameter that filters by 'aa'; choose .*'aa_min_value'",
        ),
        ({"name": "orders", "fields": "aa:created bb:int aa_max:bool"}, "fields: 'aa_max' is also"),
        ({"name": "orders", "fields": "aa:enum()"}, "fields: aa has an invalid enum value ''"),
        (
            {"name": "orders", "fields": "aa:enum(new,Paid)"},
            "fields: aa has an invalid enum value 'Paid': use up to 50 lower-case letters, digits",
        ),
        ({"name": "orders", "fields": "aa:enum(a b)"}, "fields: aa has an invalid .* 'a b'"),
        ({"name": "orders", "fields": "aa:enum(a:b)"}, "fields: aa has an invalid .* 'a:b'"),
        ({"name": "orders", "fields": "aa:enum(2xl)"}, "fields: aa has an invalid .* '2xl'"),
        ({"name": "orders", "fields": f"aa:enum({'a' * 51})"}, "fields: aa has an invalid enum"),
        ({"name": "orders", "fields": "aa:enum(a-b,a_b)"}, "fields: aa has an enum value twice"),
        (
            {"name": "orders", "fields": f"aa:enum({','.join(f'a{n}' for n in range(101))})"},
            "fields: aa has 101 enum values, but the limit is 100",
        ),
        ({"name": "orders", "fields": "aa:enum(a"}, r"fields: 'aa:enum\(a' has an unpaired paren"),
        ({"name": "orders", "fields": "aa:enum(a):unique"}, "fields: aa cannot be unique"),
        ({"name": "orders", "fields": "create:enum(a)"}, "fields: .* an enum OrderCreate, which"),
        ({"name": "shorts", "fields": "line:enum(a)"}, "fields: .* an enum ShortLine, which"),
        ({"name": "values", "fields": "error:enum(a)"}, "fields: .* an enum ValueError, which Py"),
        (
            {"name": "exams", "singular": "exam", "fields": "ple:enum(a) aa:enum(b)"},
            "fields: ple would name an enum ExamPle, but src/odd.py",
        ),
        (
            {"name": "orders", "fields": "aa:enum(new,paid)=Paid"},
            "fields: aa has an invalid default 'Paid': end the field with one of new, paid",
        ),
        (
            {"name": "orders", "fields": "aa:int=1.5"},
            "fields: aa has an invalid default '1.5': .*32",
        ),
        ({"name": "orders", "fields": "aa:int=2147483648"}, "fields: aa has an invalid default"),
        ({"name": "orders", "fields": "aa:bigint=-9223372036854775809"}, "fields: .* of 64 bits"),
        ({"name": "orders", "fields": "aa:int=1:index"}, "fields: aa has an invalid .*'1:index'"),
        ({"name": "orders", "fields": "aa:float=nan"}, "fields: aa has an invalid default 'nan'"),
        ({"name": "orders", "fields": "aa:float=1e999"}, "fields: aa has an invalid default"),
        ({"name": "orders", "fields": "aa:decimal=0.555"}, "fields: aa has an invalid default"),
        ({"name": "orders", "fields": "aa:bool=True"}, "fields: .* 'True': .* true or false"),
        ({"name": "orders", "fields": "aa:str="}, "fields: aa has an invalid default ''"),
        ({"name": "orders", "fields": "aa:text=\x1b"}, "fields: aa has an invalid .*printable"),
        ({"name": "orders", "fields": f"aa:str={'a' * 101}"}, "fields: aa has an invalid .*100"),
        ({"name": "orders", "fields": "aa:str=a,b"}, "fields: b has no type"),
        ({"name": "orders", "fields": "aa:date=2026-11-23"}, "fields: aa cannot have a default"),
        ({"name": "orders", "fields": "aa:json={}"}, "fields: aa cannot have a default"),
        ({"name": "orders", "fields": "aa:created=now bb:int"}, "fields: aa cannot have a default"),
        (
            {"name": "orders", "fields": "aa:ref(examples)=1"},
            "fields: aa cannot have a default, because of its type; remove =1",
        ),
        (
            {"name": "orders", "fields": "aa:int:unique=1"},
            "fields: aa cannot have a default, because it is unique; remove =1",
        ),
        (
            {"name": "orders", "fields": "aa:int=1 password:str=aa"},
            "fields: lint takes the default of aa or password for a secret",
        ),
        ({"name": "orders", "fields": "aa:str=/tmp/a"}, "fields: lint takes the default of aa"),
        ({"name": "orders", "fields": "decimal:int"}, "fields: 'decimal' already has"),
        ({"name": "orders", "fields": "utc_now:int"}, "fields: 'utc_now' already has"),
        ({"name": "orders", "fields": "aa:created bb:updated"}, "fields: the app sets aa and bb"),
        ({"name": "orders", "fields": "aa:created? bb:int"}, "fields: aa cannot be nullable"),
        ({"name": "orders", "fields": "aa:updated:unique"}, "fields: aa cannot be unique"),
        (
            {"name": "orders", "fields": "aa:str:ref(examples)"},
            "fields: aa is a ref, which can only",
        ),
    ],
    ids=str,
)
def test_invalid_arguments_are_rejected(
    scaffold: ModuleType,
    unchanged: tuple[Any, Contents],
    given: dict[str, str],
    message: str,
) -> None:
    project, before = unchanged
    names = [given.get(each, "") for each in ("name", "singular", "route")]

    with pytest.raises(scaffold.RejectedError, match=f"^{message}") as refused:
        scaffold.make_module(project, scaffold.make_names(*names), given.get("fields", ""))

    assert "\n" not in str(refused.value)
    assert contents(project.root) == before


@pytest.mark.parametrize(
    ("key", "migrated", "model"),
    [
        ("Id64, ", 'sa.BigInteger().with_variant(sa.Integer(), "sqlite")', "Reference64"),
        ("BigInteger, ", "sa.BigInteger()", "Reference64"),
        ("sa.BigInteger(), ", "sa.BigInteger()", "Reference64"),
        ("Integer, ", "sa.Integer()", "Reference"),
        ("", "sa.Integer()", "Reference"),
    ],
)
def test_reference_has_the_width_of_its_key(
    make: Make, project: Path, key: str, migrated: str, model: str
) -> None:
    entity = project / "src" / "examples" / "examples_entity.py"
    entity.write_text(entity.read_text().replace("mapped_column(Id64, ", f"mapped_column({key}"))

    make("orders", "example_id:ref(examples)")

    [migration] = project.glob("migrations/versions/*_create_orders.py")
    text = migration.read_text()
    column = text.partition('"example_id"')[2].partition("nullable")[0]
    assert re.sub(r"\s+", "", migrated) in re.sub(r"\s+", "", column)
    assert ("with_variant" in column) is ("with_variant" in migrated)
    models = (project / "src" / "orders" / "orders_model.py").read_text()
    assert f"    example_id: {model}\n" in models
    tests = (project / "tests" / "orders" / "test_orders.py").read_text()
    assert f'{{"example_id": 2**{63 if model.endswith("64") else 31}}}' in tests


@pytest.mark.parametrize(
    ("id_", "kind"),
    [
        ("id: Mapped[int] = mapped_column(SmallInteger, primary_key=True)", "SmallInteger"),
        ("id: Mapped[UUID] = mapped_column(primary_key=True)", r"Mapped\[UUID\]"),
    ],
)
def test_reference_to_another_key_is_rejected(
    scaffold: ModuleType, make: Make, project: Path, id_: str, kind: str
) -> None:
    entity = project / "src" / "examples" / "examples_entity.py"
    entity.write_text(re.sub(r"id: Mapped.*", id_, entity.read_text()))

    with pytest.raises(
        scaffold.RejectedError, match=f"an Id64, BigInteger or Integer, not {kind};"
    ):
        make("orders", "example_id:ref(examples)")


def test_module_of_locations_sets_its_location(make: Make, project: Path) -> None:
    """The controller also calls a function named `location`."""
    make("locations")

    controller = (project / "src" / "locations" / "locations_controller.py").read_text()
    assert "location_: LocationCreate" in controller
    assert 'location(request, "get_location", location_id=added.id)' in controller


def test_rejection_is_one_line(project: Path) -> None:
    command = [sys.executable, "-m", "scaffold", "orders", "--fields", "number:string"]

    result = subprocess.run(
        command, cwd=project, env=environment(), capture_output=True, text=True, check=False
    )

    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("fields: number has 'string'")
    assert result.stderr.count("\n") == 1


def test_several_migration_heads_are_rejected(
    scaffold: ModuleType, make: Make, project: Path
) -> None:
    versions = project / "migrations" / "versions"
    text = (versions / "0001_create_examples.py").read_text()
    (versions / "other.py").write_text(text.replace('revision = "0001"', 'revision: str = "other"'))

    with pytest.raises(scaffold.RejectedError, match=r"2 heads, 0001 and other; .* merge heads"):
        make("orders")

    merged = text.replace('"0001"', '"both"').replace("= None", '= ("0001", "other")', 1)
    (versions / "merged.py").write_text(merged)
    make("orders")
    [migration] = versions.glob("*_create_orders.py")
    assert 'down_revision = "both"' in migration.read_text()


def test_name_is_rejected_while_migrations_keep_table(
    scaffold: ModuleType, make: Make, project: Path
) -> None:
    make("orders")
    for folder in ("src/orders", "tests/orders"):
        shutil.rmtree(project / folder)

    with pytest.raises(
        scaffold.RejectedError, match=r"name: migrations/.* creates a table 'orders'"
    ):
        make("orders")

    [migration] = project.glob("migrations/versions/*_create_orders.py")
    migration.unlink()
    before = contents(project)["src/app_module.py"]
    told = make("orders")
    assert contents(project)["src/app_module.py"] == before, "registered twice"
    assert not [line for line in told if line.startswith("UPDATE")]


APP_MODULE = """\
# The app.
from nest.core import Module
{imports}

@Module(  # what it is made of
    controllers=[],
    imports={entries},
)
class AppModule:
    pass
"""
COMMENTED = """[
        AModule,  # a
        # then
        ZModule,  # z
        # end
    ]"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ("[]", "[OrdersModule]"),
        ("[AModule]", "[AModule, OrdersModule]"),
        ("[AModule, ZModule,]", "[AModule, ZModule, OrdersModule,]"),
        ("[*MODULES]", "[*MODULES, OrdersModule]"),
        (COMMENTED, COMMENTED.replace("# z\n", "# z\n        OrdersModule,\n")),
        (
            "[\n        AModule,\n        ZModule  # no comma\n    ]",
            "[\n        AModule,\n        ZModule,  # no comma\n        OrdersModule\n    ]",
        ),
        ("[AModule, OrdersModule]", "[AModule, OrdersModule]"),
    ],
)
def test_registration_keeps_format_and_comments(
    scaffold: ModuleType, entries: str, expected: str, newline: str
) -> None:
    imports = "\nfrom .a.a_module import AModule  # a\nfrom .z.z_module import ZModule\n"
    added = f"{imports}from .orders.orders_module import OrdersModule\n"
    # Not UTF-8: the file says so itself.
    coding = "# -*- coding: latin-1 -*-\n# é\n"

    def source(imports: str, entries: str) -> bytes:
        text = coding + APP_MODULE.format(imports=imports, entries=entries)
        return text.replace("\n", newline).encode("latin-1")

    names = scaffold.make_names("orders")
    registered = scaffold.register(source(imports, entries), names)

    assert registered == source(added, expected)
    assert scaffold.register(registered, names) == registered


@pytest.mark.parametrize("tidy", [True, False])
def test_order_of_imports_is_kept(make: Make, project: Path, *, tidy: bool) -> None:
    app_module = project / "src" / "app_module.py"
    text = app_module.read_text(encoding="utf-8")
    line = "from .app_controller import AppController\n"
    if not tidy:
        app_module.write_text(line + text.replace(line, ""), encoding="utf-8")

    make("apples")

    lines = app_module.read_text(encoding="utf-8").splitlines()
    place = lines.index("from .apples.apples_module import ApplesModule")
    before = "from .app_service import APP_INFO, AppService"
    assert lines[place - 1] == (
        before if tidy else "from .examples.examples_module import ExamplesModule"
    )
    run(["ruff", "format", "--check", "--no-cache", "src/app_module.py"], project)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("imports=[", "imports=MODULES + ["), "has no `@Module(imports="),
        (("imports=[", "exports=["), "has no `@Module(imports="),
        (("@Module(", "@Module(imports=[])\nclass B: pass\n@Module("), "or several"),
        (
            ("from .app_c", "from .x import OrdersModule\nfrom .app_c"),
            "already uses the name OrdersModule",
        ),
        (("class AppModule:", "class AppModule"), "is not valid Python"),
        (
            ("from .app_c", "class OrdersModule: pass\nfrom .app_c"),
            "already uses the name OrdersModule",
        ),
        (("app = ", "import x.orders.orders_module\napp = "), "in another way"),
    ],
)
def test_unusual_app_module_is_unchanged(
    scaffold: ModuleType, project: Path, change: tuple[str, str], reason: str
) -> None:
    app_module = project / "src" / "app_module.py"
    app_module.write_text(app_module.read_text(encoding="utf-8").replace(*change, 1))
    before = app_module.read_bytes()
    changed = project / "changed.py"

    told = scaffold.add_registration(scaffold.make_names("orders"), app_module, changed)

    assert reason in told
    assert app_module.read_bytes() == before
    assert not changed.exists()


def test_unusual_app_module_gets_printed_instructions(make: Make, project: Path) -> None:
    app_module = project / "src" / "app_module.py"
    text = app_module.read_text(encoding="utf-8").replace("imports=[", "imports=[]+[")
    app_module.write_text(text, encoding="utf-8")

    told = make("orders")

    assert app_module.read_text(encoding="utf-8") == text
    assert "from .orders.orders_module import OrdersModule" in told
    assert "        OrdersModule," in told


def test_app_error_keeps_the_openapi_file(make: Make, project: Path) -> None:
    (project / "openapi.json").write_text("{}")
    (project / "src" / "__init__.py").write_text("raise SystemExit('LOG_LEVEL: wrong')\n")

    told = make("orders")

    assert "openapi.json was not updated (LOG_LEVEL: wrong): run `make openapi`" in told
    assert (project / "openapi.json").read_text() == "{}"
    assert (project / "src" / "orders" / "orders_controller.py").exists()


def test_failure_leaves_no_files(make: Make, project: Path) -> None:
    """Fail after half of the files are written, because `tests` is a file."""
    shutil.rmtree(project / "tests")
    (project / "tests").write_text("not a folder")
    before = contents(project)
    folders = sorted(path for path in project.rglob("*") if path.is_dir())

    with pytest.raises(OSError, match="tests"):
        make("orders")

    assert contents(project) == before
    assert sorted(path for path in project.rglob("*") if path.is_dir()) == folders


def test_import_goes_above_the_app(scaffold: ModuleType) -> None:
    below = "\n\nfrom .a.a_module import AModule\n"
    source = APP_MODULE.format(imports="", entries="[]") + below

    registered = scaffold.register(source.encode(), scaffold.make_names("orders")).decode()

    assert registered.index("OrdersModule\n") < registered.index("@Module")


def test_computed_controller_path_is_ignored(make: Make, project: Path) -> None:
    """The scaffold can't read a computed path, or a path in another argument."""
    (project / "src" / "odd.py").write_text(
        "@Controller(f'{API}/x')\nclass A:\n    @Get('/{each}')\n    async def get(self): ...\n"
        "@Controller(tag='orders', prefix='tag')\nclass B:\n    @Get()\n    def get(self): ...\n"
    )

    assert "GET    /orders" in make("orders")


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("pyproject.toml", "[tool.ruff]\nunknown = 1\n", "ruff cannot run .*unknown"),
        ("src/odd.py", "class :", r"src/odd\.py cannot be read .*; fix it"),
        ("scaffold/module/cookiecutter.json", "[]", "scaffold/module has an error: "),
        (
            "scaffold/module/[[cookiecutter.module_name]]/README.md",
            "",
            r"README\.md already exists",
        ),
    ],
)
def test_project_error_is_one_line(
    make: Make, project: Path, path: str, text: str, reason: str
) -> None:
    (project / path).write_text(text)
    before = contents(project)

    # This process can't import the scaffold's class of errors by name.
    with pytest.raises(Exception, match=f"^{reason}") as refused:
        make("orders")

    assert type(refused.value).__name__ == "RejectedError"
    assert "\n" not in str(refused.value)
    assert contents(project) == before


@pytest.mark.parametrize("broken", ["[[ nothing.at_all ]]", "[[ 1 / 0 ]]", "[% if %]", "class :"])
def test_custom_template_error_is_one_line(
    scaffold: ModuleType, make: Make, project: Path, broken: str
) -> None:
    [entity] = (project / "scaffold" / "module").rglob("*_entity.py")
    entity.write_text(broken)
    before = contents(project)

    with pytest.raises(
        scaffold.RejectedError, match=r"^scaffold/module has an error: .."
    ) as refused:
        make("orders")

    assert "\n" not in str(refused.value)
    assert contents(project) == before


NAMES = st.one_of(
    st.text("abcdeorstuvxyz0123_- ABCXYZ", min_size=1, max_size=12),
    st.text(max_size=8),
    # Words that occur as names in the generated files.
    st.from_regex(
        r"post|page|class|client|session|type|list|request|response|name|value|serie|limit|change",
        fullmatch=True,
    ).map(lambda word: f"{word}s"),
)
KINDS = st.from_regex(
    r"str|text|int|bigint|float|decimal|bool|date|datetime|uuid|json|created|updated"
    r"|ref\((examples|x)\)|enum\((a|new,paid|in-transit, b2, new|new,new|[A-Z])\)",
    fullmatch=True,
)


#: A valid default for each type that can have one.
DEFAULTS = {
    "str": "a'b\"=(",
    "text": "é",
    "int": "-7",
    "bigint": "7",
    "float": "1e20",
    "decimal": "0.5",
    "bool": "true",
    "enum(new,paid)": "paid",
}


def fields_of(kinds: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Generate fields with any name. Some names are reserved."""

    def field(name: str, kind: str, null: str, flag: str, default: str | None) -> str:
        if default is None:
            default = f"={DEFAULTS[kind]}" if kind in DEFAULTS and "unique" not in flag else ""
        return f"{name}:{kind}{null}{flag}{default}"

    return st.builds(
        field,
        st.one_of(
            st.text("abcdeorstuvxyz0123_", min_size=1, max_size=10),
            st.text("abcdeorstuvxyz0123_", max_size=10).map("a{}".format),
            st.from_regex(
                r"type|date|datetime|decimal|uuid|client|field|body|name|json|self|number|create",
                fullmatch=True,
            ),
        ),
        kinds,
        st.sampled_from(["", "?"]),
        st.sampled_from(["", "", "", ":unique", ":index", ":index:unique"]),
        st.one_of(st.just(""), st.just(""), st.none(), st.text(max_size=3).map("={}".format)),
    )


FIELDS = fields_of(st.one_of(KINDS, st.text(max_size=3)))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=NAMES, fields=st.lists(FIELDS, max_size=4).map(" ".join))
def test_any_module_is_rejected_or_formatted(
    scaffold: ModuleType, unchanged: tuple[Any, Contents], name: str, fields: str
) -> None:
    project, before = unchanged
    refusal = ""
    try:
        scaffold.make_module(project, scaffold.make_names(name), fields)
    except scaffold.RejectedError as error:
        refusal = str(error)
    after = contents(project.root)
    written = [each for each in after if after[each] != before.get(each)]
    try:
        assert "\n" not in refusal
        assert bool(refusal) is (after == before)
        if written:
            run(["ruff", "format", "--check", "--no-cache", *written], project.root)
            run(["ruff", "check", "--no-cache", *written], project.root)
    finally:
        for each in written:
            if each in before:
                (project.root / each).write_bytes(before[each])
            else:
                (project.root / each).unlink()
