"""The record of the template in a new project, and the files that updates don't touch."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest

from tools.template import SOURCE, files, git

from .helpers.repositories import command, commit, generate, home, identify

#: One process creates the expected projects for all of these tests.
pytestmark = pytest.mark.xdist_group("updates")

ANSWERS = {"project_name": "Tea & Söhne 'Ltd' {", "author_name": "", "database": "postgresql"}
PROJECT = "tea-sohne-ltd"


@pytest.fixture(scope="session")
def small(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clone the template, and keep few of a project's files. The record doesn't depend on them."""
    small = tmp_path_factory.mktemp("small") / template.name
    git(template, "clone", "--quiet", str(template), str(small))
    source = small / SOURCE.name
    for name in ("docs", "scaffold", "src", "tests"):
        shutil.rmtree(source / name)
    commit(small)
    return small


class Created(Protocol):
    def __call__(self, template: Path, *options: str) -> Path: ...


@pytest.fixture(scope="session")
def created(tmp_path_factory: pytest.TempPathFactory) -> Created:
    """Return a function that creates a project with cruft, as the expected result."""

    @cache
    def created(template: Path, *options: str) -> Path:
        folder = tmp_path_factory.mktemp("created") / "work"
        result = generate("cruft", str(template), folder, *options, **ANSWERS)
        assert result.returncode == 0, result.stderr
        assert result.stdout == ""
        return folder / PROJECT

    return created


@pytest.fixture
def clone(template: Path, tmp_path: Path) -> Path:
    """Clone the template, so that a test can change it."""
    clone = tmp_path / "clone" / "pynest-async"
    git(template, "clone", "--quiet", str(template), str(clone))
    identify(clone)
    return clone


@pytest.fixture(scope="session")
def larger(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Commit the template as a folder of a larger repository, and tag its older commit."""
    larger = tmp_path_factory.mktemp("larger") / "all-templates"
    (larger / "services").mkdir(parents=True)
    ignored = shutil.ignore_patterns(".git")
    shutil.copytree(small, larger / "services" / "async", ignore=ignored)
    git(larger, "init", "--quiet", "--initial-branch=main")
    identify(larger)
    commit(larger)
    git(larger, "tag", "v1")
    (larger / "services" / "async" / "hooks" / "later.txt").touch()
    commit(larger)
    return larger


def make(folder: Path, template: str, *options: str) -> Path:
    """Create a project with cookiecutter, check the next steps, and return its folder."""
    result = generate("cookiecutter", template, folder, *options, **ANSWERS)

    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert "git add ." in result.stderr
    assert "cruft link" not in result.stderr
    return folder / PROJECT


def cruft(project: Path, *arguments: str, **variables: str) -> tuple[str, str]:
    """Run cruft in a project; return its output and its error messages."""
    result = command(["cruft", *arguments], project, **variables)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout, result.stderr


def record(project: Path) -> Any:
    return json.loads((project / ".cruft.json").read_text(encoding="utf-8"))


def equal(one: Path, other: Path) -> bool:
    """Compare two projects byte by byte, but their records by value."""
    return (
        list(files(one)) == list(files(other))
        and record(one) == record(other)
        and all(
            (one / path).read_bytes() == (other / path).read_bytes()
            for path in files(one)
            if path.name != ".cruft.json"
        )
    )


def test_template_path_is_recorded_like_cruft(
    small: Path, created: Created, tmp_path: Path
) -> None:
    assert equal(make(tmp_path / "absolute", str(small)), created(small))

    folder = tmp_path / "relative"
    assert equal(make(folder, os.path.relpath(small, folder)), created(small))


def test_relative_template_path_is_resolved(small: Path, created: Created, tmp_path: Path) -> None:
    result = command(
        [
            *("cookiecutter", "--no-input", "--output-dir", str(tmp_path), "."),
            *(f"{name}={answer}" for name, answer in ANSWERS.items()),
        ],
        small,
        PWD=str(small),
        HOME=str(home(tmp_path)),
    )

    assert result.returncode == 0, result.stderr
    assert equal(tmp_path / PROJECT, created(small))


def test_cookiecutter_and_cruft_write_equal_records(small: Path, tmp_path: Path) -> None:
    for tool in ("cookiecutter", "cruft"):
        generate(tool, str(small), tmp_path / tool)
    one, other = (tmp_path / tool / "my-app" / ".cruft.json" for tool in ("cookiecutter", "cruft"))

    assert one.read_bytes() == other.read_bytes()


def test_cloned_template_is_recorded_like_cruft(
    larger: Path, small: Path, created: Created, tmp_path: Path
) -> None:
    url = f"git+{small.as_uri()}"
    assert equal(make(tmp_path / "url", url), created(small))
    # Use the clone in `.cookiecutters` by its name.
    assert equal(make(tmp_path / "name", small.name), created(small))

    rc = home(tmp_path / "url") / ".cookiecutterrc"
    rc.write_text(f'abbreviations: {{"here": "git+{small.parent.as_uri()}/{{0}}"}}\n')
    assert equal(make(tmp_path / "abbreviation", f"here:{small.name}"), created(small))

    options = ("--checkout", "v1", "--directory", "services/async")
    url = f"git+{larger.as_uri()}"
    assert equal(make(tmp_path / "checkout", url, *options), created(larger, *options))


def test_repository_folder_is_recorded_like_cruft(
    larger: Path, created: Created, tmp_path: Path
) -> None:
    expected = created(larger, "--directory", "services/async")

    path = str(larger / "services" / "async")
    assert equal(make(tmp_path / "path", path), expected)
    options = ("--directory", "services/async")
    assert equal(make(tmp_path / "directory", str(larger), *options), expected)
    assert cruft(expected, "diff", "--exit-code") == ("", "")


def test_shallow_clone_is_recorded(small: Path, created: Created, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    git(small, "clone", "--quiet", "--depth=1", small.as_uri(), str(shallow))

    assert equal(make(tmp_path / "work", str(shallow)), created(shallow))


def test_new_project_has_no_diff(template: Path, created: Created, tmp_path: Path) -> None:
    project = make(tmp_path / "work", str(template))

    assert equal(project, created(template))
    assert cruft(project, "diff", "--exit-code") == ("", "")
    assert "SUCCESS" in cruft(project, "check")[0]


@pytest.mark.parametrize(
    ("origin", "recorded"),
    [
        ("https://token@example.com/a/b.git", "https://example.com/a/b.git"),
        ("https://me@work:p@ss@example.com/a@b", "https://example.com/a@b"),
        ("git@example.com:a/b.git", "git@example.com:a/b.git"),
        ("ssh://git@example.com:22/a/b", "ssh://git@example.com:22/a/b"),
    ],
)
def test_record_has_no_password(small: Path, tmp_path: Path, origin: str, recorded: str) -> None:
    cached = home(tmp_path / "work") / ".cookiecutters" / "pynest-async"
    git(small, "clone", "--quiet", str(small), str(cached))
    git(cached, "remote", "set-url", "origin", origin)

    project = make(tmp_path / "work", "pynest-async")

    assert record(project)["template"] == recorded
    assert record(project)["context"]["cookiecutter"]["_template"] == recorded


def not_recorded(folder: Path, template: Path, reason: str) -> list[str]:
    """Create a project of an unrecordable template; return the command that links it."""
    result = generate("cookiecutter", str(template), folder, **ANSWERS)

    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert f"\nThe template is not recorded for updates: {reason}. To link it" in result.stderr
    assert not (folder / PROJECT / ".cruft.json").exists()
    [line] = re.findall(r"^    uvx (cruft link .*)$", result.stderr, re.MULTILINE)
    return shlex.split(line)


def test_archive_template_is_linked_later(small: Path, created: Created, tmp_path: Path) -> None:
    archive, plain = tmp_path / "main.zip", tmp_path / "pynest-async-main"
    git(small, "archive", f"--prefix={plain.name}/", f"--output={archive}", "HEAD")
    shutil.unpack_archive(archive, tmp_path)
    commit = git(small, "rev-parse", "HEAD")
    reason = "git has no commit of it"

    link = not_recorded(tmp_path / "archive", archive, reason)
    assert link == not_recorded(tmp_path / "plain", plain, reason)

    assert link[2:5] == ["URL", "--checkout", "COMMIT"]
    project = tmp_path / "archive" / PROJECT
    cruft(project, "link", str(small), "--checkout", commit, *link[5:])
    assert record(project) == record(created(small)) | {"checkout": commit}
    assert cruft(project, "diff", "--exit-code") == ("", "")


def test_dirty_template_is_linked_later(larger: Path, created: Created, tmp_path: Path) -> None:
    reason = "it has uncommitted changes"
    clone = tmp_path / "clone"
    git(larger, "clone", "--quiet", str(larger), str(clone))
    note = clone / "services" / "async" / "templates" / "note.txt"
    note.touch()

    link = not_recorded(tmp_path / "work", note.parent.parent, reason)

    assert link[2] == str(clone)
    note.unlink()
    commit = git(clone, "rev-parse", "HEAD")
    project = tmp_path / "work" / PROJECT
    cruft(project, *(commit if word == "COMMIT" else word for word in link[1:]))
    expected = created(clone, "--directory", "services/async")
    assert record(project) == record(expected) | {"checkout": commit}


def test_nothing_is_recorded_without_git(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookiecutter = shutil.which("cookiecutter")
    assert cookiecutter
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cookiecutter").symlink_to(cookiecutter)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    not_recorded(tmp_path / "work", small, "git is not installed")


def test_untracked_files_elsewhere_are_ignored(clone: Path, tmp_path: Path) -> None:
    (clone / "notes.txt").touch()

    make(tmp_path / "work", str(clone))


def test_dirty_template_can_be_baked(clone: Path, cookies: Any) -> None:
    (clone / "hooks" / "note.txt").touch()

    result = cookies.bake(template=str(clone))

    assert result.exception is None
    assert not (result.project_path / ".cruft.json").exists()


def owned(project: Path) -> list[str]:
    """Return the paths that belong to the project's owner."""
    pyproject = (project / "pyproject.toml").read_text(encoding="ascii")
    skip: list[str] = tomllib.loads(pyproject)["tool"]["cruft"]["skip"]
    return skip


def test_owned_paths_exist_in_a_project(rendered: Path) -> None:
    for pattern in owned(rendered):
        assert list(rendered.glob(pattern)), pattern


def test_update_keeps_owned_files(clone: Path, tmp_path: Path) -> None:
    project = make(tmp_path / "work", str(clone))
    mine = [
        path
        for path in files(project)
        if any(path.is_relative_to(pattern) for pattern in owned(project))
    ]
    edited, deleted = Path("src/app_module.py"), ("src/examples", "tests/examples")
    assert edited in mine

    text = (project / edited).read_text("utf-8").replace("ExamplesModule", "OrdersModule")
    (project / edited).write_text(text, "utf-8")
    for folder in deleted:
        shutil.rmtree(project / folder)
    git(project, "init", "--quiet")
    identify(project)
    commit(project)

    # The next version changes all of the owner's files, and adds one among them and one in core.
    source = clone / "{{cookiecutter.project_slug}}"
    for path in mine:
        with (source / path).open("a") as file:
            file.write("# Later\n")
    (source / "src" / "examples" / "later.py").touch()
    (source / "src" / "core" / "later.py").write_text("# Later\n")
    head = commit(clone)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    _, errors = cruft(project, "update", "--skip-apply-ask", TMPDIR=str(temporary))

    status = git(project, "status", "--porcelain", "--untracked-files=all").split("\n")
    assert sorted(line.split()[-1] for line in status) == [".cruft.json", "src/core/later.py"]
    assert record(project)["commit"] == head
    assert errors == ""
    assert list(temporary.iterdir()) == []


def test_regeneration_keeps_owned_files(template: Path, tmp_path: Path) -> None:
    project = make(tmp_path / "work", str(template))
    mine = [project / path / "mine.py" for path in owned(project) if (project / path).is_dir()]
    assert project / "migrations" / "versions" / "mine.py" in mine
    for path in mine:
        path.touch()

    given = [f"{name}={answer}" for name, answer in ANSWERS.items()]
    again = ["cookiecutter", "--no-input", "--overwrite-if-exists", str(template), *given]
    result = command(again, project.parent)

    assert result.returncode == 0, result.stderr
    assert all(path.is_file() for path in mine)
