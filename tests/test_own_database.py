"""The tests of a project only ever touch databases that they have created, whatever `.env` says."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import uuid4

import pytest

from tools import servers
from tools.template import run

from .conftest import RunOwnTests
from .helpers.projects import COMBINATIONS, Combination
from .helpers.serving import legs

pytestmark = pytest.mark.matrix

#: Creates the tables and a row, and tells how many rows there are.
FILL = """
import asyncio
from sqlalchemy import func, select
from src.config import config
from src.examples.examples_entity import Example

async def fill():
    await config.create_all()
    async with config.get_session() as session:
        session.add(Example(name="kept"))
        await session.commit()
    await config.dispose()

async def count():
    result = await config.reader.execute(select(func.count()).select_from(Example))
    print("rows:", result.scalar_one())
    await config.dispose()

asyncio.run({}())
"""


def make_urls(
    combination: Combination, settings: dict[str, str], folder: Path, name: str
) -> dict[str, str]:
    """Make the addresses of a database for a project's `.env`."""
    if combination.database == "sqlite":
        return {"DATABASE_URL": f"sqlite:///{folder.as_posix()}/{name}.db"}
    prefix = combination.database.upper()
    user, secret, host, port = (
        settings[f"{prefix}_{part}"] for part in ("USER", "PASSWORD", "HOST", "PORT")
    )
    url = f"{combination.database}://{user}:{secret}@{host}:{port}/{name}"
    return {"DATABASE_URL": url, "DB_READ_URL": url, "DB_MIGRATION_URL": url}


@pytest.mark.parametrize(
    "combination",
    legs([each for each in COMBINATIONS if each.session_style == "controller"]),
    indirect=True,
    scope="session",
)
def test_own_tests_leave_configured_urls_alone(
    combination: Combination,
    project: Path,
    settings: dict[str, str],
    run_own_tests: RunOwnTests,
    tmp_path: Path,
) -> None:
    run("uv sync --quiet", project)
    folder = tmp_path / project.name
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns(".*"))
    name = f"own_{uuid4().hex}"
    urls = make_urls(combination, settings, folder, name)
    (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in urls.items()))
    python = str(project / ".venv/bin/python")
    servers.execute(combination.database, settings, f"CREATE DATABASE {name}")
    try:
        # Nothing but `.env` says where the database is.
        run([python, "-c", FILL.format("fill")], folder)
        before = sorted(path.name for path in folder.iterdir())

        run_own_tests([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"], folder)

        assert run([python, "-c", FILL.format("count")], folder) == "rows: 1\n"
        assert sorted(path.name for path in folder.iterdir()) == before
    finally:
        servers.execute(combination.database, settings, f"DROP DATABASE {name}")


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
