"""Who is measured: what they are, and how they are written, installed and started."""

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tools.template import DATABASES, SESSION_STYLES, TEMPLATE, environment, render, run

BUILD = TEMPLATE / "build" / "bench"
VENV = BUILD / "venv"
PYTHON = VENV / "bin" / "python"

#: Who is compared, by the names that the tables have.
STYLES = SESSION_STYLES
CLI, HANDWRITTEN, ALONE = "PyNest's CLI", "hand-written", "SQLAlchemy alone"
BARE, CONSTANT = "bare driver", "constant"
#: What follows the names of the styles of another checkout.
BEFORE = "before"

#: Changes without which what PyNest's CLI writes does not start: file, old, new.
PATCHES = {
    # SQLAlchemy refuses a table of MySQL's whose text has no length.
    "mysql": [
        ("src/examples/examples_entity.py", "mapped_column(String,", "mapped_column(String(100),")
    ],
}


@dataclass(frozen=True)
class Contender:
    """A server to be measured."""

    name: str
    #: What serves; the port is to be added.
    command: list[str]
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    #: What it answers as soon as it can.
    first: str = "/health/live"


def prepare() -> None:
    """Make the one environment that all contenders run in, with what projects are pinned to."""
    requirements = [
        str(render_anew(BUILD / f"pins-{database}", database=database) / "requirements.txt")
        for database in DATABASES
    ]
    uv = str(Path(sys.executable).with_name("uv"))
    for command in (
        ["venv", "--quiet", "--allow-existing", "--python", sys.executable, str(VENV)],
        ["pip", "sync", "--quiet", "--python", str(PYTHON), *requirements],
    ):
        subprocess.run([uv, *command], check=True, env=environment())


def versions() -> list[str]:
    """Name what is installed in the environment, with the versions, as far as it serves."""
    names = ["pynest-api", "fastapi", "starlette", "pydantic", "sqlalchemy", "structlog"]
    names += ["uvicorn", "uvloop", "httptools", "aiosqlite", "asyncpg", "aiomysql"]
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    found = run([str(PYTHON), "-c", code, *names], BUILD).split()
    return [f"{name} {version}" for name, version in zip(names, found, strict=True)]


def make_contenders(database: str, other: Path | None = None) -> list[Contender]:
    """Write the apps for one database, and return all who are compared on it.

    Args:
        database: `sqlite`, `postgresql` or `mysql`.
        other: another checkout of the template, whose projects are measured too.
    """
    templates = {"": TEMPLATE} | ({f" {BEFORE}": other} if other else {})
    rendered = [
        Contender(
            f"{style}{suffix}",
            [str(PYTHON), "main.py", "--port"],
            render_anew(
                BUILD / f"{database}-{style}{suffix.replace(' ', '-')}",
                template,
                database=database,
                session_style=style,
            ),
            {"DB_CREATE_ALL": "false", "LOG_FORMAT": "json"},
        )
        for suffix, template in templates.items()
        for style in STYLES
    ]
    return [
        *rendered,
        Contender(
            CLI,
            [str(PYTHON), "-m", "uvicorn", "src.app_module:http_server", "--port"],
            generate_by_cli(database, BUILD / f"{database}-cli"),
            first="/",
        ),
        *(
            Contender(
                name,
                [
                    *(str(PYTHON), "-m", "uvicorn", "--app-dir", str(Path(__file__).parent)),
                    *(f"{module}:app", "--port"),
                ],
                rendered[0].folder,
                {"DATABASE": database},
            )
            for name, module in (
                (HANDWRITTEN, "handwritten"),
                (ALONE, "alone"),
                (BARE, "bare"),
                (CONSTANT, "constant"),
            )
        ),
    ]


def render_anew(folder: Path, template: Path = TEMPLATE, **answers: str) -> Path:
    """Render a project into a folder, in place of what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    return render(str(folder), template, **answers)


def generate_by_cli(database: str, folder: Path) -> Path:
    """Have PyNest's CLI write an application with a resource; patch what does not start."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    pynest = str(VENV / "bin" / "pynest")
    # It keeps the kind of the database in the environment: the two belong together.
    run([pynest, "generate", "application", "-n", "app", "-db", database, "--is-async"], folder)
    run([pynest, "generate", "resource", "-n", "examples"], folder / "app")
    for name, old, new in PATCHES.get(database, []):
        path = folder / "app" / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")
    return folder / "app"
