"""The words of comments, docstrings and documentation, in the template and in a project."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tools.template import SESSION_STYLES, SOURCE, TEMPLATE, files, git

from .conftest import Render
from .helpers.projects import COMBINATIONS, EXTENDED, Combination

README_WORDS = 1200
TEST_NAME_WORDS = 7
#: Sentences with these words are often hard to read. A few of them are fine.
ODD = re.compile(r"\b(what|who|whoever|whom|whose|where)\b", re.IGNORECASE)
ODD_IN_1000 = 3
BANNED = re.compile(
    r"\b(anew|aright|whoever|for\s+good|of\s+its\s+own|as\s+like\s+as\s+not|be\s+it)\b",
    re.IGNORECASE,
)
FIELDS = "number:str:unique total:decimal note:text? sent_at:datetime? example_id:ref(examples)"
#: Files with comments that begin with a number sign, besides YAML and TOML.
WITH_COMMENTS = {".env.example", ".dockerignore", ".gitignore", "Dockerfile", "Makefile"}

# One process reads all trees, because most of their files are the same. `test_docs.py` and
# `test_site.py` need the same projects.
pytestmark = pytest.mark.xdist_group("site")


@dataclass(frozen=True)
class Tree:
    """A folder and the relative paths of its files."""

    folder: Path
    paths: list[Path]

    def read(self, *suffixes: str) -> Iterator[tuple[Path, str]]:
        for path in self.paths:
            if path.suffix in suffixes or path.name in suffixes:
                yield path, (self.folder / path).read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> list[tuple[Path, str]]:
        """The prose of each file. All other text is blank, so lines keep their numbers."""
        kinds: dict[Callable[[str], str], set[str]] = {
            prose_of_python: {".py", ".pyi"},
            prose_of_markdown: {".md"},
            prose_of_comments: {".toml", ".yaml", ".yml", *WITH_COMMENTS},
        }
        return [
            (path, find(text))
            for find, suffixes in kinds.items()
            for path, text in self.read(*suffixes)
        ]

    def find(self, pattern: re.Pattern[str]) -> list[str]:
        """Find words in the prose; return each with its file and line."""
        return [
            f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {' '.join(match[0].split())}"
            for path, text in self.prose
            for match in pattern.finditer(text)
        ]


@pytest.fixture(
    scope="module",
    params=[None, COMBINATIONS[0], COMBINATIONS[3], COMBINATIONS[4], EXTENDED[1]],
    ids=lambda combination: str(combination or "template"),
)
def tree(request: pytest.FixtureRequest, render: Render, scaffold: ModuleType) -> Tree:
    """Return the template, without the files of projects, or a project with a new module."""
    combination: Combination | None = request.param
    if combination is None:
        names = git(TEMPLATE, "ls-files", "--cached", "--others", "--exclude-standard")
        ours = (Path(name) for name in names.splitlines() if '"' not in name)
        return Tree(
            TEMPLATE,
            [
                path
                for path in ours
                if path.parts[0] not in {SOURCE.name, "templates"} and (TEMPLATE / path).is_file()
            ],
        )
    project = render(**combination.answers)
    scaffold.make_module(scaffold.Project(project), scaffold.make_names("orders"), FIELDS)
    template_of_modules = Path("scaffold", "module")
    paths = [path for path in files(project) if not path.is_relative_to(template_of_modules)]
    return Tree(project, [path for path in paths if "__pycache__" not in path.parts])


@cache
def prose_of_python(text: str) -> str:
    lines = text.splitlines()
    kept = [""] * len(lines)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and ast.get_docstring(node, clean=False):
                for number in range(first.lineno - 1, first.end_lineno or 0):
                    kept[number] = lines[number]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            kept[token.start[0] - 1] = token.string
    return without_code("\n".join(kept))


@cache
def prose_of_markdown(text: str) -> str:
    def blank(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n")

    fenced = r"^( *)```.*?^\1```$"
    link = r"\]\([^)]*\)|<http[^>]*>|^\[.*?\]: .*$"
    text = re.sub(fenced, blank, text, flags=re.MULTILINE | re.DOTALL)
    return without_code(re.sub(link, "", text, flags=re.MULTILINE))


@cache
def parse_markdown(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def prose_of_comments(text: str) -> str:
    found = (re.search(r"(?:^|\s)# ?(.*)", line) for line in text.splitlines())
    return without_code("\n".join(match[1] if match else "" for match in found))


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "code", text)


def test_readme_has_at_most_1200_words() -> None:
    assert len((TEMPLATE / "README.md").read_text(encoding="utf-8").split()) <= README_WORDS


def test_odd_words_are_rare(tree: Tree) -> None:
    words = sum(len(text.split()) for _, text in tree.prose)

    found = tree.find(ODD)

    assert len(found) <= ODD_IN_1000 * words / 1000, "\n".join(
        [f"{1000 * len(found) / words:.1f} odd words in 1,000 words, of {words}:", *found]
    )


def test_banned_words_are_absent(tree: Tree) -> None:
    found = tree.find(BANNED)

    assert not found, "\n".join(found)


def test_names_of_tests_are_short(tree: Tree) -> None:
    found = [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}: test_{match[1]}"
        for path, text in tree.read(".py")
        for match in re.finditer(r"\bdef test_(\w+)", text)
        if len(match[1].split("_")) > TEST_NAME_WORDS
    ]

    assert not found, "\n".join(found)


def test_tables_have_headers(tree: Tree) -> None:
    found = []
    for path, text in tree.read(".md"):
        line = 0
        for token, following in pairwise(parse_markdown(text)):
            line = token.map[0] + 1 if token.map else line
            if token.type == "th_open" and not following.content.strip():
                found.append(f"{path}:{line}: a column without a header")

    assert not found, "\n".join(found)


def test_code_blocks_have_a_language(tree: Tree) -> None:
    found = [
        f"{path}:{token.map[0] + 1}: a code block without a language"
        for path, text in tree.read(".md")
        for token in parse_markdown(text)
        if token.type == "fence" and token.map and not token.info.strip()
    ]

    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("read", "text", "prose"),
    [
        (prose_of_python, '"""Who."""\nx = "who"  # where\n', ['"""Who."""', "# where"]),
        (prose_of_python, "def f():\n    '''A\n    what'''\n", ["", "    '''A", "    what'''"]),
        (
            prose_of_markdown,
            "a `who`\n\n```sh\nwho\n```\nwhat\n",
            ["a code", "", "", "", "", "what"],
        ),
        (prose_of_markdown, "[a](who) <https://who>\n[b]: who\n", ["[a ", ""]),
        (prose_of_comments, "a: who  # what\nb: c#who\nd\n", ["what", ""]),
    ],
)
def test_prose_excludes_code(read: object, text: str, prose: list[str]) -> None:
    assert callable(read)
    assert read(text).splitlines() == prose


def test_session_styles_page_matches_examples(render: Render) -> None:
    page = (TEMPLATE / "docs" / "session-styles.md").read_text(encoding="utf-8")
    _, *parts = re.split(r"^## In the (\w+)$", page, flags=re.MULTILINE)
    assert tuple(parts[::2]) == SESSION_STYLES

    for style, part in zip(parts[::2], parts[1::2], strict=True):
        folder = render(session_style=style) / "src" / "examples"
        code = "".join(
            re.sub("^ {4}", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            for path in folder.glob("examples_*.py")
        )
        blocks = re.findall(r"^```python\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)
        assert len(blocks) == 2
        assert all(block in code for block in blocks)
