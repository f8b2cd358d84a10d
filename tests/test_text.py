"""Free text in answers is correct in every rendered file, or rejected."""

from __future__ import annotations

import ast
import json
import re
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

#: Without escaping, each text breaks some kind of file.
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
REJECTED = ["two\nlines", "nul\0", "bell\a", "tab\t", "\x85", "\u2028", "\ud800", "\x7f", "\r"]

# One process renders all files once, to find those with text.
pytestmark = pytest.mark.xdist_group("text")

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
    """Create the Jinja environment of cookiecutter."""
    context = generate_context(context_file=str(TEMPLATE / "cookiecutter.json"))
    environment: Environment = create_env_with_context(context)
    environment.loader = FileSystemLoader([SOURCE, TEMPLATE / "templates", TEMPLATE / "hooks"])
    return environment


def context_of(answers: dict[str, str]) -> dict[str, Any]:
    """Create cookiecutter's context for files and hooks."""
    context: dict[str, Any] = generate_context(
        context_file=str(TEMPLATE / "cookiecutter.json"), extra_context=as_given(answers)
    )
    context["cookiecutter"] = prompt_for_config(context, no_input=True)
    return context


def rendered_files(context: dict[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Render files of the template in this process."""
    return {name: environment().get_template(name).render(context) for name in names}


@cache
def files_with_text() -> tuple[str, ...]:
    """Return the files that contain free text."""
    marks = {name: f"mark-{number}" for number, name in enumerate(TEXTS)}
    # Otherwise, the slug would contain the name's mark.
    context = context_of(marks | {"project_slug": "my-app"})
    names = [
        path.as_posix()
        for path in files(SOURCE)
        if not any(is_copy_only_path(str(part), context) for part in (path, *path.parents))
    ]
    rendered = rendered_files(context, names)
    return tuple(name for name, content in rendered.items() if "mark-" in content)


def run_hook(name: str, context: dict[str, Any]) -> dict[str, Any]:
    """Render a hook, run it as a module without its main block, and return its names."""
    source = environment().get_template(f"{name}.py").render(context)
    source.encode("utf-8")
    hook: dict[str, Any] = {"__name__": "hook"}
    exec(compile(source, name, "exec"), hook)  # noqa: S102  # The hook is part of this repository.
    return hook


def rejections(context: dict[str, Any]) -> list[str]:
    """Run the hook's checks on the answers, in the form that the hook receives."""
    hook = run_hook("pre_gen_project", context)
    return list(hook["problems"](hook["ANSWERS"]))


def keywords(source: str) -> dict[str, Any]:
    """Return the constants that a Python file passes as keyword arguments."""
    return {
        node.arg: node.value.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.keyword) and node.arg and isinstance(node.value, ast.Constant)
    }


def shown(tokens: list[Any]) -> str:
    """Join the visible text of rendered Markdown; fail for anything but text."""
    for token in tokens:
        assert token.type in {"text", "text_special"}, token
    return "".join(token.content for token in tokens)


def check(answers: dict[str, str], rendered: dict[str, str]) -> None:
    """Check that each file contains the texts exactly as given."""
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
@settings(max_examples=150, deadline=None, database=None)
def test_any_text_is_correct_or_rejected(answers: dict[str, str]) -> None:
    context = context_of(answers)
    if not rejections(context):
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

    assert not rejections(context)
    check(answers, rendered_files(context, files_with_text()))


@pytest.mark.parametrize("option", TEXTS)
@pytest.mark.parametrize("text", REJECTED, ids=ascii)
def test_control_characters_are_rejected(option: str, text: str) -> None:
    answers = {"project_slug": "my-app"} | {option: f"a{text}b"}

    [line] = rejections(context_of(answers))

    assert line.startswith(f"invalid {option} {f'a{text}b'!a}: use one line of text")


@pytest.mark.parametrize("option", TEXTS)
@pytest.mark.parametrize("text", MARKS)
def test_jinja_marks_are_rejected(option: str, text: str) -> None:
    answers = {"project_slug": "my-app"} | {option: f"a{text}b"}

    [line] = rejections(context_of(answers))

    fix = f"put a space inside '{text[:2]}', because updates would render it"
    assert line == f"invalid {option} 'a{text}b': {fix}"


@given(answers)
@settings(max_examples=50, deadline=None, database=None)
def test_update_keeps_any_answer(answers: dict[str, str]) -> None:
    context = context_of(answers)
    if not rejections(context):
        again = generate_context(
            context_file=str(TEMPLATE / "cookiecutter.json"), extra_context=answers
        )
        assert prompt_for_config(again, no_input=True) == context["cookiecutter"]


@given(answers)
@settings(max_examples=50, deadline=None, database=None)
def test_hooks_read_any_answer(answers: dict[str, str]) -> None:
    context = context_of(answers)
    expected = json.loads(json.dumps(context["cookiecutter"]))

    assert run_hook("pre_gen_project", context)["ANSWERS"] == expected
    # The record must list the options in this order.
    assert list(run_hook("post_gen_project", context)["ANSWERS"].items()) == list(expected.items())


@given(st.text().filter(str.strip))
@example("3D Viewer")
@example("\N{FOX FACE}")
@example("a" * 59 + " b")
@example("İstanbul ß")
@settings(max_examples=100, deadline=None, database=None)
def test_derived_slug_is_valid_unless_taken(name: str) -> None:
    for line in rejections(context_of({"project_name": name})):
        assert line.startswith("invalid project_name ") or ": choose a name " in line


def test_awkward_text_is_formatted_and_linted(render: Render, tmp_path: Path) -> None:
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


@pytest.mark.parametrize("first", range(0, 12, 3))
def test_cookiecutter_itself_renders_awkward_text(render: Render, first: int) -> None:
    name, description, author = AWKWARD[first : first + 3]
    answers = {"project_name": name, "project_slug": "my-app", "author_email": ""}
    answers |= {"project_description": description, "author_name": author}

    project = render(**answers)

    names = files_with_text()
    check(answers, {each: (project / each).read_text(encoding="utf-8") for each in names})


@pytest.mark.parametrize(
    ("slug", "fix"),
    [
        *[(slug, "use lower-case letters") for slug in ("", "A", "a b", "a/b", "a\\b", "é")],
        *[(slug, "use lower-case letters") for slug in (".", "..", "a/../b")],
        *[(slug, "start with a letter") for slug in ("1a", "-a", "a-", "a_", "_")],
        *[(slug, "Windows does not reserve") for slug in ("con", "nul", "aux", "com1", "lpt9")],
        *[(slug, "folders and dependencies") for slug in ("src", "nest", "tests", "alembic")],
        *[(slug, "folders and dependencies") for slug in ("sqlalchemy", "pynest_api", "h11")],
    ],
)
def test_invalid_slug_is_rejected(slug: str, fix: str) -> None:
    [line] = rejections(context_of({"project_slug": slug}))

    assert line.startswith(f"invalid project_slug {slug!a}: ")
    assert fix in line
    assert "such as" in line


def test_long_slug_is_rejected_and_shortened() -> None:
    [line] = rejections(context_of({"project_slug": "a" * 65}))

    shown = "a" * 20 + "..."
    assert line == f"invalid project_slug '{shown}': use at most 64 characters, such as 'my-app'"


def test_blank_name_is_rejected() -> None:
    [line] = rejections(context_of({"project_name": " ", "project_slug": "my-app"}))

    assert line == "invalid project_name ' ': use at least one visible character, such as 'My App'"


@pytest.mark.parametrize("slug", ["a", "a1", "my-app", "my_app", "a" * 64, "con-1", "email"])
def test_valid_slug_is_accepted(slug: str) -> None:
    assert not rejections(context_of({"project_slug": slug}))


@pytest.mark.parametrize("address", ["me", "me@", "@me.org", "a b@c.d", "me@host", "<me@x.org>"])
def test_invalid_address_is_rejected(address: str) -> None:
    [line] = rejections(context_of({"author_email": address}))

    fix = "use an address such as 'me@example.com', or leave it empty"
    assert line == f"invalid author_email '{address}': {fix}"


@pytest.mark.parametrize(
    "address", ["", "me@example.com", "a.b+c_d@x-y.co.uk", "o'neill@x.ie", "jörg@müller.de"]
)
def test_valid_address_is_accepted(address: str) -> None:
    assert not rejections(context_of({"author_email": address}))


def test_only_foreign_marks_are_copied_unrendered() -> None:
    options = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))

    for name in options["_copy_without_render"]:
        assert re.search("{{|{%|{#", (SOURCE / name).read_text(encoding="utf-8")), name
