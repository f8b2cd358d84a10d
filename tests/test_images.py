"""The image: built from the Dockerfile, and run without root on a read-only file system."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import servers
from tools.template import run

from .conftest import RecordFigure, Render
from .helpers.images import Image, require_programs
from .helpers.projects import Combination
from .helpers.serving import free_port, legs, serving
from .test_containers import command
from .test_kubernetes import build, containers_of, url_of

DEPLOYED = Combination("postgresql", "service", deploy="kubernetes")

pytestmark = [
    pytest.mark.matrix,
    pytest.mark.parametrize("combination", legs([DEPLOYED]), indirect=True, scope="session"),
]


@pytest.fixture(scope="session")
def project(combination: Combination, render: Render) -> Path:
    return render(**combination.answers)


@pytest.fixture(scope="session")
def image(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    require_programs()
    image = Image(tmp_path_factory.mktemp("image"))
    image.build(project)
    yield image
    image.remove()


def test_image_has_only_what_serves(image: Image, record_figure: RecordFigure) -> None:
    container = image.files
    assert image.config["User"] == "10001:10001"
    [packages] = container.glob("venv/lib/python3.*/site-packages")
    installed = {path.name.partition("-")[0] for path in packages.glob("*.dist-info")}
    assert {"asyncpg", "pynest_api", "uvicorn"} <= installed
    assert not installed & {"astor", "black", "mypy_extensions", "pathspec", "pip", "pytest"}
    assert {path.name for path in (container / "app").iterdir()} == {
        "alembic.ini",
        "app.py",
        "main.py",
        "migrations",
        "pyproject.toml",
        "src",
    }
    for path in [container / "app", *(container / "app").rglob("*")]:
        assert path.owner() == "root"
        assert path.stat().st_mode & 0o022 == 0, path
    for name in ("app", "venv"):
        [kilobytes, _] = run(["du", "-sk", name], container).split()
        record_figure(f"MiB of /{name} in the image", int(kilobytes) / 1024)


def test_image_serves_on_a_read_only_root(
    image: Image, project: Path, settings: dict[str, str], database: str
) -> None:
    """Run the containers of the Deployment, with its settings and as its user."""
    objects = build(project / "deploy" / "overlays" / "production")
    migrate, _ = containers_of(objects)
    servers.execute(DEPLOYED.database, settings, f"CREATE DATABASE {database}")
    port = str(free_port())
    given = {
        **objects["ConfigMap"]["data"],
        "DATABASE_URL": url_of(DEPLOYED.database, settings, database),
        "SHUTDOWN_DELAY": "0",
    }
    start, ask = (
        [word.replace("8000", port) for word in command(project, name)]
        for name in ("CMD", "HEALTHCHECK")
    )

    migrated = run(image.command("migrate", migrate["args"], given), project)
    assert "Running upgrade  -> 0001" in migrated
    app = shlex.join(image.command("app", start, given))
    # Without `exit`, the shell would become the container's process, which root owns.
    with serving(f"{app}\nexit $?", project, int(port), {}) as client:
        assert client.get("/health/ready").status_code == 200
        assert client.post("/examples", json={"name": "Ada"}).status_code == 201
        inside = [*image.runc, "exec", "app"]
        run([*inside, *ask], project)
        assert run([*inside, "python", "-c", "import os; print(os.getuid())"], project) == (
            "10001\n"
        )
        status = run([*inside, "python", "-c", "print(open('/proc/1/status').read())"], project)
        assert "CapEff:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status
        for path, error in (("/app/x", "Read-only file system"), ("/x", "Read-only file system")):
            with pytest.raises(AssertionError, match=error):
                run([*inside, "python", "-c", f"open({path!r}, 'w')"], project)
        run([*inside, "python", "-c", "open('/tmp/x', 'w')"], project)
        run([*image.runc, "kill", "app", "TERM"], project)
