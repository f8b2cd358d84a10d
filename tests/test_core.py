"""Run the template's tests of core on every database.

A project has its own tests of core: the contract that its owner relies on. The other tests are in
`tests/core/`. They are copied into a rendered project and run there.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tools.template import TEMPLATE, run

from .conftest import RunOwnTests
from .helpers.projects import OTHERS
from .helpers.serving import on

pytestmark = pytest.mark.matrix

#: Projects don't depend on hypothesis.
PYTEST = "uv run --no-sync --with 'hypothesis>=6.150,<7' pytest"


@on(*OTHERS)
def test_core_passes_its_template_tests(
    project: Path, settings: dict[str, str], tmp_path: Path, run_own_tests: RunOwnTests
) -> None:
    run("uv sync --quiet", project)
    folder = tmp_path / project.name
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns(".*"))
    shutil.copytree(
        TEMPLATE / "tests" / "core",
        folder / "tests" / "core_extra",
        ignore=shutil.ignore_patterns("__pycache__"),
    )

    environment = settings | {"UV_PROJECT_ENVIRONMENT": str(project / ".venv")}
    printed = run_own_tests(f"{PYTEST} tests/core_extra", folder, **environment)

    assert re.search(r"\d+ passed", printed)
    assert "skipped" not in printed
