"""Update projects of released versions and of the current template to the next version.

An updated project equals a fresh project of the newer version with the user's own changes in it.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle, product
from pathlib import Path

import pytest
from pytest_cookies.plugin import Cookies

from tools.releases import releases
from tools.template import SOURCE, TEMPLATE, git, run

from .helpers.projects import COMBINATIONS, Combination
from .helpers.repositories import commit
from .test_update_tool import Change, contents, edit, outside_skip, read_skip, start

RECORD, ENVIRONMENT = ".cruft.json", "UV_PROJECT_ENVIRONMENT"

#: The next version's changes. It also adds a file, renames `logs.py`, and deletes a file.
NEXT: list[Change] = [
    ("README.md", "## Migrations\n", "## Migrations\n\nChanged by the template.\n"),
    ("docs/logging.md", "## Requests\n", "## Requests\n\nChanged by the template.\n"),
    ("compose.yaml", "services:\n", "# Changed by the template.\nservices:\n"),
    ("pyproject.toml", "dependencies = [", 'dependencies = [\n    "anyio>=4,<5",'),
    ("src/core/paging.py", "\nfrom ", "\n# Changed by the template.\nfrom "),
    ("src/app_module.py", "class AppModule:", "# Changed by the template.\nclass AppModule:"),
    ("src/examples/examples_module.py", "\nfrom ", "\n# Changed by the template.\nfrom "),
    *(
        (name, "logs import", "journal import")
        for name in (
            "src/config.py",
            "src/core/core_module.py",
            "src/core/errors.py",
            "src/core/settings.py",
        )
    ),
]

#: A user's changes to the template's files. The project still passes its checks.
EDITS: list[Change] = [
    ("README.md", "## Start\n", "## Ours\n\nChanged by the user.\n\n## Start\n"),
    ("pyproject.toml", "\n]\n\n[dep", '\n    "httpx>=0.28,<0.29",\n]\n\n[dep'),
    ("src/core/paging.py", "\nItem = ", "\n# Changed by the user.\nItem = "),
]

#: The released versions, and the current template.
VERSIONS = [*releases(TEMPLATE), "HEAD"]
#: The oldest and the newest release.
OLDEST, NEWEST = VERSIONS[0], VERSIONS[-2]
#: One combination of each version. The combinations take turns.
TURNS = [*zip(VERSIONS, cycle(COMBINATIONS), strict=False)]


def on_projects(*projects: tuple[str, Combination]) -> pytest.MarkDecorator:
    """Run a test on projects of these versions. A combination's tests run in one process."""
    return pytest.mark.parametrize(
        ("version", "combination"),
        [
            pytest.param(
                version, each, id=f"{each}-{version}", marks=pytest.mark.xdist_group(str(each))
            )
            for version, each in projects
        ],
        indirect=["combination"],
    )


@dataclass(frozen=True)
class History:
    """A repository of the template. It can present any version as its newest one."""

    template: Path
    commits: dict[str, str]
    cookies: Cookies
    rendered: dict[tuple[str, Combination], Path] = field(default_factory=dict)

    def show(self, version: str) -> None:
        git(self.template, "checkout", "--quiet", self.commits[version])

    def render(self, version: str, combination: Combination) -> Path:
        """Render a project of a version. Callers must not change it."""
        if (version, combination) not in self.rendered:
            self.show(version)
            result = self.cookies.bake(
                template=str(self.template), extra_context=combination.answers
            )
            if result.exception:
                raise result.exception
            self.rendered[version, combination] = result.project_path
        return self.rendered[version, combination]


@pytest.fixture(scope="session")
def history(
    template: Path, cookies_session: Cookies, tmp_path_factory: pytest.TempPathFactory
) -> History:
    """Clone the template, and commit its next version."""
    clone = tmp_path_factory.mktemp("history") / "pynest-async"
    git(template, "clone", "--quiet", str(template), str(clone))
    commits = releases(TEMPLATE) | {"HEAD": git(clone, "rev-parse", "HEAD")}
    source = clone / SOURCE.name
    edit(source, *NEXT)
    (source / "src/core/added.py").write_text('"""Added by the template."""\n')
    (source / "src/core/logs.py").rename(source / "src/core/journal.py")
    (source / "tests/core/test_requests.py").unlink()
    commits["next"] = commit(clone, "Next")
    return History(clone, commits, cookies_session)


def update(project: Path, *answers: str) -> None:
    """Update a project, and check that nothing is left to do."""
    run([sys.executable, "update.py", *answers], project)
    assert not [path for path in project.rglob("*") if path.suffix in {".rej", ".orig"}]
    # git rejects a commit with conflicts.
    commit(project, "Update")


def follow(
    project: Path,
    render: Callable[[str], Path],
    version: str,
    show: Callable[[str], None],
    *targets: str,
) -> None:
    """Update a project step by step to other versions.

    Args:
        project: a project of the version.
        render: renders a project with the expected files of a version.
        version: the project's version.
        show: presents a version as the newest one.
        targets: the later versions, oldest first.
    """
    for target in targets:
        # The project's list decides, which the update itself may change.
        skip = read_skip(project)
        theirs, newer = (outside_skip(render(each), skip) for each in (version, target))
        before = contents(project)
        mine = {name: before[name] for name in before.keys() - theirs.keys()}
        # A version that changes no file is no update, and isn't recorded.
        if newer | {RECORD: theirs[RECORD]} != theirs:
            theirs, version = newer, target
        show(target)

        update(project)

        assert contents(project) == theirs | mine


@on_projects((OLDEST, COMBINATIONS[0]), *product([NEWEST], COMBINATIONS))
def test_updated_release_equals_a_fresh_project(
    version: str, combination: Combination, history: History, tmp_path: Path
) -> None:
    """Update the newest release in one step, and the oldest one in two."""

    def render(version: str) -> Path:
        return history.render(version, combination)

    project = start(render(version), tmp_path / "my-app")
    # Right after a release, the current template equals it, so only "next" is always an update.
    targets = ["next"] if version == NEWEST else ["HEAD", "next"]
    follow(project, render, version, history.show, *targets)


@on_projects((OLDEST, COMBINATIONS[0]), *product(["HEAD"], COMBINATIONS[::2]))
def test_option_changes_and_changes_back(
    version: str, combination: Combination, history: History, tmp_path: Path
) -> None:
    """Switch to the previous combination and back, so that each one is met once."""
    other = COMBINATIONS[COMBINATIONS.index(combination) - 1]
    project = start(history.render(version, combination), tmp_path / "my-app")
    made = {each: history.render("HEAD", each) for each in (other, combination)}
    history.show("HEAD")

    for each, fresh in made.items():
        before = contents(project)
        mine = {name: before[name] for name in before.keys() - outside_skip(project).keys()}
        theirs = outside_skip(fresh, read_skip(project))
        changed = each.answers.items() - (combination if each == other else other).answers.items()
        update(project, *(f"{name}={value}" for name, value in changed))
        assert contents(project) == theirs | mine


@pytest.mark.xdist_group(str(COMBINATIONS[0]))
def test_owner_can_keep_the_old_readme(history: History, tmp_path: Path) -> None:
    """Follow the upgrade notes of the version that gives the README to the owner."""
    project = start(history.render("0.2.0", COMBINATIONS[0]), tmp_path / "my-app")
    readme = project / "README.md"
    history.show("HEAD")

    # Only the second edit conflicts.
    for place, expected in {"## Start": [], "## Logs": ["README.md"]}.items():
        git(project, "reset", "--quiet", "--hard")  # undoes the first update
        edit(project, (readme.name, f"{place}\n", f"## Ours\n\nChanged by the user.\n\n{place}\n"))
        commit(project, "Edit")
        before = readme.read_bytes()
        with contextlib.suppress(AssertionError):
            run([sys.executable, "update.py"], project)
        conflicts = git(project, "diff", "--name-only", "--diff-filter=U").split()
        assert conflicts == expected
        git(project, "checkout", "HEAD", "README.md")
        assert readme.read_bytes() == before

    commit(project, "Update")
    history.show("next")
    update(project)
    assert readme.read_bytes() == before
    assert b"Changed by the template." in (project / "docs/logging.md").read_bytes()


def change(created: Path, folder: Path) -> Path:
    """Copy a project, and edit the template's files like a user."""
    shutil.copytree(created, folder)
    edit(folder, *EDITS)
    (folder / "deploy").mkdir()
    (folder / "compose.yaml").rename(folder / "deploy" / "compose.yaml")
    (folder / ".editorconfig").unlink()
    return folder


def live_in(project: Path, *, deployed: bool) -> None:
    """Remove `examples` as docs/modules.md says, and create a module.

    Args:
        project: the project to change.
        deployed: whether the migration was applied. Then another migration drops the table.
    """
    for folder in ("src/examples", "tests/examples"):
        shutil.rmtree(project / folder)
    app_module = project / "src" / "app_module.py"
    text = re.sub(r".*ExamplesModule.*\n", "", app_module.read_text(encoding="utf-8"))
    text = text.replace("class AppModule:", "# Changed by the user.\nclass AppModule:")
    app_module.write_text(text, encoding="utf-8")
    [creates] = (project / "migrations" / "versions").iterdir()
    if deployed:
        up, down = "def upgrade()", "def downgrade()"
        text = creates.read_text(encoding="utf-8").replace(up, "def _()").replace(down, up)
        text = text.replace("def _()", down).replace("revision = None", 'revision = "0001"')
        text = text.replace('\nrevision = "0001"', '\nrevision = "0002"')
        creates.with_name("0002_drop_examples.py").write_text(text, encoding="utf-8")
    else:
        creates.unlink()
    command = [sys.executable, "-m", "scaffold", "orders", "--fields", "name:str:unique note:text?"]
    run(command, project, PYTHONDONTWRITEBYTECODE="1")


@pytest.fixture
def variables(
    combination: Combination, installed: Path, settings: dict[str, str]
) -> dict[str, str]:
    """Return variables to run another project with the current template's dependencies."""
    return settings | {
        f"{combination.database.upper()}_DB_NAME": "configured",
        ENVIRONMENT: str(installed / ".venv"),
        "UV_OFFLINE": "1",
    }


@pytest.mark.matrix
@on_projects(*TURNS)
def test_edited_project_of_any_version_updates(
    version: str,
    combination: Combination,
    history: History,
    variables: dict[str, str],
    tmp_path: Path,
) -> None:
    def render(version: str) -> Path:
        folder = tmp_path / version / "my-app"
        if not folder.exists():
            change(history.render(version, combination), folder)
        return folder

    lived = Path(shutil.copytree(render(version), tmp_path / "my-app"))
    live_in(lived, deployed=combination.session_style == "service")
    (lived / "uv.lock").write_bytes((Path(variables[ENVIRONMENT]).parent / "uv.lock").read_bytes())
    project = start(lived, tmp_path / "repository" / "my-app")

    follow(project, render, version, history.show, "next" if version == "HEAD" else "HEAD")

    assert "OrdersModule" in (project / "src" / "app_module.py").read_text(encoding="utf-8")
    tests = "tests/orders tests/test_app.py tests/core/test_migrations.py"
    assert re.search(r"\d+ passed", run(f"uv run pytest {tests}", project, **variables))


@pytest.mark.xdist_group(str(COMBINATIONS[0]))
def test_plain_cruft_updates_a_released_project(history: History, tmp_path: Path) -> None:
    """Update with the `cruft` command, which merges with `git apply`.

    The merge needs objects of the repository, and a fresh clone has the fewest.
    """
    combination, version = COMBINATIONS[0], OLDEST
    origin = start(history.render(version, combination), tmp_path / "my-app")
    edit(origin, *EDITS)
    live_in(origin, deployed=False)
    commit(origin, "Live in it")
    project = tmp_path / "clone" / "my-app"
    git(tmp_path, "clone", "--quiet", origin.as_uri(), str(project))
    before = contents(project)
    mine = before.keys() - contents(history.render(version, combination)).keys()
    history.show("HEAD")

    run(["cruft", "update", "--skip-apply-ask"], project)

    assert not [path for path in project.rglob("*") if path.suffix in {".rej", ".orig"}]
    commit(project, "Update")
    after = contents(project)
    fresh = contents(history.render("HEAD", combination))
    edited = {name for name, _, _ in EDITS} | {"src/app_module.py"}
    for name in outside_skip(history.render("HEAD", combination)).keys() - edited:
        assert after[name] == fresh[name], name
    for name in edited:
        assert re.search(rb"(?i)changed by the user|httpx", after[name]), name
    assert {name: after[name] for name in mine} == {name: before[name] for name in mine}
    # The project's update.py agrees.
    printed = run([sys.executable, "update.py", "--check"], project)
    assert printed == "Up to date with the template.\n"
