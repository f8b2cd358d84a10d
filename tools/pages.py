"""Blocks of code in Markdown pages, and the files of a project that they change.

The line above a block of Python names its file. In a class or at the top of a file, a name that is
there already is replaced. Any other is added, in front of the code that follows it in the block, or
else at the end. `...` in a class stands for the code that stays.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType

from markdown_it import MarkdownIt


@dataclass(frozen=True)
class Block:
    """A block of the page."""

    language: str
    #: The last line above it that isn't blank.
    above: str
    text: str


def read_blocks(page: str) -> list[Block]:
    """Find the blocks of a page, in order."""
    lines = page.splitlines()
    return [
        Block(token.info, next(filter(None, reversed(lines[: token.map[0]])), ""), token.content)
        for token in MarkdownIt("commonmark").parse(page)
        if token.type in {"fence", "code_block"} and token.map
    ]


def apply(path: Path, block: str) -> None:
    """Put a block of Python into a file, as the page tells its reader to."""
    body = ast.parse(block).body
    if not path.exists():
        assert not [node for node in ast.walk(ast.parse(block)) if is_rest(node)], (path, block)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block, encoding="utf-8")
        return
    code = path.read_text(encoding="utf-8")
    for number, node in enumerate(body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            code = insert(code, source(block, node), ast.Import | ast.ImportFrom)
        elif isinstance(node, ast.ClassDef) and any(map(is_rest, node.body)):
            code = put_header(code, source_of_header(block, node), node.name)
            for member in node.body:
                if not is_rest(member):
                    code = put(code, source(block, member), name_of(member), node.name)
        else:
            following = [name_of(each) for each in body[number + 1 :]]
            code = put(code, source(block, node), name_of(node), following=following)
    path.write_text(code, encoding="utf-8")


def put(
    code: str, written: str, name: str, parent: str | None = None, following: Sequence[str] = ()
) -> str:
    """Replace the statement that defines a name, in a class or at the top, or add it.

    Args:
        code: the file's code.
        written: the statement.
        name: the name that it defines.
        parent: the class that it belongs to.
        following: the names that follow it in the block.
    """
    tree = ast.parse(code)
    scope = names(tree)[parent] if parent else tree
    assert isinstance(scope, ast.Module | ast.ClassDef)
    lines = code.splitlines()
    first = next(filter(names(tree).get, following), None)
    if name in names(scope):
        start, end = span(names(scope)[name])
    elif isinstance(scope, ast.ClassDef):
        start = end = span(scope)[1]
        written = f"\n{written}"
    elif first:
        start = end = span(names(tree)[first])[0]
        written = f"{written}\n\n"
    elif isinstance(ast.parse(written).body[0], ast.Assign | ast.AnnAssign | ast.If):
        # The classes use it.
        return insert(code, written, ast.ClassDef)
    else:
        return f"{code}\n\n{written}\n"
    lines[start:end] = written.split("\n")
    return "\n".join([*lines, ""])


def put_header(code: str, written: str, name: str) -> str:
    """Replace the decorators and the first line of a class."""
    node = names(ast.parse(code))[name]
    lines = code.splitlines()
    lines[span(node)[0] : node.lineno] = written.splitlines()
    return "\n".join([*lines, ""])


def source_of_header(code: str, node: ast.ClassDef) -> str:
    """Return the decorators and the first line of a class."""
    return "\n".join(code.splitlines()[span(node)[0] : node.lineno]).removesuffix(" ...")


def insert(code: str, written: str, kind: type[ast.stmt] | UnionType) -> str:
    """Insert a statement in front of the first one of a kind."""
    first = min(span(node)[0] for node in ast.parse(code).body if isinstance(node, kind))
    lines = code.splitlines()
    return "\n".join([*lines[:first], *written.splitlines(), *lines[first:], ""])


def names(scope: ast.Module | ast.ClassDef) -> dict[str, ast.stmt]:
    return {name_of(node): node for node in scope.body if name_of(node)}


def name_of(node: ast.stmt) -> str:
    """Return the name that a statement defines, or nothing."""
    match node:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return node.name
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return name
    return ""


def is_rest(node: ast.AST) -> bool:
    """Tell whether a statement is `...`, which stands for the code that is there."""
    return isinstance(node, ast.Expr) and getattr(node.value, "value", None) is Ellipsis


def span(node: ast.stmt) -> tuple[int, int]:
    """Return the index of a statement's first line, decorators included, and of the next one."""
    decorators = getattr(node, "decorator_list", [])
    assert node.end_lineno
    return min([node.lineno, *(each.lineno for each in decorators)]) - 1, node.end_lineno


def source(code: str, node: ast.stmt) -> str:
    """Return the lines of a statement, and of the comments above it."""
    lines = code.splitlines()
    start, end = span(node)
    while start and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    return "\n".join(lines[start:end])
