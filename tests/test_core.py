"""The tests of core that a project doesn't carry: each combination runs them on its database.

A project's own tests of core are the contract that its owner relies on. The others are in
`tests/core/`, and are laid over a copy of a rendering here.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tools.template import TEMPLATE, run

from .conftest import RunOwnTests

pytestmark = pytest.mark.matrix


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
    printed = run_own_tests("uv run --no-sync pytest tests/core_extra", folder, **environment)

    assert re.search(r"\d+ passed", printed)
    assert "skipped" not in printed
