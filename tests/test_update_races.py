"""Save files while `update.py` runs. No file is lost, and no update stays incomplete.

An audit hook runs an editor before every step of the tool. A step is a git command, or a file of
the project that Python opens, renames or deletes.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tools.template import git

from .helpers.repositories import commit
from .helpers.updates import FOLDER, load, make_project, make_template, write

#: The files that the editor saves. The update handles each differently, and skips the last one.
CHANGED, DELETED, ADDED, CONFLICT, OTHER = (
    "changed.txt",
    "deleted/by/template.txt",
    "added/by/template.txt",
    "README.md",
    "notes.txt",
)
TEXT = "Saved by an editor.\n"
#: Python raises these audit events before the file operation.
FILE_EVENTS = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink"}

Step = Callable[[str, tuple[Any, ...]], None]
#: Python can't remove an audit hook, so all tests share one. It is idle if this list is empty.
_steps: list[Step] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _steps and (event == "subprocess.Popen" or event in FILE_EVENTS):
        # The editor's own file operations don't count as steps.
        step = _steps.pop()
        try:
            step(event, arguments)
        finally:
            _steps.append(step)


@pytest.fixture(scope="module", autouse=True)
def audit() -> None:
    sys.addaudithook(_audit)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    # Conflict markers contain a commit's hash, which must be the same in each run.
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")


class Editor:
    """An editor that acts once, before a given step of an update."""

    def __init__(
        self, project: Path, step: int, act: Callable[[], None], *, commands: bool
    ) -> None:
        self.project = str(project)
        self.step = step
        self.act = act
        self.commands = commands
        self.count = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "subprocess.Popen":
            path = str(arguments[0])
            if self.commands or not path.startswith(self.project) or "/.git/" in path:
                return
        self.count += 1
        if self.count - 1 == self.step:
            self.act()


@contextlib.contextmanager
def opened(editor: Editor) -> Iterator[Editor]:
    """Enable an editor."""
    _steps.append(editor)
    try:
        yield editor
    finally:
        _steps.clear()


def save(*paths: Path) -> Callable[[], None]:
    def act() -> None:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(TEXT, encoding="utf-8")

    return act


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return make_template(tmp_path / "template")


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    """Render a project, then create the next version of its template."""
    project = make_project(template, tmp_path / "app")
    write(project, {CONFLICT: "Color: mine\n"})
    commit(project, "Edit")
    source = template / FOLDER
    write(source, {CHANGED: "one\ntwo\n3\n", CONFLICT: "Colour: red\n", ADDED: "New.\n"})
    (source / DELETED).unlink()
    commit(template, "Second")
    return project


def state(project: Path) -> dict[str, bytes]:
    """Return a project's files and its staged changes."""
    found = {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in sorted(project.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(project).parts
    }
    return found | {"index": git(project, "ls-files", "--stage").encode()}


def reset(project: Path) -> None:
    git(project, "reset", "--quiet", "--hard")
    git(project, "clean", "--quiet", "-fdx")


def every_step(
    project: Path,
    run: Callable[[], object],
    act: Callable[[], None],
    *,
    commands: bool = False,
    stride: int = 1,
) -> Iterator[tuple[dict[str, bytes], dict[str, bytes], dict[str, bytes]]]:
    """Run an update once for each of its steps; yield the old, new and resulting states.

    Args:
        project: the project.
        run: updates the project.
        act: acts before the step.
        commands: whether only git's commands count as steps.
        stride: tries every n-th step.
    """
    before = state(project)
    with opened(Editor(project, -1, act, commands=commands)) as editor:
        run()
    after = state(project)
    assert editor.count > 5
    for step in range(0, editor.count, stride):
        reset(project)
        with opened(Editor(project, step, act, commands=commands)):
            run()
        assert not (project / ".git" / "index.lock").exists()
        yield before, after, state(project)


def assert_whole(
    before: dict[str, bytes], after: dict[str, bytes], found: dict[str, bytes], *saved: str
) -> bool:
    """Check that saved files are kept, and all others updated or unchanged; return if updated."""
    updated = found["index"] == after["index"]
    assert found == (after if updated else before) | dict.fromkeys(saved, TEXT.encode())
    return updated


def run_all(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> Callable[[], None]:
    def run() -> None:
        monkeypatch.setattr(sys, "argv", ["update.py", *arguments])
        try:
            module.main()
        except SystemExit as error:
            message = str(error.code)
            assert "\n" not in message
            assert "not committed" in message or "was saved" in message or "in the way" in message

    return run


def test_update_keeps_files_saved_before_any_command(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_all(load(project), monkeypatch)
    act = save(project / CHANGED, project / ADDED)
    outcomes = {
        assert_whole(*states, CHANGED, ADDED)
        for states in every_step(project, run, act, commands=True)
    }

    assert outcomes == {True, False}


def test_diff_keeps_files_saved_before_any_command(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_all(load(project), monkeypatch, "--diff")
    act = save(project / CHANGED, project / ADDED)
    for before, after, found in every_step(project, run, act, commands=True, stride=3):
        assert before == after
        assert found == before | {CHANGED: TEXT.encode(), ADDED: TEXT.encode()}


@pytest.fixture
def apply(project: Path, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Merge an update; yield the function that applies it to the project."""
    module = load(project)
    base = git(project, "rev-parse", "HEAD")
    update = module.prepare(base, module.read_record(), None, {}, tmp_path / "work")
    with module.worktree(tmp_path / "work" / "tree", base) as tree:
        merged = module.merge(update, tree)

        def apply() -> None:
            with contextlib.suppress(module.RejectedError, KeyboardInterrupt):
                module.apply(merged, tree, project)

        yield apply


@pytest.mark.parametrize("saved", [CHANGED, DELETED, ADDED, CONFLICT, OTHER])
def test_merge_keeps_files_saved_at_any_step(
    saved: str, project: Path, apply: Callable[[], None]
) -> None:
    outcomes = [
        assert_whole(*states, saved) for states in every_step(project, apply, save(project / saved))
    ]

    assert set(outcomes) == {True, False}


def test_interrupted_merge_is_complete_or_undone(project: Path, apply: Callable[[], None]) -> None:
    outcomes = set()
    for before, after, found in every_step(project, apply, interrupt):
        # `apply` moves old files aside, and deletes them last.
        files = {
            name: text for name, text in found.items() if "/." not in f"/{name}" or name in before
        }
        assert files in (before, after)
        outcomes.add(files == after)

    assert outcomes == {True, False}
