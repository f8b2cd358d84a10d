"""The template's hooks, run by cookiecutter and by cruft."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.template import TEMPLATE, files, git, run

from .helpers.repositories import command, commit, generate, home, identify

TOOLS = ("cookiecutter", "cruft")
HOOKS = sorted((TEMPLATE / "hooks").glob("*.py"))

CHARACTERS = "use lower-case letters, digits, '-' and '_', such as 'my-app'"
LENGTH = "use at most 64 characters, such as 'my-app'"
NAME = "choose a name unlike the project's folders and dependencies"
ADDRESS = "use an address such as 'me@example.com', or leave it empty"
PODS = "use database=postgresql, database=mysql or deploy=compose, because pods share no file"
LINE = "use one line of text, without control characters or broken Unicode"

#: This is 64 characters long, but has too many bytes for a folder's name.
MANY_BYTES = "\N{DESERET SMALL LETTER LONG I}" * 64


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Commit a small template with our hooks and a folder `deploy` for one choice only."""
    template = tmp_path / "small"
    options = {"project_slug": "app", "deploy": ["compose", "kubernetes"]}
    source = template / "{{cookiecutter.project_slug}}"
    folder = source / "deploy" / "cluster"
    folder.mkdir(parents=True)
    name = "{% if cookiecutter.deploy == 'kubernetes' %}service.yaml{% endif %}"
    (folder / name).write_text("kind: Service\n")
    (source / "README.md").write_text("App\n")
    (template / "cookiecutter.json").write_text(json.dumps(options))
    ignored = shutil.ignore_patterns("pre_gen_project.py", "__pycache__")
    shutil.copytree(TEMPLATE / "hooks", template / "hooks", ignore=ignored)
    git(template, "init", "--quiet")
    commit(template)
    return template


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    ("given", "messages"),
    [
        *[
            ({"project_slug": slug}, [f"invalid project_slug {slug!a}: {CHARACTERS}"])
            for slug in ("", "../escape", MANY_BYTES)
        ],
        ({"project_slug": "a" * 300}, [f"invalid project_slug '{'a' * 20}...': {LENGTH}"]),
        ({"project_slug": "six"}, [f"invalid project_slug 'six': {NAME}, such as 'my-six'"]),
        (
            {"project_name": "a\nb", "author_email": "me", "deploy": "kubernetes"},
            [
                rf"invalid project_name 'a\nb': {LINE}",
                f"invalid author_email 'me': {ADDRESS}",
                f"invalid deploy 'kubernetes' with database 'sqlite': {PODS}",
            ],
        ),
    ],
    ids=["empty", "path", "bytes", "length", "taken", "several"],
)
def test_rejection_is_one_line_without_files(
    tmp_path: Path, template: Path, tool: str, given: dict[str, str], messages: list[str]
) -> None:
    """Give one answer of each kind. `tests/test_text.py` runs the hook with many more."""
    folder = tmp_path / "work"

    result = generate(tool, str(template), folder, **given)

    assert result.returncode == 1
    lines = result.stderr.splitlines()
    ours, others = lines[: len(messages)], lines[len(messages) :]
    assert ours == messages
    # After a failed hook, cookiecutter prints a traceback on stdout and cruft one on stderr. A
    # hook can't prevent that, but its own message comes first.
    assert result.stdout.startswith("ERROR: " if tool == "cookiecutter" else "")
    assert (others == []) is (tool == "cookiecutter")
    assert list(folder.iterdir()) == []
    assert not list(tmp_path.glob("escape*"))


def test_rejection_keeps_an_existing_project(tmp_path: Path, template: Path) -> None:
    generate("cookiecutter", str(template), tmp_path / "work")
    project = tmp_path / "work" / "my-app"
    (project / "README.md").write_text("Mine\n")
    before = {path: (project / path).read_bytes() for path in files(project)}

    again = ["cookiecutter", "--no-input", "--overwrite-if-exists", str(template)]
    result = command([*again, "author_email=me"], project.parent)

    assert result.returncode == 1
    assert {path: (project / path).read_bytes() for path in files(project)} == before


def test_next_steps_start_the_database(tmp_path: Path, template: Path) -> None:
    result = generate("cookiecutter", str(template), tmp_path / "new", database="mysql")

    steps = re.findall(r"^    (make .+)$", result.stderr, re.MULTILINE)
    assert steps == ["make database", "make run", "make test"]


@pytest.mark.parametrize("tool", TOOLS)
def test_next_steps_work_as_printed(
    tmp_path: Path, template: Path, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    # cruft renders updates into folders with such names, but only in the temporary folder.
    folder = tmp_path / "tmpabcdefgh"
    monkeypatch.setenv("PWD", str(folder))

    result = generate(tool, str(template), folder, project_name="Tea Shop")

    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert list(temporary.iterdir()) == []
    steps = re.findall(r"^    (.+)$", result.stderr, re.MULTILINE)
    *commands, _, _ = steps
    assert commands[0] == "cd tea-shop"
    assert steps[-2:] == ["make run", "make test"]
    author = "[user]\nname = Tests\nemail = tests@example.com\n"
    (home(folder) / ".gitconfig").write_text(author)
    for line in commands[1:]:
        run(shlex.split(line), folder / "tea-shop", HOME=str(home(folder)))
    assert git(folder / "tea-shop", "status", "--porcelain") == ""
    assert ".cruft.json" in git(folder / "tea-shop", "ls-files").splitlines()
    makefile = (folder / "tea-shop" / "Makefile").read_text(encoding="utf-8")
    assert re.findall(r"^(run|test):", makefile, re.MULTILINE) == ["run", "test"]


def test_next_steps_name_the_output_folder(tmp_path: Path, template: Path) -> None:
    elsewhere = tmp_path / "some where"

    result = generate(
        "cookiecutter", str(template), tmp_path / "work", "--output-dir", str(elsewhere)
    )

    assert f"\n    cd '{elsewhere}/my-app'\n" in result.stderr


def test_update_writes_no_record_or_steps(
    tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYNEST_ASYNC_UPDATE", "1")

    result = generate("cookiecutter", str(template), tmp_path / "work")

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / "work" / "my-app" / "README.md").exists()
    assert not (tmp_path / "work" / "my-app" / ".cruft.json").exists()


@pytest.mark.parametrize("tool", TOOLS)
def test_empty_folder_is_removed(tmp_path: Path, small: Path, tool: str) -> None:
    generate(tool, str(small), tmp_path / "one")
    generate(tool, str(small), tmp_path / "other", deploy="kubernetes")

    one, other = tmp_path / "one" / "app", tmp_path / "other" / "app"
    assert sorted(path.name for path in one.iterdir()) == [".cruft.json", "README.md"]
    assert (other / "deploy" / "cluster" / "service.yaml").read_text() == "kind: Service\n"


def test_update_adds_and_removes_conditional_file(tmp_path: Path, small: Path) -> None:
    generate("cruft", str(small), tmp_path / "work")
    project = tmp_path / "work" / "app"
    git(project, "init", "--quiet")
    identify(project)
    commit(project)

    for deploy in ("kubernetes", "compose"):
        switch = ["--skip-apply-ask", "--variables-to-update", json.dumps({"deploy": deploy})]
        result = command(["cruft", "update", *switch], project)
        assert (result.returncode, result.stderr) == (0, "")
        assert (project / "deploy").exists() is (deploy == "kubernetes")
        commit(project)


def test_regenerated_project_keeps_empty_folders(tmp_path: Path, small: Path) -> None:
    generate("cookiecutter", str(small), tmp_path / "work")
    uploads = tmp_path / "work" / "app" / "uploads"
    uploads.mkdir()

    again = ["cookiecutter", "--no-input", "--overwrite-if-exists", str(small)]
    assert command(again, tmp_path / "work").returncode == 0

    assert uploads.exists()


def test_empty_clone_keeps_its_git_folders(tmp_path: Path, small: Path) -> None:
    git(tmp_path, "init", "--quiet", "work/app")
    (tmp_path / "work" / "app" / ".git" / "empty").mkdir()

    into = ["cookiecutter", "--no-input", "--overwrite-if-exists", str(small)]
    assert command(into, tmp_path / "work").returncode == 0

    assert (tmp_path / "work" / "app" / ".git" / "empty").exists()


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.stem)
def test_hook_runs_on_any_python(hook: Path) -> None:
    tree = ast.parse(hook.read_text(encoding="utf-8"), feature_version=(3, 9))
    imported = {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if name
    }

    assert imported
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


def test_typed_answers_reach_files_unchanged(tmp_path: Path) -> None:
    name = "{ { 7 * 7 }} 'Tea' %}"
    answers = [name, "tea-shop", "", "O'Neill \\ Söhne", "", "4", "2", "2", "2", "2", "2"]
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
    assert (project / "src/core/auth.py").exists()
    assert (project / "src/core/telemetry.py").exists()
    assert (project / "deploy/base/deployment.yaml").exists()
