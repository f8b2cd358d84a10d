"""Updates of every combination, from every released version and from the template as it is here.

What an update makes is what the user would have made of a fresh project of the newer version.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pytest_cookies.plugin import Cookies

from tools.releases import releases
from tools.template import SOURCE, TEMPLATE, git, run

from .helpers.projects import COMBINATIONS, Combination
from .helpers.repositories import commit
from .test_update_tool import Change, contents, edit, outside_skip, start

#: The template as it is here is `HEAD`; each is updated to it, and then to the next one.
VERSIONS = [*releases(TEMPLATE), "HEAD"]

RECORD, ENVIRONMENT = ".cruft.json", "UV_PROJECT_ENVIRONMENT"

#: What the next version changes. It also adds a file, renames `logs.py`, and deletes a file.
NEXT: list[Change] = [
    ("README.md", "## Schema\n", "## Schema\n\nChanged by the template.\n"),
    ("compose.yaml", "# The service", "# Changed by the template.\n# The service"),
    ("pyproject.toml", "dependencies = [", 'dependencies = [\n    "anyio>=4,<5",'),
    ("src/core/paging.py", "\nimport ", "\n# Changed by the template.\nimport "),
    ("src/app_module.py", "class AppModule:", "# Changed by the template.\nclass AppModule:"),
    ("src/examples/examples_module.py", "\nfrom ", "\n# Changed by the template.\nfrom "),
    *(
        (name, "logs import", "journal import")
        for name in (
            "src/core/core_module.py",
            "src/core/errors.py",
            "src/core/settings.py",
            "tests/core/conftest.py",
        )
    ),
]

#: What a user changes in the template's files, where it leaves the project in order.
EDITS: list[Change] = [
    ("README.md", "## Start\n", "## Ours\n\nChanged by the user.\n\n## Start\n"),
    ("pyproject.toml", "\n]\n\n[dep", '\n    "httpx>=0.28,<0.29",\n]\n\n[dep'),
    ("src/core/paging.py", '"""', '"""Changed by the user. '),
]


@dataclass(frozen=True)
class History:
    """A repository of the template, in which each version can be the newest one."""

    template: Path
    commits: dict[str, str]
    cookies: Cookies
    rendered: dict[tuple[str, Combination], Path] = field(default_factory=dict)

    def show(self, version: str) -> None:
        git(self.template, "checkout", "--quiet", self.commits[version])

    def render(self, version: str, combination: Combination) -> Path:
        """Make a project of a version; it is not to be changed."""
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
    """Make the next version of the template."""
    clone = tmp_path_factory.mktemp("history") / "pynest-async"
    git(template, "clone", "--quiet", str(template), str(clone))
    commits = releases(TEMPLATE) | {"HEAD": git(clone, "rev-parse", "HEAD")}
    source = clone / SOURCE.name
    edit(source, *NEXT)
    (source / "src/core/added.py").write_text('"""Added by the template."""\n')
    (source / "src/core/logs.py").rename(source / "src/core/journal.py")
    (source / "tests/core/test_openapi.py").unlink()
    commits["next"] = commit(clone, "Next")
    return History(clone, commits, cookies_session)


def update(project: Path, *answers: str) -> None:
    """Update a project, with nothing left to do."""
    run([sys.executable, "update.py", *answers], project)
    assert not [path for path in project.rglob("*") if path.suffix in {".rej", ".orig"}]
    # git refuses it where a conflict is left.
    commit(project, "Update")


def follow(
    project: Path, render: Callable[[str], Path], version: str, show: Callable[[str], None]
) -> None:
    """Update a project up to the next version.

    Args:
        project: what was made of a version.
        render: makes what it is to be in the files that are the template's.
        version: the project's.
        show: makes a version the newest one.
    """
    theirs = outside_skip(render(version))
    for target in ("next",) if version == "HEAD" else ("HEAD", "next"):
        before = contents(project)
        mine = {name: before[name] for name in before.keys() - theirs.keys()}
        newer = outside_skip(render(target))
        # What changes nothing in a project is no update, and not recorded.
        if newer | {RECORD: theirs[RECORD]} != theirs:
            theirs = newer
        show(target)

        update(project)

        assert contents(project) == theirs | mine


@pytest.mark.parametrize("version", VERSIONS)
def test_an_update_of_any_version_is_a_fresh_project(
    version: str, combination: Combination, history: History, tmp_path: Path
) -> None:
    def render(version: str) -> Path:
        return history.render(version, combination)

    follow(start(render(version), tmp_path / "my-app"), render, version, history.show)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_option_changes_and_changes_back(
    version: str, combination: Combination, history: History, tmp_path: Path
) -> None:
    """Change to the combination before, another for each: between any two databases, and styles."""
    other = COMBINATIONS[COMBINATIONS.index(combination) - 1]
    project = start(history.render(version, combination), tmp_path / "my-app")
    before = contents(project)
    mine = {name: before[name] for name in before.keys() - outside_skip(project).keys()}
    made = {each: outside_skip(history.render("HEAD", each)) for each in (other, combination)}
    history.show("HEAD")

    for each, theirs in made.items():
        changed = each.answers.items() - (combination if each == other else other).answers.items()
        update(project, *(f"{name}={value}" for name, value in changed))
        assert contents(project) == theirs | mine


def change(created: Path, folder: Path) -> Path:
    """Copy a project, and change what is the template's in it, as its user does."""
    shutil.copytree(created, folder)
    edit(folder, *EDITS)
    (folder / "deploy").mkdir()
    (folder / "compose.yaml").rename(folder / "deploy" / "compose.yaml")
    (folder / ".editorconfig").unlink()
    return folder


def live_in(project: Path, *, deployed: bool) -> None:
    """Take out `examples`, as the README says, and make a module.

    Args:
        project: what is changed.
        deployed: whether its migration was applied, so that another one has to drop the table.
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
def variables(combination: Combination, project: Path, settings: dict[str, str]) -> dict[str, str]:
    """Install what a project of the template as it is here needs, for another one to use."""
    run("uv sync --quiet", project)
    return settings | {
        f"{combination.database.upper()}_DB_NAME": "configured",
        ENVIRONMENT: str(project / ".venv"),
        "UV_OFFLINE": "1",
    }


@pytest.mark.matrix
@pytest.mark.parametrize("version", VERSIONS)
def test_a_project_of_any_version_is_lived_in_and_updated(
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

    follow(project, render, version, history.show)

    assert "OrdersModule" in (project / "src" / "app_module.py").read_text(encoding="utf-8")
    tests = "tests/orders tests/test_app.py tests/core/test_migrations.py"
    assert re.search(r"\d+ passed", run(f"uv run pytest {tests}", project, **variables))
