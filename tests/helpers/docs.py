"""The Markdown pages of a rendered project: sections, code and links.

A test says by a mark which sections' commands it runs, and reads them by the `commands` fixture:

    @pytest.mark.runs_commands("docs/modules.md", "Make a module", "Undo a new module")

A mark without a heading means that the test reads the whole page itself.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

TESTS = Path(__file__).parent.parent
MARK = "runs_commands"


@dataclass
class Section:
    """A heading, and the content up to the next heading of any level."""

    page: str
    heading: str
    #: The fenced blocks: their languages, and their code without the last line break.
    blocks: list[tuple[str, str]] = field(default_factory=list)
    #: The targets of links, images and autolinks.
    links: list[str] = field(default_factory=list)
    #: The inline code.
    code: list[str] = field(default_factory=list)

    def code_in(self, language: str) -> list[str]:
        """Return the code of the blocks in a language."""
        return [code for name, code in self.blocks if name == language]

    @property
    def anchor(self) -> str:
        """The anchor that GitHub gives the heading."""
        return re.sub(r"[^\w -]", "", self.heading.lower()).replace(" ", "-")


def page_names(project: Path) -> list[str]:
    """List the pages of a project, as paths from its top."""
    return ["README.md", "AGENTS.md", *(f"docs/{path.name}" for path in project.glob("docs/*.md"))]


def read_page(project: Path, name: str) -> list[Section]:
    """Read the sections of a page. Text above the first heading has a section without a heading."""
    parser = MarkdownIt("commonmark").enable("table")
    sections = [Section(name, "")]
    tokens = parser.parse((project / name).read_text(encoding="utf-8"))
    for before, token in zip([None, *tokens], tokens, strict=False):
        if before is not None and before.type == "heading_open":
            sections.append(Section(name, token.content))
        section = sections[-1]
        if token.type == "fence":
            section.blocks.append((token.info, token.content.rstrip("\n")))
        for part in token.children or []:
            _read_inline(part, section)
    return sections


def _read_inline(token: Token, section: Section) -> None:
    if token.type == "code_inline":
        section.code.append(token.content)
    elif token.type == "link_open":
        section.links.append(str(token.attrs["href"]))
    elif token.type == "image":
        section.links.append(str(token.attrs["src"]))


def sections_of(project: Path) -> list[Section]:
    """Read the sections of all pages."""
    return [section for name in page_names(project) for section in read_page(project, name)]


def find_section(project: Path, page: str, heading: str) -> Section:
    """Find the section of a page by its heading."""
    [section] = [each for each in read_page(project, page) if each.heading == heading]
    return section


def broken_links(project: Path) -> list[str]:
    """Find the relative links that lead to no file, or to no heading of a page."""
    broken = []
    for section in sections_of(project):
        for link in section.links:
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = unquote(link).partition("#")
            target = (project / section.page).parent / path if path else project / section.page
            found = target.exists() and target.resolve().is_relative_to(project.resolve())
            if found and anchor:
                name = target.resolve().relative_to(project.resolve()).as_posix()
                found = anchor in [each.anchor for each in read_page(project, name)]
            if not found:
                broken.append(f"{section.page}: {link}")
    return broken


def marked_sections() -> Iterator[tuple[str, str]]:
    """Yield the page and heading of each section whose commands some test runs.

    If a test runs a whole page, the heading is empty.
    """
    for path in TESTS.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith(f".{MARK}"):
                        page, *headings = map(ast.literal_eval, mark.args)
                        yield from ((page, heading) for heading in headings or [""])
