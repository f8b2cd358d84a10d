"""The hooks, under cookiecutter and under cruft as a user runs them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tools.template import TEMPLATE

from .helpers.repositories import generate

COMMANDS = ("cookiecutter", "cruft")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"project_slug": ""}, "project_slug: is empty; give a name such as 'my-app'"),
        ({"project_slug": "My App"}, "project_slug: 'My App' is not made of lower-case letters"),
        ({"project_slug": "../escape"}, "project_slug: '../escape' is not made of lower-case"),
        ({"project_slug": "a/b"}, "project_slug: 'a/b' is not made of lower-case"),
        ({"project_slug": ".."}, "project_slug: '..' is not made of lower-case"),
        ({"project_slug": "a" * 300}, f"project_slug: '{'a' * 300}' is over 64 characters long"),
        ({"project_slug": "sqlalchemy"}, "project_slug: 'sqlalchemy' is the name of a part"),
        ({"author_email": "me"}, "author_email: 'me' is not an e-mail address; give one such as"),
        ({"project_name": "a\nb", "project_slug": "a"}, "project_name: holds a line break"),
    ],
)
def test_refusal_is_one_line_and_leaves_nothing(
    tmp_path: Path, template: Path, command: str, given: dict[str, str], reason: str
) -> None:
    folder = tmp_path / "work"

    result = generate(command, str(template), folder, **given)

    assert result.returncode == 1
    ours = [line for line in result.stderr.splitlines() if line.startswith(reason)]
    assert len(ours) == 1, result.stderr
    if command == "cookiecutter":
        assert result.stderr.splitlines() == ours
    assert list(folder.iterdir()) == []
    assert not list(tmp_path.glob("escape*"))


@pytest.mark.parametrize("command", COMMANDS)
def test_success_says_what_comes_next_on_stderr(
    tmp_path: Path, template: Path, command: str
) -> None:
    result = generate(command, str(template), tmp_path / "work", project_name="Tea Shop")

    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    for step in ("cd tea-shop", "git commit", "make run", "make test"):
        assert step in result.stderr


def test_typed_answers_are_taken_as_they_are(tmp_path: Path) -> None:
    name = "{ { 7 * 7 }} 'Tea' %}"
    answers = [name, "tea-shop", "", "O'Neill \\ Söhne", "", "4", "2", "2"]
    environment = os.environ | {"HOME": str(tmp_path), "PYTHONUTF8": "1"}

    subprocess.run(
        ["cookiecutter", str(TEMPLATE)],
        cwd=tmp_path,
        env=environment,
        input="\n".join([*answers, ""]),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )

    project = tmp_path / "tea-shop"
    assert f'app_name="{name}"' in (project / "src/app_service.py").read_text(encoding="utf-8")
    assert "O'Neill \\ Söhne\n" in (project / "LICENSE").read_text(encoding="utf-8")
    assert 'db_type="postgresql"' in (project / "src/config.py").read_text(encoding="utf-8")
    assert "self.session" in (project / "src/examples/examples_service.py").read_text(
        encoding="utf-8"
    )
