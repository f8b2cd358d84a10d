"""Size limits of a rendered project: its owner can read core in one sitting."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Render

#: Lines of code in `src/core`, by database.
CORE_LINES = {"sqlite": 1325, "postgresql": 1492, "mysql": 1505}
#: Lines of core's tests in a project.
TEST_LINES = 450

IGNORED = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def find_code_lines(source: str) -> set[int]:
    """Return the numbers of lines with code. Comments and docstrings don't count."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in IGNORED:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            lines.difference_update(range(docstring.lineno, (docstring.end_lineno or 0) + 1))
    return lines


def read(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each Python file of a folder with its text."""
    for path in sorted(folder.rglob("*.py")):
        yield path, path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ('"""Docstring."""\n\n# Comment\nx = 1\n', {4}),
        ('def f():\n    """One.\n\n    Two.\n    """\n    return """a\nb"""\n', {1, 6, 7}),
        ("", set()),
    ],
)
def test_code_lines_are_found(source: str, lines: set[int]) -> None:
    assert find_code_lines(source) == lines


@pytest.mark.parametrize("database", CORE_LINES)
def test_core_stays_small(render: Render, database: str) -> None:
    project = render(database=database)
    lines = {
        path.relative_to(project).as_posix(): len(find_code_lines(text))
        for path, text in read(project / "src" / "core")
    }

    assert sum(lines.values()) <= CORE_LINES[database], lines


def test_core_tests_stay_small(rendered: Path) -> None:
    texts = [text for _, text in read(rendered / "tests" / "core")]
    texts.append((rendered / "tests" / "test_config.py").read_text(encoding="utf-8"))

    assert sum(len(text.splitlines()) for text in texts) <= TEST_LINES


def test_core_uses_no_private_api(rendered: Path) -> None:
    """Ruff's SLF001 finds private attributes of other objects, and must not be disabled."""
    for path, text in read(rendered / "src"):
        assert "SLF001" not in text, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
                assert not [name for name in names if re.match(r"_[^_]", name)], path


def test_core_does_not_import_the_app(rendered: Path) -> None:
    for path, text in read(rendered / "src" / "core"):
        imports = re.findall(r"^\s*(?:from|import) (src\.(?!core)\S+)", text, re.MULTILINE)
        # The app_module.py of 0.1.0 calls `install`, which has to import the settings.
        allowed = ["src.config"] if path.name == "core_module.py" else []
        assert imports in ([], allowed), path
