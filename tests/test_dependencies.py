"""Run a project on newer dependencies than PyNest allows.

PyNest 0.6 pins fastapi below 0.137 and uvicorn below 0.33. A later PyNest will lift these caps.
Since FastAPI 0.137, routes form a tree instead of a list.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tools.template import TEMPLATE, run

from .conftest import Render
from .helpers.serving import free_port, serving

pytestmark = [pytest.mark.matrix, pytest.mark.xdist_group("sqlite-service")]

#: Tests of core that don't depend on FastAPI and uvicorn.
UNRELATED = ("columns", "database_url", "limits", "schema")
OVERRIDES = "fastapi>=0.137\nuvicorn[standard]>=0.33\nstarlette>=1\n"


def test_project_works_with_lifted_caps(render: Render, tmp_path: Path) -> None:
    project = tmp_path / "my-app"
    shutil.copytree(render(session_style="service"), project, ignore=shutil.ignore_patterns(".*"))
    ignored = shutil.ignore_patterns("__pycache__", *(f"test_{name}.py" for name in UNRELATED))
    shutil.copytree(TEMPLATE / "tests" / "core", project / "tests" / "core_extra", ignore=ignored)
    (tmp_path / "overrides.txt").write_text(OVERRIDES)

    run("uv venv --quiet", project)
    run(
        "uv pip install --quiet --overrides ../overrides.txt -r pyproject.toml --group dev "
        "'hypothesis>=6.150,<7'",
        project,
    )
    shown = run("uv pip list", project)
    [minor] = re.findall(r"^fastapi +0\.(\d+)\.", shown, re.MULTILINE)
    assert int(minor) >= 137
    [minor] = re.findall(r"^uvicorn +0\.(\d+)\.", shown, re.MULTILINE)
    assert int(minor) >= 33

    assert re.search(r"\d+ passed", run(".venv/bin/python -m pytest", project))
    port = free_port()
    settings = {"SQLITE_DB_NAME": str(tmp_path / "app")}
    with serving(".venv/bin/python main.py", project, port, settings) as client:
        created = client.post("/examples", json={"name": "Ada"})
        assert client.get(created.headers["Location"]).json() == created.json()
        rejected = client.put("/examples")
        assert (rejected.status_code, rejected.headers["Allow"]) == (405, "GET, POST")
        assert client.get("/docs").status_code == 200
