"""`openapi.json`, and clients that are generated from it, as the page about clients shows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tools.template import run

from .conftest import Commands
from .helpers.docs import find_section
from .helpers.projects import Combination
from .helpers.serving import free_port, legs, serving

pytestmark = [
    pytest.mark.matrix,
    pytest.mark.parametrize(
        "combination", legs([Combination("sqlite", "controller")]), indirect=True, scope="session"
    ),
]


@pytest.fixture
def service(installed: Path, tmp_path: Path) -> Path:
    """Copy the installed project without its environment."""
    folder = tmp_path / installed.name
    shutil.copytree(installed, folder, ignore=shutil.ignore_patterns(".*"))
    return folder


@pytest.mark.runs_commands("docs/clients.md", "Record the API")
def test_api_change_fails_the_project_tests(
    service: Path, commands: Commands, variables: dict[str, str]
) -> None:
    [record] = commands(service, "docs/clients.md", "Record the API")
    test = "uv run --no-sync pytest tests/test_openapi.py"
    controller = service / "src" / "examples" / "examples_controller.py"
    text = controller.read_text(encoding="utf-8")

    run(record, service, **variables)
    recorded = (service / "openapi.json").read_bytes()
    run(test, service, **variables)
    controller.write_text(text.replace("get_examples", "list_examples"), encoding="utf-8")
    with pytest.raises(AssertionError, match="the API has changed: run `make openapi`"):
        run(test, service, **variables)
    run(record, service, **variables)

    changed = (service / "openapi.json").read_bytes()
    expected = recorded.replace(b"getExamples", b"listExamples")
    assert changed == expected.replace(b"Get Examples", b"List Examples")
    assert changed != recorded


@pytest.mark.runs_commands("docs/clients.md", "Generate a Python client")
def test_generated_client_calls_the_service(
    service: Path,
    commands: Commands,
    variables: dict[str, str],
    mypy_cache: Path,
    tmp_path: Path,
) -> None:
    page, heading = "docs/clients.md", "Generate a Python client"
    [generate] = commands(service, page, heading)
    [code] = find_section(service, page, heading).code_in("python")
    port = free_port()
    script = tmp_path / "script.py"
    script.write_text(code.replace("8000", str(port)) + "\nassert found == added\n")

    run("make openapi", service, **variables)
    printed = run(generate, service)
    run("uv venv --quiet", tmp_path)
    run("uv pip install --quiet mypy ./my-app-client", tmp_path)
    run(".venv/bin/mypy --strict script.py", tmp_path, MYPY_CACHE_DIR=str(mypy_cache))
    with serving("uv run --no-sync python main.py", service, port, variables) as client:
        run(".venv/bin/python script.py", tmp_path)
        [example] = client.get("/examples").json()["items"]

    assert "warning" not in printed.lower(), printed
    assert example["name"] == "Ada"
