"""Create a module: `python -m scaffold orders`, see docs/modules.md.

`scaffold/module` is the module template. Change it to generate different modules: see
docs/modules.md.
"""

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from difflib import ndiff
from pathlib import Path
from typing import Any
from uuid import uuid4

from cookiecutter.generate import generate_files
from ruff import find_ruff_bin

from .app_module import UnusualError, register
from .fields import KNOWN, Field, parse_fields
from .names import MAX_NAME, Names, RejectedError, make_names
from .project import Project

#: The module template, relative to the project.
TEMPLATE = Path("scaffold", "module")
#: The file that registers modules.
APP_MODULE = Path("src", "app_module.py")
DEFAULT_FIELDS = "name:str:unique"


def main() -> None:
    """Create a module from the command line, and print the changes."""
    parser = argparse.ArgumentParser("python -m scaffold", description="Create a module.")
    parser.add_argument("name", help="the name, such as orders, order_items or 'Order items'")
    parser.add_argument(
        "--fields",
        metavar="FIELDS",
        default="",
        help=f"the fields, such as 'number:str:unique note:text?' (default: {DEFAULT_FIELDS}); the "
        f"types are {KNOWN}",
    )
    parser.add_argument("--singular", default="", help="the singular of the name, such as order")
    parser.add_argument("--route", default="", help="the path in URLs, such as /shop/orders")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the files and routes, and write nothing"
    )
    given = parser.parse_args()
    try:
        names = make_names(given.name, given.singular, given.route)
        project = Project(Path(__file__).parents[1])
        lines = make_module(project, names, given.fields, dry_run=given.dry_run)
    except RejectedError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}; nothing was changed")
    except KeyboardInterrupt:
        sys.exit("interrupted; nothing was changed")
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:
        # Python flushes stdout again at exit, which would fail on the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def make_module(project: Project, names: Names, fields: str, *, dry_run: bool = False) -> list[str]:
    """Write a module's files and register it, unless this is a dry run.

    Returns:
        The changes and the next steps, as lines of text.

    Raises:
        RejectedError: the module is invalid; nothing was changed.
        OSError: a file can't be written; nothing was changed.
    """
    project.check(names)
    model = names.singular_class
    columns = parse_fields(fields, project.find_reference, model)
    columns = columns or parse_fields(DEFAULT_FIELDS, project.find_reference, model)
    project.check_enums(columns)
    context = make_context(names, columns, project.head)
    # Render inside the project, so that ruff finds the project's settings.
    with tempfile.TemporaryDirectory(prefix=".scaffold-", dir=project.root) as folder:
        written = render(project.root / TEMPLATE, context, Path(folder))
        unusual = add_registration(names, project.root / APP_MODULE, written / APP_MODULE)
        contents = {
            path.relative_to(written): path.read_bytes()
            for path in sorted(written.rglob("*"))
            if path.is_file()
        }
    lines = describe(contents, project.root)
    is_recorded = not unusual and (project.root / "openapi.json").exists()
    if not dry_run:
        place(contents, project.root)
        lines += [record_api(project.root)] if is_recorded else []
    elif APP_MODULE in contents:
        before = (project.root / APP_MODULE).read_bytes()
        lines += ["UPDATE openapi.json"] if is_recorded else []
        lines += ["", f"{APP_MODULE.as_posix()}:", *compare(before, contents[APP_MODULE])]
    if unusual:
        lines += [
            "",
            f"{APP_MODULE.as_posix()} was not changed, because it {unusual}. Add this import:",
            "",
            f"from .{names.module}.{names.module}_module import {names.plural_class}Module",
            "",
            "Then add the module to `imports` of the @Module:",
            "",
            f"        {names.plural_class}Module,",
        ]
    one = f"/{names.route}/{{{names.singular}_id}}"
    lines += ["", f"POST   /{names.route}", f"GET    /{names.route}"]
    lines += [f"{method:6} {one}" for method in ("GET", "PATCH", "DELETE")]
    filters = [name for column in columns for name in column.filters]
    sorts = ["id", *(column.name for column in columns if column.sorts)]
    lines += ["", f"Filters of the list: {', '.join(filters) or 'none'}"]
    lines += [f"Sorts, also with a -: {', '.join(sorts)}"]
    if dry_run:
        return [*lines, "", "This was a dry run. Nothing was written."]
    return [*lines, "", "Next: `uv run alembic upgrade head`, then `uv run pytest`."]


def make_context(names: Names, fields: list[Field], head: str | None) -> dict[str, Any]:
    """Create the variables for the module template, which reads them as `cookiecutter`.

    Args:
        names: the module's names.
        fields: the module's fields.
        head: the revision of the newest migration.

    Raises:
        RejectedError: the name of a constraint would be too long for the database.
    """
    for field in fields:
        longest = f"ix_{names.module}_{field.name}" if field.unique or field.index else field.name
        if field.reference:
            longest = f"fk_{names.module}_{field.name}_{field.reference.table}"
        if len(longest) > MAX_NAME:
            raise RejectedError(
                f"fields: {longest!r} is over {MAX_NAME} characters long; choose a shorter name"
            )
    return {
        "module_name": names.module,
        "singular": names.singular,
        "plural_class": names.plural_class,
        "singular_class": names.singular_class,
        "model": names.model,
        "many": names.many,
        "variable": names.variable,
        "route": names.route,
        "fields": fields,
        "date": datetime.now(UTC).strftime("%Y%m%d"),
        "revision": uuid4().hex[-12:],
        "down_revision": head or "",
    }


def render(template: Path, context: dict[str, Any], folder: Path) -> Path:
    """Render the module's files into a folder, and return their root folder.

    Raises:
        RejectedError: the template has an error, or a file imports the entity's name.
    """
    try:
        settings = json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))
        context = {"cookiecutter": settings | context}
        # Not `cookiecutter()`: it would read the user's settings and write a replay file.
        written = Path(generate_files(template, context, folder, accept_hooks=False))
        sources = {path: ast.parse(path.read_bytes(), path.name) for path in written.rglob("*.py")}
    except Exception as error:  # noqa: BLE001  # a team's own template may raise anything
        reason = " ".join(str(error).partition("Context:")[0].split()) or type(error).__name__
        raise RejectedError(f"{TEMPLATE.as_posix()} has an error: {reason}; fix it") from None
    names = context["cookiecutter"]
    for path, source in sources.items():
        found = list(names_of(source))
        if found.count(names["singular_class"]) > 1:
            raise RejectedError(
                f"singular: {names['singular']!r} would name a class {names['singular_class']}, "
                f"which {path.name} imports; choose another, such as 'my_{names['singular']}'"
            )
        for field in names["fields"]:
            if field.enum and found.count(field.enum.name) > 1:
                raise RejectedError(
                    f"fields: {field.name} would name an enum {field.enum.name}, which {path.name} "
                    "already has; choose another name"
                )
    defaults = [field.name for field in names["fields"] if field.default]
    if defaults and not ruff("check", "--select", "S104,S105,S108", written):
        raise RejectedError(
            f"fields: lint takes the default of {' or '.join(defaults)} for a secret, an open "
            "address or a temporary file; remove it, and set the value in the service"
        )
    # The template imports everything that any field may need. Ruff removes unused imports.
    ruff("check", "--fix", "--select", "F401,I", written)
    ruff("format", written)
    return written


def names_of(source: ast.Module) -> Iterator[str]:
    """Yield the names of a file's imports and classes."""
    for node in source.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.ClassDef):
            yield node.name


def add_registration(names: Names, original: Path, changed: Path) -> str | None:
    """Write an `app_module.py` that registers the module, or return why that is impossible."""
    try:
        content = register(original.read_bytes(), names)
    except UnusualError as error:
        return str(error)
    if content == original.read_bytes():
        return None
    tidy = ruff("check", "--select", "I", original) and ruff("format", "--check", original)
    changed.write_bytes(content)
    # Don't reformat a file that was not formatted before.
    if tidy:
        ruff("check", "--fix", "--select", "I", changed)
        ruff("format", changed)
    return None


def ruff(*arguments: str | Path) -> bool:
    """Run ruff, and return whether it found no problem.

    Raises:
        RejectedError: ruff can't run.
    """
    command = [find_ruff_bin(), arguments[0], "--quiet", "--no-cache", *arguments[1:]]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode > 1:
        reason = " ".join(result.stderr.split())
        raise RejectedError(f"ruff cannot run ({reason}); fix that first")
    return result.returncode == 0


def record_api(root: Path) -> str:
    """Write `openapi.json` again, and return a line of text about that."""
    # Another process, so that a mistake in the app can't hide the module's files.
    command = [sys.executable, "-m", "scaffold.openapi"]
    reason = "interrupted"
    with suppress(KeyboardInterrupt):
        result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return "UPDATE openapi.json"
        reason = (result.stderr.splitlines() or ["no reason"])[-1]
    return f"openapi.json was not updated ({reason}): run `make openapi`"


def describe(contents: dict[Path, bytes], root: Path) -> list[str]:
    """Return a line of text for each file.

    Raises:
        RejectedError: a file already exists.
    """
    for path in contents:
        if path != APP_MODULE and (root / path).exists():
            raise RejectedError(
                f"{path.as_posix()} already exists; rename it in {TEMPLATE.as_posix()}"
            )
    return [
        f"{'UPDATE' if path == APP_MODULE else 'CREATE'} {path.as_posix()}" for path in contents
    ]


def compare(before: bytes, after: bytes) -> list[str]:
    """Return the lines that differ, with `+ ` or `- ` in front of each."""
    old, new = (content.decode(errors="replace").splitlines() for content in (before, after))
    return [line for line in ndiff(old, new) if line[0] in "+-"]


def place(contents: dict[Path, bytes], root: Path) -> None:
    """Write all files into the project, or none.

    Raises:
        OSError: a file can't be written; nothing was changed.
    """
    before = {path: (root / path).read_bytes() for path in contents if path == APP_MODULE}
    folders: list[Path] = []
    try:
        # Write app_module.py last, because it imports the other files.
        for path in sorted(contents, key=lambda path: path == APP_MODULE):
            for folder in reversed((root / path).parents):
                if not folder.exists():
                    folder.mkdir()
                    folders.append(folder)
            (root / path).write_bytes(contents[path])
    except BaseException:
        for path in contents:
            if path in before:
                (root / path).write_bytes(before[path])
            else:
                with suppress(OSError):
                    (root / path).unlink()
        for folder in reversed(folders):
            folder.rmdir()
        raise


if __name__ == "__main__":
    main()
