"""`update.py` in a rendered project: what it does to a project that has been lived in.

The next versions of the template are made here. The tool runs in this environment, which has cruft;
one test has uv make the one that it asks for.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tools.template import SOURCE, environment, files, git, run

from .helpers.projects import as_given
from .helpers.repositories import commit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: The settings of a user who has no name, and much that could be in the way.
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

Change = tuple[str, str, str]

#: What the next version of the template changes: a file, and what in it becomes what.
CHANGES: list[Change] = [
    (".editorconfig", "root = true", "root = true\n# Changed by the template."),
    (".gitignore", "# Editors", "*.changed\n\n# Editors"),
    ("Dockerfile", "\nCOPY src", "\n# Changed by the template.\nCOPY src"),
    ("README.md", "## Start\n", "## Start\n\nChanged by the template.\n"),
    ("pyproject.toml", "dependencies = [", 'dependencies = [\n    "added-by-template>=1,<2",'),
    ("src/core/logs.py", '"""', '"""Changed by the template. '),
    ("src/core/paging.py", '"""', '"""Changed by the template. '),
]
#: It also adds a file, renames one that it changes, and deletes one.
ADDED, DELETED = "src/core/added.py", "src/core/http/middleware.py"
RENAMED = "src/core/logs.py", "src/core/renamed.py"

#: What a user changed meanwhile.
EDITS: list[Change] = [
    ("Dockerfile", "FROM", "# Changed by the user.\nFROM"),
    ("README.md", "## Logs", "## Ours\n\nChanged by the user.\n\n## Logs"),
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
    """Read a project's files, but not what git keeps of them."""
    return {
        path.as_posix(): (project / path).read_bytes()
        for path in files(project)
        if path.parts[0] != ".git"
    }


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Keep git and cookiecutter from the settings of who runs the tests."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text(GITCONFIG)
    (home / ".cookiecutterrc").write_text("default_context: {database: mysql, author_name: Eve}")
    # What is left there is seen.
    (home / "tmp").mkdir()
    return {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "TMPDIR": str(home / "tmp")}


@pytest.fixture(scope="session")
def template(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the next version of the template; the present one is tagged `first`."""
    later = tmp_path_factory.mktemp("later") / "pynest-async"
    git(template, "clone", "--quiet", str(template), str(later))
    git(later, "tag", "first")
    source = later / SOURCE.name
    edit(source, *CHANGES)
    (source / ADDED).write_text('"""Added by the template."""\n')
    (source / RENAMED[0]).rename(source / RENAMED[1])
    (source / DELETED).unlink()
    commit(later, "Second")
    return later


Create = Callable[..., Path]


@pytest.fixture(scope="session")
def create(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Create:
    """Have cruft make a project of a version of the template."""

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
    """Make a project of the present version."""
    return create("--checkout", "first")


@pytest.fixture(scope="session")
def second(create: Create) -> Path:
    """Make a project of the next version."""
    return create()


@pytest.fixture
def project(first: Path, tmp_path: Path) -> Path:
    """Commit a project of the present version, as its user is told to."""
    return start(first, tmp_path / "my-app")


def start(created: Path, folder: Path) -> Path:
    shutil.copytree(created, folder)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "Start from the template")
    return folder


Update = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def update(settings: dict[str, str]) -> Update:
    """Run the tool in a project, and see that it leaves nothing behind."""

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
    """Read the files that a report lists, by the beginning of what it says of them."""
    return {
        re.split("[.:]", title)[0]: set(re.findall("`(.*)`", names))
        for title, names in re.findall(r"^(\w.*:)\n\n((?:- .*\n)+)", report, re.MULTILINE)
    }


def outside_skip(project: Path) -> dict[str, bytes]:
    """Read the files that belong to the template."""
    pyproject = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    skip = pyproject["tool"].get("cruft", {}).get("skip", [])
    skipped = {path for pattern in skip for path in project.glob(pattern)}
    return {
        name: content
        for name, content in contents(project).items()
        if not skipped & {project / name, *(project / name).parents}
    }


def test_an_update_makes_what_is_made_anew(project: Path, second: Path, update: Update) -> None:
    report = update(project).stdout

    assert contents(project) == contents(second)
    assert sections(report) == {
        "Changed": {name for name, _, _ in CHANGES} - {RENAMED[0]},
        "Added": {ADDED, RENAMED[1]},
        "Deleted": {DELETED, RENAMED[0]},
    }
    assert "make lock" in report
    assert git(project, "diff") == git(project, "ls-files", "--others") == ""
    commit(project, "Update")
    # cruft agrees.
    run(["cruft", "check"], project)
    run(["cruft", "diff", "--exit-code"], project)
    assert update(project).stdout == "Up to date with the template.\n"


@pytest.mark.parametrize("kind", ["plain", "crlf", "monorepo"])
def test_a_project_keeps_what_its_user_did(
    kind: str, first: Path, tmp_path: Path, update: Update
) -> None:
    top = tmp_path / "repository"
    place = "services/mein café (neu)/" if kind == "monorepo" else ""
    project = Path(shutil.copytree(first, top / place))
    if kind == "monorepo":
        # Of the same template: no file of it is one that was renamed.
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
    changed = {"Dockerfile", ".gitignore", "README.md", "pyproject.toml", "src/core/paging.py"}
    changed = {place + name.replace("Dockerfile", "deploy/Dockerfile") for name in changed}
    assert sections(report) == {
        "Deleted by you, but changed by the template": {f"{place}.editorconfig"},
        "Changed": changed,
        "Added": {place + ADDED, place + RENAMED[1]},
        "Deleted": {place + DELETED, place + RENAMED[0]},
    }
    assert after.keys() - before.keys() == {place + ADDED, place + RENAMED[1]}
    assert before.keys() - after.keys() == {place + DELETED, place + RENAMED[0]}
    for name in before.keys() & after.keys():
        assert (before[name] != after[name]) is (name in {*changed, f"{place}.cruft.json"}), name
    for name in ("README.md", "deploy/Dockerfile", RENAMED[1]):
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
    """Make another template the project's."""
    record = project / ".cruft.json"
    record.write_text(re.sub('(template": ").*(")', rf"\g<1>{template}\2", record.read_text()))
    commit(project, "Follow another template")


@pytest.fixture
def fork(template: Path, tmp_path: Path) -> Path:
    """Clone the next version of the template, to change it again."""
    git(template, "clone", "--quiet", str(template), str(tmp_path / "fork"))
    return tmp_path / "fork"


def test_a_later_update_begins_with_a_fresh_clone(
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
        ("README.md", "Changed by the template.", "Changed again."),
        (RENAMED[1], "Changed by the template.", "Changed again."),
    )
    commit(fork, "Third")

    report = update(clone).stdout

    assert sections(report) == {"Changed": {"README.md", RENAMED[1]}}
    for name in ("README.md", RENAMED[1]):
        text = (clone / name).read_text(encoding="utf-8")
        assert "Changed again." in text
        assert "Changed by the user." in text


def test_says_what_needs_a_hand(project: Path, second: Path, update: Update) -> None:
    edit(
        project,
        ("README.md", "## Start\n", "## Start\n\nChanged by the user.\n"),
        (DELETED, '"""', '"""Changed by the user. '),
    )
    (project / ADDED).write_text('"""Added by the user."""\n')
    before = commit(project, "Edit"), contents(project)

    report = update(project, code=1).stdout

    text = (project / "README.md").read_text(encoding="utf-8")
    assert re.search(
        "<<<<<<< .*Changed by the user.*=======.*Changed by the template.*>>>>>>> ", text, re.DOTALL
    )
    assert "Changed by the user." in (project / DELETED).read_text(encoding="utf-8")
    others = {name for name, _, _ in CHANGES} - {"README.md", RENAMED[0]}
    assert sections(report) == {
        "Conflicts": {"README.md", ADDED},
        "Deleted by the template, but changed by you": {DELETED},
        "Changed": others,
        "Added": {RENAMED[1]},
        "Deleted": {RENAMED[0]},
    }
    after = contents(project)
    for name in {*others, RENAMED[1], ".cruft.json"}:
        assert after[name] == contents(second)[name]
    refused = update(project, code=1).stderr
    assert "not all is committed" in refused
    with pytest.raises(AssertionError, match="unmerged"):
        commit_as_it_is(project)
    git(project, "reset", "--hard")
    assert (git(project, "rev-parse", "HEAD").strip(), contents(project)) == before


def commit_as_it_is(project: Path) -> None:
    git(project, "-c", "user.name=Tests", "-c", "user.email=tests@example.com", "commit", "-m", "x")


def test_says_what_both_renamed(project: Path, update: Update) -> None:
    (project / RENAMED[0]).rename(project / "src" / "ours.py")
    commit(project, "Rename")

    report = update(project, code=1).stdout

    assert sections(report)["Renamed by you and by the template"] == {*RENAMED, "src/ours.py"}
    assert "Changed by the template." in (project / "src" / "ours.py").read_text(encoding="utf-8")


def test_a_diff_changes_nothing(project: Path, update: Update) -> None:
    edit(project, ("README.md", "## Start\n", "## Start\n\nChanged by the user.\n"))
    commit(project, "Edit")
    before = contents(project)

    shown = update(project, "--diff", code=1).stdout

    assert contents(project) == before
    assert git(project, "status", "--porcelain") == ""
    assert git(project, "worktree", "list").count("\n") == 0
    assert '\n+++ b/src/core/added.py\n@@ -0,0 +1 @@\n+"""Added by the template.' in shown
    assert "\n+<<<<<<< " in shown
    assert sections(shown)["Conflicts"] == {"README.md"}

    shown = update(project, "--diff", "database=mysql", code=1).stdout
    assert '+    "aiomysql' in shown
    assert contents(project) == before


def test_a_check_says_whether_there_is_an_update(
    project: Path, second: Path, fork: Path, tmp_path: Path, update: Update
) -> None:
    before = contents(project)
    found = update(project, "--check", code=1).stdout
    assert re.fullmatch(r"There is an update of 10 files \(.*\): `uv run update.py`\n", found)
    assert contents(project) == before

    # Who has uncommitted changes may ask; and what changes nothing in a project is no update.
    newest = start(second, tmp_path / "newest")
    follow(newest, fork)
    edit(fork, ("README.md", "# pynest-async", "# Changed"))
    commit(fork, "Third")
    edit(newest, ("README.md", "## Start", "## Changed"))
    found = update(newest, "--check").stdout
    assert found == "Up to date with the template.\n"


def test_keeps_text_that_looks_like_a_template(
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


def unlink_git(project: Path, _: Path) -> None:
    shutil.rmtree(project / ".git")


def uncommit(project: Path, _: Path) -> None:
    git(project, "update-ref", "-d", "HEAD")


def change(project: Path, _: Path) -> None:
    edit(project, ("README.md", "## Start", "## Changed"))


def add(project: Path, _: Path) -> None:
    (project / "notes.txt").write_text("Mine.\n")


def ignore(project: Path, _: Path) -> None:
    """Ignore a file that the template adds."""
    (project / ".git" / "info" / "exclude").write_text(f"/{ADDED}\n")
    (project / ADDED).write_text("Mine.\n")


def lock(project: Path, _: Path) -> None:
    """Do as if git were busy."""
    (project / ".git" / "index.lock").touch()


def fail_at_the_end(project: Path, _: Path) -> None:
    """Have git refuse `.cruft.json`, which is what comes after the merge."""
    (project / ".git" / "info" / "attributes").write_text(".cruft.json filter=none\n")
    for name, value in {"clean": "false", "smudge": "cat", "required": "true"}.items():
        git(project, "config", f"filter.none.{name}", value)


def record(pattern: str, replacement: str) -> Callable[[Path, Path], None]:
    def change(project: Path, _: Path) -> None:
        path = project / ".cruft.json"
        text, changes = re.subn(pattern, replacement, path.read_text(), count=1)
        assert changes
        path.write_text(text)
        commit(project, "Change the record")

    return change


def unlink_record(project: Path, _: Path) -> None:
    (project / ".cruft.json").unlink()
    commit(project, "Delete the record")


def break_pyproject(project: Path, _: Path) -> None:
    (project / "pyproject.toml").write_text("<<<<<<< HEAD\n")
    commit(project, "Break it")


def withdraw_choice(project: Path, fork: Path) -> None:
    edit(fork, ("cookiecutter.json", '"sqlite", "postgresql"', '"postgresql"'))
    commit(fork, "Third")
    follow(project, fork)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (unlink_git, "fatal: not a git repository .*; put the project into a repository"),
        (uncommit, "nothing is committed yet; commit the project first"),
        (change, "not all is committed, such as README.md; commit it, or"),
        (add, "not all is committed, such as notes.txt; commit it, or"),
        (ignore, f"{ADDED} is in the way of the template's, and git does not track it; move"),
        (lock, "fatal: Unable to create '.*index.lock': File exists"),
        (fail_at_the_end, "error: external filter 'false' failed"),
        (unlink_record, ".cruft.json is missing, which says"),
        (record("{", "<<<<<<< {"), ".cruft.json is broken; take the last one"),
        (record('"commit"', '"committed"'), ".cruft.json is broken; take the last one"),
        (record('"cookiecutter"', '"other"'), ".cruft.json is broken; take the last one"),
        (record('(?s)"context".*}', '"context": []'), ".cruft.json is broken; take the last"),
        (record("(?s).*", "[]"), ".cruft.json is broken; take the last one"),
        (
            record("pynest-async", "none"),
            r"the template cannot be cloned \(fatal: .*none.*\); see",
        ),
        (
            record('t": "[0-9a-f]+', f't": "{"0" * 40}'),
            f"the template has no commit {'0' * 40} any",
        ),
        (break_pyproject, r"pyproject.toml or .cruft.json cannot be read or does not fit the "),
        (
            withdraw_choice,
            "database: 'sqlite' is no choice; give one of postgresql, mysql, such",
        ),
        ("databse=mysql", "there is no option 'databse'; there are project_name, "),
        ("_template=x", "there is no option '_template'; there are project_name, "),
        ("database=oracle", "database: 'oracle' is no choice; give one of sqlite, postg"),
        ("mysql", "'mysql' is no answer; give one such as database=postgresql"),
        ("author_email=me", "the template cannot be rendered: author_email: 'me' is not"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_refuses_in_one_line_what_cannot_be(
    given: Callable[[Path, Path], None] | str,
    message: str,
    project: Path,
    fork: Path,
    update: Update,
) -> None:
    """Give a word of the command line, or do something to the project and the template before."""
    arguments = [given] if isinstance(given, str) else []
    if not isinstance(given, str):
        given(project, fork)
    before = contents(project)

    result = update(project, *arguments, code=1)

    assert result.stdout == ""
    assert re.match(message, result.stderr), result.stderr
    assert result.stderr.count("\n") == 1
    assert contents(project) == before


@pytest.mark.matrix
@pytest.mark.xdist_group("sqlite-controller")
def test_make_runs_it_in_an_environment_of_its_own(project: Path) -> None:
    with pytest.raises(AssertionError, match="There is an update of 10 files"):
        run("make update-check", project)
    assert "+++ b/src/core/added.py" in run("make update-diff", project)

    report = run("make --silent update database=mysql 'project_name=Tea Shop'", project)

    assert {ADDED, "src/config.py"} < sections(report)["Added"] | sections(report)["Changed"]
    assert "# Tea Shop" in (project / "README.md").read_text(encoding="utf-8")
    assert not (project / ".venv").exists()


@pytest.fixture
def runner(project: Path, settings: dict[str, str], tmp_path: Path) -> Callable[..., list[str]]:
    """Run the steps of the workflow, with a folder for GitHub and a `gh` that only notes what."""
    git(tmp_path, "clone", "--quiet", "--bare", str(project), str(tmp_path / "origin"))
    tools = tmp_path / "tools"
    tools.mkdir()
    noted = tools / "noted"
    gh = tools / "gh"
    gh.write_text(f'#!/bin/sh\nshift; echo "$@" >> {noted}\n[ "$1" = list ] && echo "$OPEN" || :\n')
    make = tools / "make"
    make.write_text(f'#!/bin/sh\n[ "$*" = "--silent update" ] && exec {sys.executable} update.py\n')
    for tool in (gh, make):
        tool.chmod(0o755)
    git(project, "remote", "add", "origin", str(tmp_path / "origin"))
    workflow = yaml.safe_load((project / ".github/workflows/update.yml").read_text("utf-8"))
    [job] = workflow["jobs"].values()
    steps = [step["run"] for step in job["steps"] if "run" in step]

    def runner(**variables: str) -> list[str]:
        variables = {
            **settings,
            "OPEN": "",
            "MAY_CHANGE_WORKFLOWS": "true",
            "GITHUB_RUN_ID": "7",
            "PATH": f"{tools}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(tools),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "commit.gpgSign",
            "GIT_CONFIG_VALUE_0": "false",
            **variables,
        }
        for step in steps:
            run(["bash", "-e", "-c", step], project, **variables)
        return [line for line in noted.read_text().splitlines() if line.startswith("create")]

    return runner


@pytest.mark.parametrize("conflict", [False, True])
def test_the_workflow_opens_a_pull_request(
    project: Path, tmp_path: Path, runner: Callable[..., list[str]], *, conflict: bool
) -> None:
    if conflict:
        edit(project, ("README.md", "## Start\n", "## Start\n\nChanged by the user.\n"))
        commit(project, "Edit")

    [request] = runner()

    assert ("--draft" in request) is conflict
    assert ("with conflicts" in request) is conflict
    assert "--head template-update-7" in request
    pushed = git(tmp_path / "origin", "show", "template-update-7:README.md")
    assert ("\n<<<<<<< " in pushed) is conflict
    assert "Changed by the template." in pushed
    report = (tmp_path / "tools" / "report.md").read_text(encoding="utf-8")
    assert sections(report)["Deleted"] == {DELETED, RENAMED[0]}
    assert report.startswith("Updated from the template (")


def test_the_workflow_opens_none_that_it_should_not(
    project: Path, tmp_path: Path, fork: Path, runner: Callable[..., list[str]]
) -> None:
    assert runner(OPEN="main\ntemplate-update-6") == []
    git(project, "reset", "--quiet", "--hard")

    workflow = ".github/workflows/update.yml"
    edit(fork / SOURCE.name, (workflow, "name:", "# Changed by the template.\nname:"))
    commit(fork, "Third")
    follow(project, fork)
    with pytest.raises(AssertionError, match="::error::This update changes workflows"):
        runner(MAY_CHANGE_WORKFLOWS="false")
    git(project, "reset", "--quiet", "--hard")

    follow(project, tmp_path / "none")
    with pytest.raises(AssertionError, match="the template cannot be cloned"):
        runner()
    assert "template-update" not in git(tmp_path / "origin", "branch")
