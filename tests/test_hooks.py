"""The hooks, under cookiecutter and under cruft as a user runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .projects import TEMPLATE, files, run

COMMANDS = ("cookiecutter", "cruft")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Commit the template's work tree, which cruft wants, in a repository of its own."""
    repository = tmp_path_factory.mktemp("repository") / "pynest-async"
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], TEMPLATE)
    for name in filter(None, listed.split("\0")):
        if (TEMPLATE / name).is_file():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TEMPLATE / name, repository / name)
    identity = ["-c", "user.name=Tests", "-c", "user.email=tests@example.com"]
    run(["git", "init", "--quiet", "--initial-branch=main"], repository)
    run(["git", "add", "--all"], repository)
    run(["git", *identity, "commit", "--quiet", "--message=Snapshot"], repository)
    return repository


def generate(
    command: str, repository: Path, folder: Path, **answers: str
) -> subprocess.CompletedProcess[str]:
    """Make a project in `folder` by the command, from answers that are no templates."""
    folder.mkdir()
    # None of the tester's own settings.
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    arguments = {
        "cookiecutter": [
            *("cookiecutter", "--no-input", str(repository)),
            *(f"{name}={value}" for name, value in answers.items()),
        ],
        "cruft": [
            *("cruft", "create", "--no-input", str(repository)),
            *("--extra-context", json.dumps(answers)),
        ],
    }[command]
    return subprocess.run(
        arguments,
        cwd=folder,
        env=os.environ | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


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
    tmp_path: Path, repository: Path, command: str, given: dict[str, str], reason: str
) -> None:
    folder = tmp_path / "work"

    result = generate(command, repository, folder, **given)

    assert result.returncode == 1
    ours = [line for line in result.stderr.splitlines() if line.startswith(reason)]
    assert len(ours) == 1, result.stderr
    if command == "cookiecutter":
        assert result.stderr.splitlines() == ours
    assert list(folder.iterdir()) == []
    assert not list(tmp_path.glob("escape*"))


@pytest.mark.parametrize("command", COMMANDS)
def test_success_says_what_comes_next_on_stderr(
    tmp_path: Path, repository: Path, command: str
) -> None:
    result = generate(command, repository, tmp_path / "work", project_name="Tea Shop")

    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    for step in ("cd tea-shop", "git commit", "make run", "make test"):
        assert step in result.stderr


def test_cookiecutter_and_cruft_write_the_same(tmp_path: Path, repository: Path) -> None:
    for command in COMMANDS:
        result = generate(command, repository, tmp_path / command, database="postgresql")
        assert result.returncode == 0, result.stderr
    one, other = (tmp_path / command / "my-app" for command in COMMANDS)

    assert set(files(one)) == set(files(other)) - {Path(".cruft.json")}
    for path in files(one):
        assert (one / path).read_bytes() == (other / path).read_bytes(), path


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
