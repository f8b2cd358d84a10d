"""Free text in the answers: right in every file it reaches, or refused."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cookiecutter.generate import generate_context, is_copy_only_path
from cookiecutter.prompt import prompt_for_config
from cookiecutter.utils import create_env_with_context
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt

from tools.template import SOURCE, TEMPLATE, files, run

from .conftest import Render
from .helpers.projects import TEXTS, as_given

#: Texts that break one kind of file or another where nobody took care.
AWKWARD = [
    'it\'s "quoted" and \'\'\'more\'\'\' than """that"""',
    'say "hi"',
    "back\\slash\\",
    '\\"',
    "\\'",
    "{ { cookiecutter.project_slug } } }} %} #} {} {",
    "#1: a & b; key: value",
    "<script>alert('1')</script> &amp; &lt;",
    "$HOME ${HOME} $(id) `id` %PATH%",
    "* _a_ **b** ~~c~~ [d](e) ![f](g) | h |",
    "- a list",
    "+ a list",
    "1. a list",
    "12) a list",
    "# a heading #",
    "> a quote",
    "=== ---",
    "---",
    "***",
    "\N{FOX FACE} عربي 中文 é e\N{COMBINING ACUTE ACCENT}",
    "zero\N{ZERO WIDTH SPACE}width\N{RIGHT-TO-LEFT OVERRIDE}\N{SOFT HYPHEN}\N{NO-BREAK SPACE}x",
    "\N{ZERO WIDTH NO-BREAK SPACE}",
    "  blanks  ",
    "x" * 200,
    "\N{LEFT DOUBLE QUOTATION MARK}curly\N{RIGHT DOUBLE QUOTATION MARK} \N{EN DASH}",
    "",
    " ",
    "null",
    "~",
]
MARKS = ["{{ 7 * 7 }}", "{% raw %}", "{# #}", "{{{", "{{"]
REFUSED = ["two\nlines", "nul\0", "bell\a", "tab\t", "\x85", "\u2028", "\ud800", "\x7f", "\r"]

text = st.one_of(
    st.text(),
    st.text(alphabet="'\"\\{}%#`$<>&*_-+=[]()|~!:.1 a\n"),
    st.sampled_from(AWKWARD),
)
slug = st.one_of(text, st.from_regex(r"[a-z0-9_-]{0,6}", fullmatch=True), st.just("my-app"))
email = st.one_of(text, st.emails(), st.just("me@example.com"))
answers = st.fixed_dictionaries(
    {
        "project_name": text,
        "project_slug": slug,
        "project_description": text,
        "author_name": text,
        "author_email": email,
        "license": st.sampled_from(["MIT", "Apache-2.0", "BSD-3-Clause", "Proprietary"]),
    }
)


@cache
def environment() -> Environment:
    """Make the environment in which cookiecutter renders the files."""
    context = generate_context(context_file=str(TEMPLATE / "cookiecutter.json"))
    environment: Environment = create_env_with_context(context)
    environment.loader = FileSystemLoader([SOURCE, TEMPLATE / "templates", TEMPLATE / "hooks"])
    return environment


def context_of(answers: dict[str, str]) -> dict[str, Any]:
    """Make the context in which files and hooks are rendered, as cookiecutter does."""
    context: dict[str, Any] = generate_context(
        context_file=str(TEMPLATE / "cookiecutter.json"), extra_context=as_given(answers)
    )
    context["cookiecutter"] = prompt_for_config(context, no_input=True)
    return context


def rendered_files(context: dict[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Render files of the template without a process."""
    return {name: environment().get_template(name).render(context) for name in names}


@cache
def files_with_text() -> tuple[str, ...]:
    """Find the files that any free text reaches."""
    marks = {name: f"mark-{number}" for number, name in enumerate(TEXTS)}
    context = context_of(marks)
    names = [
        path.as_posix()
        for path in files(SOURCE)
        if not any(is_copy_only_path(str(part), context) for part in (path, *path.parents))
    ]
    rendered = rendered_files(context, names)
    return tuple(name for name, content in rendered.items() if "mark-" in content)


def refusal(context: dict[str, Any]) -> str:
    """Have the hook judge the answers as they reach it; return what it refuses them for."""
    source = environment().get_template("pre_gen_project.py").render(context)
    source.encode("utf-8")
    hook: dict[str, Any] = {"__name__": "hook"}
    exec(compile(source, "pre_gen_project.py", "exec"), hook)  # noqa: S102  # as it is run
    return "\n".join(hook["problems"](hook["ANSWERS"]))


def keywords(source: str) -> dict[str, Any]:
    """Collect the constants that a Python file gives as keyword arguments."""
    return {
        node.arg: node.value.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.keyword) and node.arg and isinstance(node.value, ast.Constant)
    }


def shown(tokens: list[Any]) -> str:
    """Join the text that a reader of rendered Markdown sees; anything but text fails."""
    for token in tokens:
        assert token.type in {"text", "text_special"}, token
    return "".join(token.content for token in tokens)


def check(answers: dict[str, str], rendered: dict[str, str]) -> None:
    """Check that each text is in each file as it was given."""
    name, description = answers["project_name"], answers["project_description"]
    author, address = answers["author_name"], answers["author_email"]

    pyproject = rendered.pop("pyproject.toml")
    assert pyproject.isascii()
    project = tomllib.loads(pyproject)["project"]
    assert project["name"] == answers["project_slug"]
    assert project["description"] == description
    expected = {}
    if author.strip():
        expected["name"] = author
    if address:
        expected["email"] = address
    assert project.get("authors", []) == ([expected] if expected else [])

    assert keywords(rendered.pop("src/app_service.py"))["app_name"] == name
    assert keywords(rendered.pop("src/app_module.py"))["description"] == description

    blocks = MarkdownIt("commonmark").parse(rendered.pop("README.md"))
    assert blocks[0].tag == "h1"
    assert shown(blocks[1].children or []) == name.strip()
    if description.strip():
        assert [block.type for block in blocks[3:6]] == [
            "paragraph_open",
            "inline",
            "paragraph_close",
        ]
        assert shown(blocks[4].children or []) == description.strip()

    holder = author.strip() or f"the authors of {name.strip()}"
    assert f" {holder}\n" in rendered.pop("LICENSE")
    assert not rendered, "a file with text in it that nothing checks"


@given(answers)
@settings(max_examples=2000, deadline=None, database=None)
def test_any_text_is_right_or_refused(answers: dict[str, str]) -> None:
    context = context_of(answers)
    if not refusal(context):
        check(answers, rendered_files(context, files_with_text()))


@pytest.mark.parametrize("awkward", AWKWARD, ids=ascii)
def test_awkward_text_is_accepted(awkward: str) -> None:
    answers = {
        "project_name": awkward if awkward.strip() else "My App",
        "project_slug": "my-app",
        "project_description": awkward,
        "author_name": awkward,
        "author_email": "",
        "license": "MIT",
    }

    context = context_of(answers)

    assert not refusal(context)
    check(answers, rendered_files(context, files_with_text()))


@pytest.mark.parametrize("option", TEXTS)
@pytest.mark.parametrize("text", REFUSED, ids=ascii)
def test_control_characters_are_refused(option: str, text: str) -> None:
    answers = {"project_slug": "my-app"} | {option: f"a{text}b"}

    [line] = refusal(context_of(answers)).splitlines()

    assert line.startswith(f"{option}: holds ")
    assert line.endswith("; give one line of text")


@pytest.mark.parametrize("option", TEXTS)
@pytest.mark.parametrize("text", MARKS)
def test_marks_of_templates_are_refused(option: str, text: str) -> None:
    answers = {"project_slug": "my-app"} | {option: f"a{text}b"}

    [line] = refusal(context_of(answers)).splitlines()

    assert line.startswith(f"{option}: holds ")
    assert line.endswith("; put a space between")


@given(answers)
@settings(max_examples=200, deadline=None, database=None)
def test_an_update_renders_any_answer_to_itself(answers: dict[str, str]) -> None:
    context = context_of(answers)
    if not refusal(context):
        again = generate_context(
            context_file=str(TEMPLATE / "cookiecutter.json"), extra_context=answers
        )
        assert prompt_for_config(again, no_input=True) == context["cookiecutter"]


@given(st.text().filter(str.strip))
@example("3D Viewer")
@example("\N{FOX FACE}")
@example("a" * 59 + " b")
@example("İstanbul ß")
@settings(max_examples=500, deadline=None, database=None)
def test_the_slug_derived_from_a_name_is_right_unless_taken(name: str) -> None:
    for line in refusal(context_of({"project_name": name})).splitlines():
        assert line.startswith("project_name: holds") or "a part" in line or "device" in line


def test_awkward_text_passes_the_formatter_and_the_linter(render: Render, tmp_path: Path) -> None:
    for number, awkward in enumerate(AWKWARD):
        answers = {"project_name": awkward if awkward.strip() else "x", "author_name": awkward}
        answers |= {"project_description": awkward, "project_slug": "my-app"}
        names = ["src/app_service.py", "src/app_module.py"]
        rendered = rendered_files(context_of(answers), names)
        for name, content in rendered.items():
            path = tmp_path / f"project_{number}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            for package in path.relative_to(tmp_path).parents:
                (tmp_path / package / "__init__.py").touch()
    settings_of_a_project = ["--no-cache", "--config", str(render() / "pyproject.toml")]

    run(["ruff", "format", "--check", *settings_of_a_project, "."], tmp_path)
    run(["ruff", "check", *settings_of_a_project, "."], tmp_path)


@pytest.mark.parametrize("awkward", AWKWARD[:12], ids=ascii)
def test_cookiecutter_itself_renders_awkward_text(render: Render, awkward: str) -> None:
    answers = {"project_name": awkward, "project_slug": "my-app", "author_name": awkward}

    project = render(**answers)

    service = (project / "src/app_service.py").read_text(encoding="utf-8")
    assert keywords(service)["app_name"] == awkward


@pytest.mark.parametrize(
    ("slug", "reason"),
    [
        ("", "is empty"),
        ("a" * 65, "over 64 characters"),
        *[(slug, "is not made of") for slug in ("1a", "-a", "a-", "a_", "A", "a b", "a/b", "é")],
        *[(slug, "is not made of") for slug in (".", "..", "_", "a\\b", "a/../b")],
        *[(slug, "a device on Windows") for slug in ("con", "nul", "aux", "com1", "lpt9")],
        *[(slug, "a part of the app") for slug in ("src", "nest", "tests", "alembic")],
        *[(slug, "a part of the app") for slug in ("sqlalchemy", "pynest_api", "h11")],
    ],
)
def test_a_slug_that_cannot_be_is_refused(slug: str, reason: str) -> None:
    [line] = refusal(context_of({"project_slug": slug})).splitlines()

    assert line.startswith("project_slug: ")
    assert reason in line
    assert "such as" in line


@pytest.mark.parametrize("slug", ["a", "a1", "my-app", "my_app", "a" * 64, "con-1", "email"])
def test_a_slug_that_can_be_is_accepted(slug: str) -> None:
    assert not refusal(context_of({"project_slug": slug}))


@pytest.mark.parametrize("address", ["me", "me@", "@me.org", "a b@c.d", "me@host", "<me@x.org>"])
def test_what_is_no_address_is_refused(address: str) -> None:
    [line] = refusal(context_of({"author_email": address})).splitlines()

    assert line.startswith("author_email: ")
    assert "such as" in line


@pytest.mark.parametrize(
    "address", ["", "me@example.com", "a.b+c_d@x-y.co.uk", "o'neill@x.ie", "jörg@müller.de"]
)
def test_an_address_is_accepted(address: str) -> None:
    assert not refusal(context_of({"author_email": address}))
