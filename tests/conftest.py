import importlib
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Protocol
from uuid import uuid4

import pytest
from pytest_cookies.plugin import Cookies

from tools import servers
from tools.template import TEMPLATE, run

from .helpers.docs import MARK, find_section
from .helpers.projects import COMBINATIONS, Combination, as_given
from .helpers.promises import PROPERTY, PromiseChecker, read_outcomes
from .helpers.repositories import snapshot
from .helpers.serving import find_server, legs

#: These tests run inside a rendered project: `test_core.py` and its like copy them into one.
collect_ignore = ["auth", "core", "telemetry"]

#: The name of the test property that holds a measurement.
FIGURE = "figure"


class Render(Protocol):
    def __call__(self, **answers: str) -> Path: ...


class Commands(Protocol):
    def __call__(self, project: Path, page: str, heading: str) -> list[str]: ...


class RunOwnTests(Protocol):
    def __call__(self, command: list[str] | str, project: Path, **variables: str) -> str: ...


class RecordFigure(Protocol):
    def __call__(self, text: str, figure: float) -> None: ...


def pytest_configure(config: pytest.Config) -> None:
    """Register the promise check in the main process, which receives every worker's reports."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(PromiseChecker(TEMPLATE / "CONTRIBUTING.md"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the measurements of all tests."""
    reports = terminalreporter.getreports("passed")
    figures = [
        each for report in reports for name, each in report.user_properties if name == FIGURE
    ]
    if figures:
        terminalreporter.section("figures")
        terminalreporter.write("".join(f"{figure}\n" for figure in sorted(map(str, figures))))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Commit the work tree to a second repository. Projects record that commit."""
    return snapshot(tmp_path_factory.mktemp("template") / "pynest-async")


@pytest.fixture(scope="session")
def render(
    cookies_session: Cookies, template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Render:
    """Return a function that renders a project. Omitted answers have their defaults.

    Each call returns its own copy. The same answers are rendered once.
    """

    @cache
    def render_once(**answers: str) -> Path:
        result = cookies_session.bake(template=str(template), extra_context=as_given(answers))
        if result.exception:
            raise result.exception
        assert isinstance(result.project_path, Path)
        return result.project_path

    def render(**answers: str) -> Path:
        project = render_once(**answers)
        folder = tmp_path_factory.mktemp("rendered") / project.name
        return Path(shutil.copytree(project, folder, symlinks=True))

    return render


@pytest.fixture(scope="session")
def rendered(render: Render) -> Path:
    """Render the default project."""
    return render()


@pytest.fixture(scope="session")
def scaffold(rendered: Path) -> Iterator[ModuleType]:
    """Import the scaffold of a rendered project."""
    sys.path.insert(0, str(rendered))
    yield importlib.import_module("scaffold.__main__")
    sys.path.remove(str(rendered))


@pytest.fixture(scope="session", params=legs(COMBINATIONS))
def combination(request: pytest.FixtureRequest) -> Combination:
    assert isinstance(request.param, Combination)
    return request.param


@pytest.fixture(scope="session")
def project(combination: Combination, render: Render) -> Path:
    """Render a project, and lock its pinned versions like the first `make` in a project."""
    project = render(**combination.answers)
    run("make uv.lock", project)
    return project


@pytest.fixture(scope="session")
def installed(project: Path) -> Path:
    """Install a project, to run its programs from `.venv`."""
    run("uv sync --quiet", project)
    return project


@pytest.fixture(scope="session")
def settings(combination: Combination) -> dict[str, str]:
    """Find the database server, and return the environment variables that select it."""
    return find_server(combination.database)


@pytest.fixture
def database(combination: Combination, settings: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """Yield the name of a database that doesn't exist yet, and drop it afterwards."""
    name = f"matrix_{uuid4().hex}"
    if combination.database == "sqlite":
        name = str(tmp_path / name)
    yield name
    servers.execute(combination.database, settings, f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture
def commands(request: pytest.FixtureRequest) -> Iterator[Commands]:
    """Return a function that reads the blocks of commands in a section.

    The test's mark must name each section, and the test must read each section that it names.
    """
    marked = {
        (mark.args[0], heading)
        for mark in request.node.iter_markers(MARK)
        for heading in mark.args[1:]
    }
    read = set()

    def commands(project: Path, page: str, heading: str) -> list[str]:
        assert (page, heading) in marked, "name the section in the test's mark"
        read.add((page, heading))
        return find_section(project, page, heading).code_in("sh")

    yield commands
    assert read == marked, f"unread: {marked - read}"


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all processes of this run share, so that legs can be compared."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if os.environ.get("PYTEST_XDIST_WORKER") else folder


@pytest.fixture(scope="session")
def mypy_cache(render: Render, shared: Path) -> Path:
    """Return the folder of mypy's cache, which a process reuses in all legs and in later runs.

    mypy identifies files by content, so different projects can share it. Two processes can't, but
    one checks the dependencies for all of them.
    """
    import fcntl  # noqa: PLC0415  # Windows has no such module.

    folders = TEMPLATE / "build" / "mypy"
    folder = folders / os.environ.get("PYTEST_XDIST_WORKER", "main")
    if not folder.exists():
        with (shared / "mypy.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folders / "first").exists():
                command = "make uv.lock && uv run --quiet mypy"
                run(command, render(), MYPY_CACHE_DIR=str(folders / "first"))
        shutil.copytree(folders / "first", folder)
    return folder


@pytest.fixture
def record_figure(record_property: Callable[[str, object], None]) -> RecordFigure:
    """Return a function that puts a measured figure into the summary and the report of the run."""

    def record_figure(text: str, figure: float) -> None:
        record_property(
            FIGURE, f"{text}: {figure:.3g}" if figure < 100 else f"{text}: {figure:.0f}"
        )

    return record_figure


@pytest.fixture
def variables(
    combination: Combination,
    project: Path,
    settings: dict[str, str],
    database: str,
    mypy_cache: Path,
) -> dict[str, str]:
    """Return variables for the project's environment, an empty database and no network."""
    servers.execute(combination.database, settings, f"CREATE DATABASE {database}")
    return settings | {
        f"{combination.database.upper()}_DB_NAME": database,
        "UV_PROJECT_ENVIRONMENT": str(project / ".venv"),
        "UV_OFFLINE": "1",
        "MYPY_CACHE_DIR": str(mypy_cache),
    }


@pytest.fixture
def run_own_tests(record_property: Callable[[str, object], None], tmp_path: Path) -> RunOwnTests:
    """Return a variant of `run` that also reports the outcomes of the project's own tests."""

    def run_own_tests(command: list[str] | str, project: Path, **variables: str) -> str:
        report = tmp_path / f"own-{uuid4().hex}.xml"
        options = f"--junitxml={shlex.quote(str(report))}"
        try:
            return run(command, project, PYTEST_ADDOPTS=options, **variables)
        finally:
            if report.exists():
                record_property(PROPERTY, read_outcomes(report))

    return run_own_tests
