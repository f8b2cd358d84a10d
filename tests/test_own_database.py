"""A project's tests change only databases that they created, even if `.env` names others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tools import servers
from tools.template import run

from .helpers.projects import SOME, Combination
from .helpers.serving import on

pytestmark = pytest.mark.matrix


@on(*SOME)
def test_own_tests_reject_a_hardcoded_database(
    combination: Combination, project: Path, settings: dict[str, str], tmp_path: Path
) -> None:
    """A `src/config.py` that ignores the settings would let the tests empty its database."""
    run("uv sync --quiet", project)
    folder = tmp_path / project.name
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns(".*"))
    config = folder / "src" / "config.py"
    text = config.read_text(encoding="utf-8")
    own = 'config_params=settings.config_params | {"db_name": "precious"}'
    config.write_text(text.replace("config_params=settings.config_params", own), encoding="utf-8")

    with pytest.raises(AssertionError, match=r"ERROR: the tests would change [^\n]*precious[^\n]*"):
        run([str(project / ".venv/bin/python"), "-m", "pytest", "-q"], folder, **settings)

    assert not servers.exists(combination.database, settings, "precious")
    assert not list(folder.glob("precious*"))
