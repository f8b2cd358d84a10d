"""Register a module in `src/app_module.py`, without other changes to the file."""

import re
from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from .names import Names


class UnusualError(Exception):
    """The file has an unsupported structure. The message completes "because it ..."."""


def register(source: bytes, names: Names) -> bytes:
    """Import a module, and add it to the app's `imports`, unless it is already registered.

    Args:
        source: the content of `src/app_module.py`.
        names: the module's names.

    Returns:
        The new content. The import follows those of the other modules; nothing is sorted.

    Raises:
        UnusualError: there is no list of imports, or more than one, or the name is taken.
    """
    try:
        tree = cst.parse_module(source)
    except (cst.ParserSyntaxError, SyntaxError, UnicodeDecodeError):
        raise UnusualError("is not valid Python") from None
    name = f"{names.plural_class}Module"
    path = f"{names.module}.{names.module}_module"
    lists = list(lists_of_imports(tree))
    if len(lists) != 1:
        raise UnusualError("has no `@Module(imports=[...])`, or several")
    app = next(place for place, line in enumerate(tree.body) if m.findall(line, m.Decorator()))
    places = [
        place
        for place, line in enumerate(tree.body[:app])
        if m.matches(line, m.SimpleStatementLine([m.Import() | m.ImportFrom()]))
    ]
    if not places:
        raise UnusualError("has no import above `@Module(...)`")
    of_modules = [place for place in places if "_module import " in code_of(tree, place)]
    imported = [place for place in places if imports(tree.body[place], name, path)]
    elsewhere = len(m.findall(tree, m.Name(name))) > len(m.findall(lists[0], m.Name(name)))
    if not imported and (elsewhere or path in tree.code):
        raise UnusualError(f"already uses the name {name}, or imports it in another way")
    if not any(m.matches(element.value, m.Name(name)) for element in lists[0].elements):
        tree = cst.ensure_type(tree.deep_replace(lists[0], appended(lists[0], name)), cst.Module)
    if not imported:
        line = cst.parse_statement(f"from .{path} import {name}\n", tree.config_for_parsing)
        place = (of_modules or places)[-1] + 1
        tree = tree.with_changes(body=[*tree.body[:place], line, *tree.body[place:]])
    return tree.bytes


def lists_of_imports(tree: cst.Module) -> Iterator[cst.List]:
    """Yield the `[...]` of each `@Module(imports=[...])`."""
    for decorator in m.findall(tree, m.Decorator(m.Call(m.Name("Module")))):
        for argument in m.findall(decorator, m.Arg(keyword=m.Name("imports"), value=m.List())):
            yield cst.ensure_type(cst.ensure_type(argument, cst.Arg).value, cst.List)


def imports(line: cst.CSTNode, name: str, path: str) -> bool:
    """Return whether a line imports the name from a path that ends with `path`."""
    froms = m.findall(line, m.ImportFrom())
    code = " ".join(cst.Module([]).code_for_node(each) for each in froms)
    return bool(re.match(rf"from [\w.]*\b{re.escape(path)} import {name}\b(?! as)", code))


def code_of(tree: cst.Module, place: int) -> str:
    """Return the code of a statement."""
    return tree.code_for_node(tree.body[place])


def appended(entries: cst.List, name: str) -> cst.List:
    """Append an entry, on a separate line if the other entries are."""
    if not entries.elements:
        return entries.with_changes(elements=[cst.Element(cst.Name(name))])
    *others, last = entries.elements
    end = entries.rbracket.whitespace_before
    begin = entries.lbracket.whitespace_after
    between: cst.BaseParenthesizableWhitespace = cst.SimpleWhitespace(" ")
    if isinstance(end, cst.ParenthesizedWhitespace) and isinstance(
        begin, cst.ParenthesizedWhitespace
    ):
        # A comment after the last entry belongs to that entry.
        between = begin.with_changes(first_line=end.first_line, empty_lines=[])
        end = end.with_changes(first_line=cst.TrailingWhitespace())
    comma = last.comma
    return entries.with_changes(
        elements=[
            *others,
            last.with_changes(comma=cst.Comma(whitespace_after=between)),
            cst.Element(cst.Name(name), comma=comma),
        ],
        rbracket=entries.rbracket.with_changes(whitespace_before=end),
    )
