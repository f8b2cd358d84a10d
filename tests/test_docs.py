"""The pages of a rendered project: short, linked, and with commands that tests run."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

import pytest

from tools.template import files

from .conftest import Render
from .helpers.docs import (
    Section,
    broken_links,
    marked_sections,
    page_names,
    read_page,
    sections_of,
)
from .helpers.projects import COMBINATIONS, EXTENDED, Combination

#: A project of each kind. Some options add pages: one project has none of them, and one has all.
PROJECTS = [*COMBINATIONS, EXTENDED[1]]

#: The README must be readable at one go; `docs/` has the rest.
MAX_WORDS = 1200
#: A reader sees a section of the README at once, but for long tables.
MAX_LINES = 60
#: The languages of code blocks. Commands are `sh`, without a prompt, so that they can be pasted.
LANGUAGES = {"sh", "powershell", "python", "text", "json", "yaml", "sql", "nginx", "ini", "mermaid"}
#: Programs whose name begins a command.
PROGRAMS = {"make", "uv", "uvx", "python", "docker", "git", "alembic", "pytest", "pip", "gh", "cp"}
PROGRAMS |= {"kubectl"}
#: Commands that the container files run, which `test_containers.py` compares.
IN_CONTAINERS = {"python main.py --host 0.0.0.0 --port 8000", "alembic upgrade head"}

# One process renders the projects, which `test_prose.py` and `test_site.py` also need.
pytestmark = pytest.mark.xdist_group("site")


@pytest.fixture(scope="module")
def projects(render: Render) -> dict[Combination, Path]:
    return {combination: render(**combination.answers) for combination in PROJECTS}


@pytest.fixture(scope="module", params=PROJECTS, ids=str)
def project(request: pytest.FixtureRequest, projects: dict[Combination, Path]) -> Path:
    return projects[request.param]


@pytest.fixture(scope="module")
def sections(project: Path) -> list[Section]:
    return sections_of(project)


@pytest.fixture(scope="module")
def marked() -> set[tuple[str, str]]:
    """Return the page and heading of each section whose commands some test runs."""
    return set(marked_sections())


def test_readme_is_short(project: Path) -> None:
    text = (project / "README.md").read_text(encoding="utf-8")

    assert len(text.split()) <= MAX_WORDS
    for part in re.split(r"^## ", text, flags=re.MULTILINE):
        assert part.count("\n") <= MAX_LINES, part.partition("\n")[0]


def test_links_resolve(project: Path) -> None:
    assert not broken_links(project)


def test_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "AGENTS.md").touch()
    (tmp_path / "README.md").write_text("[a](docs/a.md) [b](docs/b.md#two) [c](#c) [d](../d)\n")
    (tmp_path / "docs/b.md").write_text("# One\n\n[one](#one) <https://example.com>\n")
    (tmp_path.parent / "d").touch()

    broken = [link.partition(": ")[2] for link in broken_links(tmp_path)]

    assert broken == ["docs/a.md", "docs/b.md#two", "#c", "../d"]


def test_index_lists_every_page(project: Path) -> None:
    links = {link for each in read_page(project, "docs/README.md") for link in each.links}

    pages = {Path(name).name for name in page_names(project) if name.startswith("docs/")}
    assert links == pages - {"README.md"}


def test_files_name_existing_pages(project: Path) -> None:
    for path in files(project):
        text = (project / path).read_text(encoding="utf-8")
        for page in re.findall(r"\bdocs/[\w-]+\.md\b", text):
            assert (project / page).is_file(), (path, page)


def test_every_command_is_run(sections: list[Section], marked: set[tuple[str, str]]) -> None:
    for each in sections:
        if each.code_in("sh"):
            names = {(each.page, each.heading), (each.page, "")}
            assert marked & names, f"mark the test that runs {names} with `runs_commands`"


def test_marks_name_existing_sections(
    projects: dict[Combination, Path], marked: set[tuple[str, str]]
) -> None:
    found = {
        (each.page, heading)
        for project in projects.values()
        for each in sections_of(project)
        if each.code_in("sh")
        for heading in (each.heading, "")
    }

    assert marked <= found


def test_inline_commands_are_known(project: Path, sections: list[Section]) -> None:
    """Accept a target of the Makefile, and the beginning of a command that a block shows."""
    makefile = (project / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    blocks = [line for each in sections for code in each.code_in("sh") for line in code.split("\n")]
    recipes = re.findall(r"^\t\$\(UV\) (.*)$", makefile, re.MULTILINE)
    known = [*blocks, *(f"uv {recipe}" for recipe in recipes), *IN_CONTAINERS]
    table = read_page(project, "README.md")

    for section in sections:
        if section in table and section.heading == "Commands":
            continue  # test_readme_lists_every_make_target compares these
        for code in section.code:
            program, *arguments = code.split()[:2] or [""]
            if program == "make" and arguments:
                assert arguments[0] in targets, (section.page, code)
            elif program in PROGRAMS and arguments:
                assert any(f"{each} ".startswith(f"{code} ") for each in known), (
                    section.page,
                    code,
                )


def test_code_can_be_pasted(sections: list[Section]) -> None:
    for section in sections:
        for language, code in section.blocks:
            assert language in LANGUAGES, (section.page, code)
            # A prompt could not be pasted.
            assert not re.search(r"^[$>] ", code, re.MULTILINE), (section.page, code)


def test_python_is_valid(sections: list[Section]) -> None:
    for section in sections:
        for code in section.code_in("python"):
            if code.startswith("@") and "def " not in code:
                code += "\nasync def example() -> None: ..."  # noqa: PLW2901
            ast.parse(f"async def example():\n{textwrap.indent(code, '    ')}", section.page)
