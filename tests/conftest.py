import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Protocol
from uuid import uuid4

import pytest
from pytest_cookies.plugin import Cookies

from tools import servers
from tools.template import TEMPLATE

from .helpers.projects import COMBINATIONS, Combination, as_given
from .helpers.repositories import snapshot
from .helpers.serving import find_server, legs

#: Tests for a rendered project: `test_core.py` lays them over one.
collect_ignore = ["core"]


class Render(Protocol):
    def __call__(self, **answers: str) -> Path: ...


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Commit the template as it is here in a repository of its own, for projects to record."""
    return snapshot(tmp_path_factory.mktemp("template") / "pynest-async")


@pytest.fixture(scope="session")
def render(cookies_session: Cookies, template: Path) -> Render:
    """Render a project from answers, those not given as their defaults; return its folder."""

    def render(**answers: str) -> Path:
        result = cookies_session.bake(template=str(template), extra_context=as_given(answers))
        if result.exception:
            raise result.exception
        assert isinstance(result.project_path, Path)
        return result.project_path

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
    return render(**combination.answers)


@pytest.fixture(scope="session")
def settings(combination: Combination) -> dict[str, str]:
    """Say where the server is, in the variables of the rendered project."""
    return find_server(combination.database)


@pytest.fixture
def database(combination: Combination, settings: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """Name a database that does not exist yet; it is dropped afterwards."""
    name = f"matrix_{uuid4().hex}"
    if combination.database == "sqlite":
        name = str(tmp_path / name)
    yield name
    servers.execute(combination.database, settings, f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Name the folder that all the processes of this run share, to compare legs in."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if os.environ.get("PYTEST_XDIST_WORKER") else folder


@pytest.fixture(scope="session")
def mypy_cache() -> Path:
    """Name the folder in which mypy keeps what it has read, for the legs and runs of a process.

    It goes by the content of what it reads, wherever that is. Two processes may not share it.
    """
    return TEMPLATE / "build" / "mypy" / os.environ.get("PYTEST_XDIST_WORKER", "main")
