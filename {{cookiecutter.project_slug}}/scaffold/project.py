"""The modules, routes and migrations of a project, read from its code.

The code is parsed and never run, so creating a module needs no settings and no database.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeGuard

from .fields import KEYS, Field, Reference
from .names import Names, RejectedError, snake_case

ROUTES = {"Delete", "Get", "Head", "Options", "Patch", "Post", "Put"}


@dataclass(frozen=True)
class Project:
    """A project in a folder."""

    root: Path

    @cached_property
    def sources(self) -> dict[Path, ast.Module]:
        """The app's code, by file."""
        return {path: self.parse(path) for path in sorted(self.root.glob("src/**/*.py"))}

    @cached_property
    def migrations(self) -> dict[Path, ast.Module]:
        """The migrations, by file."""
        paths = sorted(self.root.glob("migrations/versions/*.py"))
        return {path: self.parse(path) for path in paths}

    def parse(self, path: Path) -> ast.Module:
        """Parse a file.

        Raises:
            RejectedError: it is missing or invalid.
        """
        try:
            return ast.parse(path.read_bytes(), path.name)
        except FileNotFoundError:
            raise RejectedError(f"{self.shown(path)} is missing") from None
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise RejectedError(f"{self.shown(path)} cannot be read ({error}); fix it") from None

    def shown(self, path: Path) -> str:
        """Return a path for messages."""
        return path.relative_to(self.root).as_posix()

    def check(self, names: Names) -> None:
        """Check that a module's names are free.

        Raises:
            RejectedError: its folder, table, routes or classes already exist.
        """
        for path in sorted([*self.root.glob("src/*"), *self.root.glob("tests/*")]):
            # Some file systems ignore case. Folders with only caches remain after `git switch`.
            if path.name.lower() in {names.module, f"{names.module}.py"} and (
                path.is_file() or any(path.rglob("*.py"))
            ):
                raise RejectedError(f"name: {self.shown(path)} already exists; choose another name")
        for path, table in self.tables():
            if table.lower() == names.module:
                raise RejectedError(
                    f"name: {self.shown(path)} creates a table {table!r}; choose another name, or "
                    "drop the table in a migration"
                )
        for route in self.routes():
            if overlap(route, f"{names.route}/{{}}"):
                raise RejectedError(
                    f"route: /{names.route} conflicts with /{route}; choose another, such as "
                    f"'/my-{names.route}'"
                )
        self.check_classes(names)

    def check_classes(self, names: Names) -> None:
        """Check that no other module has classes with these names.

        Raises:
            RejectedError: another module has such a class.
        """
        for path, source in self.sources.items():
            classes = {node.name for node in source.body if isinstance(node, ast.ClassDef)}
            if f"{names.plural_class}Module" in classes:
                raise RejectedError(
                    f"name: {self.shown(path)} already has a class {names.plural_class}Module; "
                    "choose another name"
                )
            if names.singular_class in classes and path.parent.name != "core":
                raise RejectedError(
                    f"singular: {self.shown(path)} already has a class {names.singular_class}; "
                    f"choose another, such as 'my_{names.singular}'"
                )

    def check_enums(self, fields: list[Field]) -> None:
        """Check that no other module has classes with the names of these fields' enums.

        Raises:
            RejectedError: another module has such a class.
        """
        enums = {field.enum.name: field.name for field in fields if field.enum}
        for path, source in self.sources.items():
            for node in source.body:
                if isinstance(node, ast.ClassDef) and node.name in enums:
                    raise RejectedError(
                        f"fields: {enums[node.name]} would name an enum {node.name}, but "
                        f"{self.shown(path)} already has such a class; choose another name"
                    )

    def tables(self) -> Iterator[tuple[Path, str]]:
        """Yield the tables of the entities, and those that migrations create and don't drop."""
        for path, source in self.sources.items():
            yield from ((path, table) for table in tables_of(source))
        dropped = {
            table for source in self.migrations.values() for table in operands(source, "drop_table")
        }
        for path, source in self.migrations.items():
            yield from (
                (path, table) for table in operands(source, "create_table") if table not in dropped
            )

    def routes(self) -> Iterator[str]:
        """Yield the paths of all routes, without leading or trailing slashes."""
        # The docs page and the schema.
        yield from ("docs", "docs/oauth2-redirect", "openapi.json")
        for source in self.sources.values():
            for prefix, controller in controllers_of(source):
                for function in controller.body:
                    if isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef):
                        for path in decorations(function, ROUTES):
                            yield f"{prefix}/{path}".strip("/")

    @property
    def head(self) -> str | None:
        """The newest migration's revision, if there is one.

        Raises:
            RejectedError: there are several newest migrations.
        """
        revisions: set[str] = set()
        followed: set[str] = set()
        for source in self.migrations.values():
            revisions |= strings_of(source, "revision")
            followed |= strings_of(source, "down_revision")
        heads = sorted(revisions - followed)
        if len(heads) > 1:
            raise RejectedError(
                f"migrations/versions has {len(heads)} heads, {' and '.join(heads)}; merge them "
                "with `uv run alembic merge heads`"
            )
        return heads[0] if heads else None

    def find_reference(self, name: str) -> Reference:
        """Find the module that a `ref(name)` refers to.

        Raises:
            RejectedError: the module doesn't exist, or its files don't match the scaffold's.
        """
        module = snake_case(name, f"fields: ref({name})")
        if not (self.root / "src" / module / f"{module}_entity.py").exists():
            raise RejectedError(
                f"fields: ref({name}) needs a module, but src/{module}/{module}_entity.py does not "
                "exist; create that module first"
            )
        entity = self.parse(self.root / "src" / module / f"{module}_entity.py")
        controller = self.parse(self.root / "src" / module / f"{module}_controller.py")
        factory = self.parse(self.root / "tests" / module / f"{module}_factory.py")
        keys = [
            node
            for node in ast.walk(entity)
            if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "id"
        ]
        adders = [
            node.name
            for node in factory.body
            if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("add_")
        ]
        tables = list(tables_of(entity))
        routes = [prefix for prefix, _ in controllers_of(controller)]
        if not len(keys) == len(tables) == len(routes) == 1 <= len(adders):
            raise RejectedError(
                f"fields: ref({name}) needs a module with one entity, one controller, and an "
                "add_… function in its test factory; write this foreign key by hand"
            )
        key = type_of(keys[0])
        if key not in KEYS:
            raise RejectedError(
                f"fields: ref({name}) needs a module whose id is an Id64, BigInteger or Integer, "
                f"not {key}; write this foreign key by hand"
            )
        return Reference(module, tables[0], routes[0], key, adders[0])


def overlap(route: str, other: str) -> bool:
    """Return whether a request may match both paths, or a path below the first."""
    segments = list(zip(route.split("/"), other.split("/"), strict=False))
    alike = all("{" in one + another or one == another for one, another in segments)
    return alike and len(route.split("/")) >= len(other.split("/")) - 1


def tables_of(source: ast.Module) -> Iterator[str]:
    """Yield the tables of the entities in a file."""
    for node in ast.walk(source):
        if isinstance(node, ast.ClassDef):
            yield from strings_of(node, "__tablename__")


def type_of(column: ast.AnnAssign) -> str:
    """Return a column's type: the first argument of its `mapped_column()`, or Integer."""
    annotation = ast.unparse(column.annotation).split(".")[-1]
    call = column.value
    first = call.args[0] if isinstance(call, ast.Call) and call.args else ast.Name("Integer")
    name = ast.unparse(first.func if isinstance(first, ast.Call) else first).split(".")[-1]
    return name if annotation == "Mapped[int]" else annotation


def controllers_of(source: ast.Module) -> Iterator[tuple[str, ast.ClassDef]]:
    """Yield each controller in a file, with its prefix without leading or trailing slashes."""
    for node in ast.walk(source):
        if isinstance(node, ast.ClassDef):
            for prefix in decorations(node, {"Controller"}):
                yield prefix, node


def decorations(
    node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, names: set[str]
) -> Iterator[str]:
    """Yield the path of each decorator with one of the names, without outer slashes.

    Paths that aren't string literals are skipped.
    """
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).split(".")[-1] in names:
            named = [each.value for each in decorator.keywords if each.arg in {"prefix", "path"}]
            path = next(iter([*decorator.args, *named]), ast.Constant(""))
            if is_string(path):
                yield str(path.value).strip("/")


def strings_of(node: ast.Module | ast.ClassDef, name: str) -> set[str]:
    """Collect the strings that are assigned to a name in a file or a class."""
    found: set[str] = set()
    for each in node.body:
        targets = each.targets if isinstance(each, ast.Assign) else []
        targets = [each.target] if isinstance(each, ast.AnnAssign) else targets
        if isinstance(each, ast.Assign | ast.AnnAssign) and name in map(ast.unparse, targets):
            values = ast.walk(each.value) if each.value else ()
            found |= {str(value.value) for value in values if is_string(value)}
    return found


def operands(source: ast.Module, operation: str) -> Iterator[str]:
    """Yield the tables of an operation, such as `create_table`, in a migration's `upgrade`."""
    for function in source.body:
        if isinstance(function, ast.FunctionDef) and function.name == "upgrade":
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == f"op.{operation}":
                    yield from (str(each.value) for each in node.args[:1] if is_string(each))


def is_string(node: ast.AST) -> TypeGuard[ast.Constant]:
    """Return whether a node is a string literal."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
