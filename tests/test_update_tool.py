"""`update.py` in a rendered project: merges, reports, versions, rejections and the workflow.

The tests create the next versions of the template, or of a small one. The tool runs in this
environment. In one test, uv creates the environment that `update.py` declares.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tools.releases import release
from tools.template import SOURCE, environment, files, git, run

from .conftest import Commands
from .helpers.projects import as_given
from .helpers.repositories import commit, identify
from .helpers.updates import FOLDER, make_project, make_template, write

#: One process creates the template's next version for all of these tests.
pytestmark = pytest.mark.xdist_group("update-tool")

#: Git settings without a user name, and with options that could break the tool.
GITCONFIG = """
[user]
useConfigOnly = true
[core]
safecrlf = true
[commit]
gpgSign = true
[merge]
renames = false
directoryRenames = true
conflictStyle = diff3
[status]
showUntrackedFiles = no
relativePaths = false
[color]
ui = always
"""

#: The workflow that opens a pull request for an update.
WORKFLOW = ".github/workflows/update.yml"

Change = tuple[str, str, str]

#: The next version's changes to the template: a file, the old text, the new text.
CHANGES: list[Change] = [
    (".editorconfig", "root = true", "root = true\n# Changed by the template."),
    (".gitignore", "# Editors", "*.changed\n\n# Editors"),
    ("Dockerfile", "\nCOPY src", "\n# Changed by the template.\nCOPY src"),
    ("docs/logging.md", "## Requests\n", "## Requests\n\nChanged by the template.\n"),
    ("pyproject.toml", "dependencies = [", 'dependencies = [\n    "added-by-template>=1,<2",'),
    ("src/core/logs.py", '"""', '"""Changed by the template. '),
    ("src/core/paging.py", '"""', '"""Changed by the template. '),
]
#: The next version also adds a file, renames a changed file, and deletes one.
ADDED, ADDED_FOLDER = "src/core/added.py", "folder/added.txt"
DELETED = "src/core/http/middleware.py"
RENAMED = "src/core/logs.py", "src/core/renamed.py"

#: A user's changes before the update.
EDITS: list[Change] = [
    ("Dockerfile", "FROM", "# Changed by the user.\nFROM"),
    ("docs/logging.md", "## Errors", "## Ours\n\nChanged by the user.\n\n## Errors"),
    ("pyproject.toml", '    "uvicorn', '    "added-by-user>=1,<2",\n    "uvicorn'),
    ("src/app_module.py", "class AppModule:", "# Changed by the user.\nclass AppModule:"),
    ("src/core/logs.py", "\nimport ", "\n# Changed by the user.\nimport "),
]


def edit(folder: Path, *changes: Change) -> None:
    for name, old, new in changes:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text, name
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")


def contents(project: Path) -> dict[str, bytes]:
    """Return a project's files, without `.git`."""
    return {
        path.as_posix(): (project / path).read_bytes()
        for path in files(project)
        if path.parts[0] != ".git"
    }


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Hide the tester's own settings from git and cookiecutter."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text(GITCONFIG)
    (home / ".cookiecutterrc").write_text("default_context: {database: mysql, author_name: Eve}")
    # The tests check that no temporary file stays here.
    (home / "tmp").mkdir()
    return {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "TMPDIR": str(home / "tmp")}


@pytest.fixture(scope="session")
def template(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create the next version of the template. The tag `first` is the current one."""
    later = tmp_path_factory.mktemp("later") / "pynest-async"
    git(template, "clone", "--quiet", str(template), str(later))
    git(later, "tag", "first")
    source = later / SOURCE.name
    edit(source, *CHANGES)
    (source / ADDED).write_text('"""Added by the template."""\n')
    (source / ADDED_FOLDER).parent.mkdir()
    (source / ADDED_FOLDER).write_text("Added by the template.\n")
    (source / RENAMED[0]).rename(source / RENAMED[1])
    (source / DELETED).unlink()
    commit(later, "Second")
    return later


Create = Callable[..., Path]


@pytest.fixture(scope="session")
def create(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Create:
    """Create a project of one version of the template with cruft."""

    def create(*version: str, **answers: str) -> Path:
        folder = tmp_path_factory.mktemp("created")
        context = json.dumps(as_given(answers))
        run(
            [
                *("cruft", "create", str(template), "--no-input", "--default-config"),
                *("--output-dir", str(folder), "--extra-context", context, *version),
            ],
            folder,
        )
        return folder / "my-app"

    return create


@pytest.fixture(scope="session")
def first(create: Create) -> Path:
    """Create a project of the current version."""
    return create("--checkout", "first")


@pytest.fixture(scope="session")
def second(create: Create) -> Path:
    """Create a project of the next version."""
    return create()


@pytest.fixture
def project(first: Path, tmp_path: Path) -> Path:
    """Commit a project of the current version, as the hook advises."""
    return start(first, tmp_path / "my-app")


def start(created: Path, folder: Path) -> Path:
    shutil.copytree(created, folder)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "Start from the template")
    return folder


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a project of the small template, and then the template's next version."""
    folder = tmp_path_factory.mktemp("small")
    template = make_template(folder / "template")
    project = make_project(template, folder / "app")
    changes = {"changed.txt": "one\ntwo\nChanged.\n", ADDED_FOLDER: "Added by the template.\n"}
    write(template / FOLDER, changes)
    (template / FOLDER / "deleted/by/template.txt").unlink()
    (template / FOLDER / "kept.txt").rename(template / FOLDER / "renamed.txt")
    commit(template, "Second")
    return project


@pytest.fixture
def small_project(small: Path, tmp_path: Path) -> Path:
    """Copy the small project, for tests that don't depend on the template's files."""
    return Path(shutil.copytree(small, tmp_path / "app"))


def template_of(project: Path) -> Path:
    """Return the template that a project's record names."""
    record = json.loads((project / ".cruft.json").read_text(encoding="utf-8"))
    return Path(record["template"])


Update = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def update(settings: dict[str, str]) -> Update:
    """Run the tool in a project, and check that it leaves no temporary file."""

    def update(project: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            [sys.executable, "update.py", *arguments],
            cwd=project,
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert result.returncode == code, result.stdout + result.stderr
        assert not list(Path(settings["TMPDIR"]).iterdir())
        assert not [path for path in files(project) if path.suffix in {".rej", ".orig"}]
        return result

    return update


def sections(report: str) -> dict[str, set[str]]:
    """Return the files in a report, by the first word of their heading."""
    return {
        re.split("[.:]", title)[0]: set(re.findall("`(.*)`", names))
        for title, names in re.findall(r"^(\w.*:)\n\n((?:- .*\n)+)", report, re.MULTILINE)
    }


def read_skip(project: Path) -> list[str]:
    """Return the paths that belong to the owner."""
    pyproject = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    skip: list[str] = pyproject["tool"].get("cruft", {}).get("skip", [])
    return skip


def outside_skip(project: Path, skip: list[str] | None = None) -> dict[str, bytes]:
    """Return the files that belong to the template, by the project's own list or another one."""
    patterns = read_skip(project) if skip is None else skip
    skipped = {path for pattern in patterns for path in project.glob(pattern)}
    return {
        name: content
        for name, content in contents(project).items()
        if not skipped & {project / name, *(project / name).parents}
    }


def test_update_equals_a_fresh_project(project: Path, second: Path, update: Update) -> None:
    report = update(project).stdout

    assert contents(project) == contents(second)
    assert sections(report) == {
        "Changed": {name for name, _, _ in CHANGES} - {RENAMED[0]},
        "Added": {ADDED, ADDED_FOLDER, RENAMED[1]},
        "Deleted": {DELETED, RENAMED[0]},
    }
    assert "make lock" in report
    assert git(project, "diff") == git(project, "ls-files", "--others") == ""
    commit(project, "Update")
    # cruft finds no difference either.
    run(["cruft", "check"], project)
    run(["cruft", "diff", "--exit-code"], project)
    assert update(project).stdout == "Up to date with the template.\n"


def test_update_ignores_a_closed_pipe(small_project: Path, settings: dict[str, str]) -> None:
    """Print the report to a reader like `head`, which stops reading."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        result = subprocess.run(
            [sys.executable, "update.py"],
            cwd=small_project,
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=closed,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
        )

    assert (result.returncode, result.stderr) == (0, "")
    assert (small_project / "changed.txt").read_text() == "one\ntwo\nChanged.\n"
    assert (small_project / ADDED_FOLDER).exists()


@pytest.mark.parametrize("kind", ["crlf", "monorepo"])
def test_update_keeps_every_edit(kind: str, first: Path, tmp_path: Path, update: Update) -> None:
    top = tmp_path / "repository"
    place = "services/mein café (neu)/" if kind == "monorepo" else ""
    project = Path(shutil.copytree(first, top / place))
    if kind == "monorepo":
        # The repository has a second project. git must not take its files for renamed ones.
        shutil.copytree(first, top / "services" / "other")
    git(top, "init", "--quiet")
    edit(project, *EDITS)
    for folder in ("src/examples", "tests/examples"):
        shutil.rmtree(project / folder)
    (project / "compose.yaml").unlink()
    (project / ".editorconfig").unlink()
    (project / "deploy").mkdir()
    (project / "Dockerfile").rename(project / "deploy" / "Dockerfile")
    (project / "src" / "orders").mkdir()
    (project / "src" / "orders" / "orders.py").write_text("# The user's.\n")
    commit(top, "Live in it")
    if kind == "crlf":
        git(top, "config", "core.autocrlf", "true")
        for path in contents(top):
            (top / path).unlink()
        git(top, "checkout", "--", ".")
    before = contents(top)

    report = update(project).stdout

    after = contents(top)
    changed = {name for name, _, _ in CHANGES} - {".editorconfig", RENAMED[0]}
    changed = {place + name.replace("Dockerfile", "deploy/Dockerfile") for name in changed}
    assert sections(report) == {
        "Deleted by you, but changed by the template": {f"{place}.editorconfig"},
        "Changed": changed,
        "Added": {place + name for name in (ADDED, ADDED_FOLDER, RENAMED[1])},
        "Deleted": {place + DELETED, place + RENAMED[0]},
    }
    assert after.keys() - before.keys() == {
        place + name for name in (ADDED, ADDED_FOLDER, RENAMED[1])
    }
    assert before.keys() - after.keys() == {place + DELETED, place + RENAMED[0]}
    for name in before.keys() & after.keys():
        assert (before[name] != after[name]) is (name in {*changed, f"{place}.cruft.json"}), name
    for name in ("docs/logging.md", "deploy/Dockerfile", RENAMED[1]):
        assert b"Changed by the template." in after[place + name]
        assert b"Changed by the user." in after[place + name]
    assert b"added-by-template" in after[f"{place}pyproject.toml"]
    assert b"added-by-user" in after[f"{place}pyproject.toml"]
    if kind == "crlf":
        text = after[RENAMED[1]]
        assert text.count(b"\r\n") == text.count(b"\n") > 0
    commit(top, "Update")
    assert "\ri/crlf" not in git(top, "ls-files", "--eol")


def follow(project: Path, template: Path) -> None:
    """Change the template in a project's record."""
    record = project / ".cruft.json"
    record.write_text(re.sub('(template": ").*(")', rf"\g<1>{template}\2", record.read_text()))
    commit(project, "Follow another template")


def make_fork(template: Path, folder: Path) -> Path:
    git(template, "clone", "--quiet", str(template), str(folder))
    identify(folder)
    return folder


@pytest.fixture
def fork(template: Path, tmp_path: Path) -> Path:
    """Clone the next version of the template, for further changes."""
    return make_fork(template, tmp_path / "fork")


def test_update_works_in_a_fresh_clone(
    project: Path, fork: Path, tmp_path: Path, update: Update
) -> None:
    edit(project, *EDITS)
    commit(project, "Edit")
    update(project)
    commit(project, "Update")
    clone = tmp_path / "clone"
    git(project, "clone", "--quiet", "--depth=1", project.as_uri(), str(clone))
    follow(clone, fork)
    edit(
        fork / SOURCE.name,
        ("docs/logging.md", "Changed by the template.", "Changed again."),
        (RENAMED[1], "Changed by the template.", "Changed again."),
    )
    commit(fork, "Third")

    report = update(clone).stdout

    assert sections(report) == {"Changed": {"docs/logging.md", RENAMED[1]}}
    for name in ("docs/logging.md", RENAMED[1]):
        text = (clone / name).read_text(encoding="utf-8")
        assert "Changed again." in text
        assert "Changed by the user." in text


def test_report_lists_conflicts(project: Path, second: Path, update: Update) -> None:
    edit(
        project,
        ("docs/logging.md", "## Requests\n", "## Requests\n\nChanged by the user.\n"),
        (DELETED, '"""', '"""Changed by the user. '),
    )
    (project / ADDED).write_text('"""Added by the user."""\n')
    before = commit(project, "Edit"), contents(project)

    report = update(project, code=1).stdout

    text = (project / "docs/logging.md").read_text(encoding="utf-8")
    assert re.search(
        "<<<<<<< .*Changed by the user.*=======.*Changed by the template.*>>>>>>> ", text, re.DOTALL
    )
    assert "Changed by the user." in (project / DELETED).read_text(encoding="utf-8")
    others = {name for name, _, _ in CHANGES} - {"docs/logging.md", RENAMED[0]}
    assert sections(report) == {
        "Conflicts": {"docs/logging.md", ADDED},
        "Deleted by the template, but changed by you": {DELETED},
        "Changed": others,
        "Added": {ADDED_FOLDER, RENAMED[1]},
        "Deleted": {RENAMED[0]},
    }
    after = contents(project)
    for name in {*others, RENAMED[1], ".cruft.json"}:
        assert after[name] == contents(second)[name]
    rejected = update(project, code=1).stderr
    assert "is not committed; commit it" in rejected
    with pytest.raises(AssertionError, match="unmerged"):
        commit_as_it_is(project)
    git(project, "reset", "--hard")
    assert (git(project, "rev-parse", "HEAD").strip(), contents(project)) == before


def commit_as_it_is(project: Path) -> None:
    git(project, "-c", "user.name=Tests", "-c", "user.email=tests@example.com", "commit", "-m", "x")


def test_report_lists_files_renamed_twice(project: Path, update: Update) -> None:
    (project / RENAMED[0]).rename(project / "src" / "ours.py")
    commit(project, "Rename")

    report = update(project, code=1).stdout

    assert sections(report)["Renamed by you and by the template"] == {*RENAMED, "src/ours.py"}
    assert "Changed by the template." in (project / "src" / "ours.py").read_text(encoding="utf-8")


def test_diff_changes_no_file(small_project: Path, update: Update) -> None:
    edit(small_project, ("changed.txt", "three", "Changed by the user."))
    commit(small_project, "Edit")
    before = contents(small_project)

    shown = update(small_project, "--diff", code=1).stdout

    assert contents(small_project) == before
    assert git(small_project, "status", "--porcelain") == ""
    assert git(small_project, "worktree", "list").count("\n") == 0
    assert f"\n+++ b/{ADDED_FOLDER}\n@@ -0,0 +1 @@\n+Added by the template." in shown
    assert "\n+<<<<<<< " in shown
    assert sections(shown)["Conflicts"] == {"changed.txt"}

    shown = update(small_project, "--diff", "color=blue", code=1).stdout
    assert "\n+Color: blue\n" in shown
    assert contents(small_project) == before


def test_check_reports_whether_an_update_exists(
    small_project: Path, tmp_path: Path, update: Update
) -> None:
    fork = make_fork(template_of(small_project), tmp_path / "fork")
    follow(small_project, fork)
    before = contents(small_project)
    found = update(small_project, "--check", code=1).stdout
    assert re.fullmatch(
        r"An update changes 5 files \(.*\)\. Apply it with `uv run update\.py`\.\n", found
    )
    assert contents(small_project) == before

    # A check allows uncommitted changes, and ignores commits without changes of files.
    update(small_project)
    commit(small_project, "Update")
    write(fork, {"README.md": "Changed.\n"})
    commit(fork, "Third")
    write(small_project, {"README.md": "Changed.\n"})
    found = update(small_project, "--check").stdout
    assert found == "Up to date with the template.\n"


def test_update_keeps_text_that_resembles_templates(
    create: Create, tmp_path: Path, update: Update
) -> None:
    name = "{ 7 * 7 } 'Tea' {raw} \\ ü 🫖"
    project = start(
        create("--checkout", "first", project_name=name, project_slug="tea-shop").parent
        / "tea-shop",
        tmp_path / "tea-shop",
    )

    update(project, "project_description={ ours } #")

    record = json.loads((project / ".cruft.json").read_text(encoding="utf-8"))
    answers = record["context"]["cookiecutter"]
    assert answers["project_name"] == name
    assert answers["project_description"] == "{ ours } #"
    assert "{ ours } #" in (project / "pyproject.toml").read_text(encoding="utf-8")


def unlink_git(project: Path) -> None:
    shutil.rmtree(project / ".git")


def uncommit(project: Path) -> None:
    git(project, "update-ref", "-d", "HEAD")


def change(project: Path) -> None:
    edit(project, ("changed.txt", "one", "Changed"))


def add(project: Path) -> None:
    (project / "notes.txt").write_text("Mine.\n")


def ignore(project: Path) -> None:
    """Make git ignore a file that the template adds."""
    (project / ".git" / "info" / "exclude").write_text("/folder\n")
    write(project, {ADDED_FOLDER: "Mine.\n"})


def link(project: Path) -> None:
    """Put a link in place of a folder that the template adds to."""
    outside = project.parent / "outside"
    outside.mkdir()
    (project / ".git" / "info" / "exclude").write_text("/folder\n")
    (project / "folder").symlink_to(outside)


def hide(project: Path) -> None:
    """Change a file that git ignores because of `--skip-worktree`."""
    git(project, "update-index", "--skip-worktree", "changed.txt")
    edit(project, ("changed.txt", "one", "Changed"))


def skip(value: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        edit(project, ("pyproject.toml", "skip = []", f"skip = {value}"))
        commit(project, "Skip something else")

    return change


def delete_branch(project: Path) -> None:
    record('"checkout": null', '"checkout": "stable"')(project)


def lock(project: Path) -> None:
    """Create a lock, as if another git command were running."""
    (project / ".git" / "index.lock").touch()


def fail_at_the_end(project: Path) -> None:
    """Make git fail on `.cruft.json`, the last file of a merge."""
    # Otherwise the first `git status` reads each file of the copied project, and fails.
    git(project, "update-index", "--refresh")
    (project / ".git" / "info" / "attributes").write_text(".cruft.json filter=none\n")
    for name, value in {"clean": "false", "smudge": "cat", "required": "true"}.items():
        git(project, "config", f"filter.none.{name}", value)


def record(pattern: str, replacement: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        path = project / ".cruft.json"
        text, changes = re.subn(pattern, replacement, path.read_text(), count=1)
        assert changes
        path.write_text(text)
        commit(project, "Change the record")

    return change


def unlink_record(project: Path) -> None:
    (project / ".cruft.json").unlink()
    commit(project, "Delete the record")


def break_pyproject(project: Path) -> None:
    (project / "pyproject.toml").write_text("<<<<<<< HEAD\n")
    commit(project, "Break it")


def withdraw_choice(project: Path) -> None:
    fork = make_fork(template_of(project), project.parent / "fork")
    edit(fork, ("cookiecutter.json", '"red", "blue"', '"blue"'))
    commit(fork, "Third")
    follow(project, fork)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (unlink_git, "fatal: not a git repository .*; run `git init` and commit the project first"),
        (uncommit, "nothing is committed yet; commit the project first"),
        (change, "changed.txt is not committed; commit it, or"),
        (add, "notes.txt is not committed; commit it, or"),
        (
            ignore,
            f"{ADDED_FOLDER} is in the way of the template's {ADDED_FOLDER}, and git does not",
        ),
        (link, f"folder is in the way of the template's {ADDED_FOLDER}, and git does not track"),
        (hide, "git ignores changes to changed.txt; run `git update-index "),
        (lock, "fatal: Unable to create '.*index.lock': File exists"),
        (fail_at_the_end, "error: external filter 'false' failed"),
        (unlink_record, ".cruft.json is missing, so the template is unknown; create it with"),
        (record("{", "<<<<<<< {"), ".cruft.json is broken; restore an earlier"),
        (record('"commit"', '"committed"'), ".cruft.json is broken; restore an earlier"),
        (record('"cookiecutter"', '"other"'), ".cruft.json is broken; restore an earlier"),
        (record('(?s)"context".*}', '"context": []'), ".cruft.json is broken; restore"),
        (record("(?s).*", "[]"), ".cruft.json is broken; restore an earlier"),
        (
            record('(?<="template": ")', "/none"),
            r"git cannot clone the template \(fatal: .*none.*\); check `template` in",
        ),
        (
            record('t": "[0-9a-f]+', f't": "{"0" * 40}'),
            f"the template has no commit {'0' * 40}; set `commit` in",
        ),
        (delete_branch, "the template has no branch 'stable', which `checkout` in .cruft.json"),
        (break_pyproject, r"pyproject.toml is broken \("),
        (skip("'src'"), r"invalid skip 'src' under \[tool.cruft\] in pyproject.toml: list rel"),
        (skip("['/tmp/*']"), r"invalid skip '/tmp/\*' under \[tool.cruft\] in pyproject.toml: "),
        (withdraw_choice, "invalid color 'red': choose blue, such as color=blue"),
        ("colour=blue", "unknown option 'colour': choose project_slug, color or to"),
        ("_template=x", "unknown option '_template': choose project_slug, color or to"),
        ("color=green", "invalid color 'green': choose red, blue, such as color=red"),
        ("mysql", "invalid option 'mysql': write option=value, such as database=postgresql"),
        ("to=9.9.9", "invalid to=9.9.9: the template has no such version, branch or commit; "),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_rejection_is_one_line_and_changes_nothing(
    given: Callable[[Path], None] | str, message: str, small_project: Path, update: Update
) -> None:
    """Run with an invalid argument, or after a change of the project or its template."""
    arguments = [given] if isinstance(given, str) else []
    if not isinstance(given, str):
        given(small_project)
    before = contents(small_project)

    result = update(small_project, *arguments, code=1)

    assert result.stdout == ""
    assert re.match(message, result.stderr), result.stderr
    assert result.stderr.count("\n") == 1
    assert contents(small_project) == before


def test_rejection_by_a_hook_is_one_line(project: Path, update: Update) -> None:
    before = contents(project)

    result = update(project, "author_email=me", code=1)

    fix = "use an address such as 'me@example.com', or leave it empty"
    reason = f"invalid author_email 'me': {fix}"
    assert result.stdout == ""
    assert result.stderr == f"the template cannot be rendered: {reason}\n"
    assert contents(project) == before


@pytest.mark.matrix
@pytest.mark.runs_commands("docs/updating.md", "Update", "Choose a version", "Change an option")
def test_documented_commands_update_a_project(
    project: Path, fork: Path, commands: Commands
) -> None:
    """Run the page's commands; uv creates the environment of `update.py`."""
    heading = "## [Unreleased]\n"
    notes = "\n### Upgrade notes\n\n- Changed by the template.\n"
    edit(fork, ("CHANGELOG.md", heading, f"{heading}{notes}"))
    commit(fork, "Note it")
    release(fork, "99.0.0")
    follow(project, fork)
    [update, undo] = commands(project, "docs/updating.md", "Update")
    [targets] = commands(project, "docs/updating.md", "Choose a version")
    [options] = commands(project, "docs/updating.md", "Change an option")
    check, diff, *updates = [
        line for block in (update, targets, options) for line in block.splitlines()
    ]
    assert len(updates) == 6
    head = git(fork, "rev-parse", "--short=7", "HEAD~1")

    with pytest.raises(AssertionError, match=r"An update changes 11 files \(.* 99.0.0 "):
        run(check, project)
    with_diff = run(diff, project)
    assert "+++ b/src/core/added.py" in with_diff
    assert not git(project, "status", "--porcelain")
    for command in updates:
        report = run(command.replace("0.2.0", "99.0.0").replace("1a2b3c4", head), project)
        assert "### 99.0.0\n\n- Changed by the template.\n\n" in report
        assert ADDED in sections(report)["Added"]
        if "database" in command:
            assert "src/config.py" in sections(report)["Changed"]
        if "Grace" in command:
            assert "Grace O'Malley" in (project / "LICENSE").read_text(encoding="utf-8")
        run(undo, project)
        assert not git(project, "status", "--porcelain")
    # make passes spaces in a value on.
    run("make --silent update 'author_name=Tea Shop'", project)
    assert "Tea Shop" in (project / "LICENSE").read_text(encoding="utf-8")
    assert not (project / ".venv").exists()


@pytest.mark.runs_commands("docs/updating.md", "Update by pull request")
def test_documented_commands_start_each_workflow(
    first: Path, commands: Commands, tmp_path: Path
) -> None:
    """Run the commands with a `gh` that only takes notes."""
    [block] = commands(first, "docs/updating.md", "Update by pull request")
    (tmp_path / "gh").write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done >> notes\n')
    (tmp_path / "gh").chmod(0o755)
    (tmp_path / "repositories.txt").write_text("acme/tea\nacme/milk\n")

    run(block, tmp_path, PATH=f"{tmp_path}:{os.environ['PATH']}")

    start = ["workflow", "run", "update.yml", "--repo"]
    assert (tmp_path / "notes").read_text().splitlines() == [
        *(*start, "acme/tea", *start, "acme/milk"),
        *("search", "prs", "--owner", "your-organization", "--state", "open"),
        *("Update from the template", "in:title"),
    ]


@pytest.fixture
def runner(
    small_project: Path, settings: dict[str, str], tmp_path: Path
) -> Callable[..., list[str]]:
    """Return a function that runs the workflow's two jobs and returns the `gh` commands.

    A folder replaces GitHub, and a script replaces `gh`. The second job starts from a fresh clone.
    It gets the first job's artifact, but not its tools.
    """
    source = (SOURCE / WORKFLOW).read_text(encoding="utf-8")
    write(small_project, {WORKFLOW: source})
    commit(small_project, "Add the workflow")
    git(tmp_path, "clone", "--quiet", "--bare", str(small_project), str(tmp_path / "origin"))
    tools = tmp_path / "tools"
    for name in ("merge", "request", "artifact"):
        (tools / name).mkdir(parents=True)
    noted = tools / "noted"
    scripts = {
        "request/gh": f'shift; echo "$@" >> {noted}\n[ "$1" = list ] && echo "$OPEN" || :\n',
        "merge/make": f'[ "$*" = "--silent update" ] && exec {sys.executable} update.py\n',
    }
    for name, text in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}")
        (tools / name).chmod(0o755)
    git(small_project, "remote", "add", "origin", str(tmp_path / "origin"))
    workflow = yaml.safe_load(source)

    def job(name: str, folder: Path, **variables: str) -> str:
        """Run the commands of a job; return its outputs."""
        (tools / name / "outputs").write_text("")
        variables = {
            **settings,
            "GITHUB_OUTPUT": str(tools / name / "outputs"),
            "GITHUB_RUN_ID": "7",
            "PATH": f"{tools / name}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(tools / "artifact"),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "commit.gpgSign",
            "GIT_CONFIG_VALUE_0": "false",
            **variables,
        }
        for step in workflow["jobs"][name]["steps"]:
            if "run" in step:
                run(["bash", "-e", "-c", step["run"]], folder, **variables)
        return (tools / name / "outputs").read_text()

    def runner(**variables: str) -> list[str]:
        noted.write_text("")
        shutil.rmtree(tools / "artifact")
        (tools / "artifact").mkdir()
        git(small_project, "push", "--quiet", "origin", "HEAD:main")
        assert workflow["jobs"]["request"]["if"] == "needs.merge.outputs.updated == 'true'"
        if job("merge", small_project) == "updated=true\n":
            fresh = tools / "fresh"
            shutil.rmtree(fresh, ignore_errors=True)
            git(tmp_path, "clone", "--quiet", "--branch=main", str(tmp_path / "origin"), str(fresh))
            variables = {"OPEN": "", "MAY_CHANGE_WORKFLOWS": "true", **variables}
            job("request", fresh, **variables)
        return [line for line in noted.read_text().splitlines() if line.startswith("create")]

    return runner


@pytest.mark.parametrize("conflict", [False, True])
def test_workflow_opens_a_pull_request(
    small_project: Path, tmp_path: Path, runner: Callable[..., list[str]], *, conflict: bool
) -> None:
    if conflict:
        edit(small_project, ("changed.txt", "three", "Changed by the user."))
        commit(small_project, "Edit")

    [request] = runner()

    assert ("--draft" in request) is conflict
    assert ("with conflicts" in request) is conflict
    assert "--head template-update-7" in request
    pushed = git(tmp_path / "origin", "show", "template-update-7:changed.txt")
    assert ("\n<<<<<<< " in pushed) is conflict
    assert "Changed." in pushed
    report = (tmp_path / "tools/artifact/update/report.md").read_text(encoding="utf-8")
    assert sections(report)["Deleted"] == {"deleted/by/template.txt", "kept.txt"}
    assert report.startswith("Updated from the template (")


def test_workflow_opens_no_second_request(
    small_project: Path, tmp_path: Path, runner: Callable[..., list[str]]
) -> None:
    assert runner(OPEN="main\ntemplate-update-6") == []
    git(small_project, "reset", "--quiet", "--hard")

    fork = make_fork(template_of(small_project), tmp_path / "fork")
    write(fork / FOLDER, {".github/workflows/new.yml": "name: New\n"})
    commit(fork, "Third")
    follow(small_project, fork)
    with pytest.raises(AssertionError, match="::error::GitHub's own token cannot push"):
        runner(MAY_CHANGE_WORKFLOWS="false")
    git(small_project, "reset", "--quiet", "--hard")

    follow(small_project, tmp_path / "none")
    with pytest.raises(AssertionError, match="git cannot clone the template"):
        runner()
    assert "template-update" not in git(tmp_path / "origin", "branch")
