"""The contenders: write, install and start the compared apps."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tools.template import DATABASES, SESSION_STYLES, TEMPLATE, environment, render, run

BUILD = TEMPLATE / "build" / "bench"
VENV = BUILD / "venv"
PYTHON = VENV / "bin" / "python"

#: The contenders' names in the tables. Rendered projects have the names of their session styles.
STYLES = SESSION_STYLES
CLI, HANDWRITTEN, BARE = "PyNest's CLI", "hand-written", "bare driver"
#: The suffix of the style names of another checkout.
BEFORE = "before"


class MeasurementError(Exception):
    """A contender can't be measured. The message has the reason."""


class Patch(NamedTuple):
    """A replacement of exact text in one file."""

    path: str
    old: str
    new: str


#: Changes that the application of PyNest's CLI needs to start.
CLI_PATCHES = {
    # On MySQL, SQLAlchemy rejects a String without a length.
    "mysql": [
        Patch(
            "src/examples/examples_entity.py", "mapped_column(String,", "mapped_column(String(100),"
        )
    ],
}


@dataclass(frozen=True)
class Contender:
    """An app to be measured."""

    name: str
    #: The command that starts it, without the port.
    command: list[str]
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    #: A path that returns 200 when the app is ready.
    first: str = "/health/live"
    #: The access token of each request, if the app needs one.
    token: str = ""


def prepare() -> None:
    """Create the contenders' shared environment, with the projects' pinned versions."""
    requirements = [
        str(
            render_over(
                BUILD / f"pins-{database}",
                database=database,
                auth="oidc",
                telemetry="opentelemetry",
            )
            / "requirements.txt"
        )
        for database in DATABASES
    ]
    uv = str(Path(sys.executable).with_name("uv"))
    for command in (
        ["venv", "--quiet", "--allow-existing", "--python", sys.executable, str(VENV)],
        ["pip", "sync", "--quiet", "--python", str(PYTHON), *requirements],
        # PyNest's CLI needs packages that no service imports.
        ["pip", "install", "--quiet", "--python", str(PYTHON), "pynest-api"],
    ):
        subprocess.run([uv, *command], check=True, env=environment())


def versions() -> list[str]:
    """Return the main packages with their versions."""
    names = ["pynest-api", "fastapi", "starlette", "pydantic", "sqlalchemy", "structlog"]
    names += [
        "pyjwt",
        "opentelemetry-sdk",
        "uvicorn",
        "uvloop",
        "httptools",
        "aiosqlite",
        "asyncpg",
        "aiomysql",
    ]
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    found = run([str(PYTHON), "-c", code, *names], BUILD).split()
    return [f"{name} {version}" for name, version in zip(names, found, strict=True)]


def make_contenders(database: str, other: Path | None = None) -> list[Contender]:
    """Write the apps for one database; the first one is a rendered project.

    Args:
        database: `sqlite`, `postgresql` or `mysql`.
        other: another checkout of the template. Its projects are measured too.
    """
    templates = {"": TEMPLATE} | ({f" {BEFORE}": other} if other else {})
    rendered = [
        Contender(
            f"{style}{suffix}",
            [str(PYTHON), "main.py", "--port"],
            add_orders(
                render_over(
                    BUILD / f"{database}-{style}{suffix.replace(' ', '-')}",
                    template,
                    database=database,
                    session_style=style,
                )
            ),
            {"DB_CREATE_ALL": "false", "LOG_FORMAT": "json"},
        )
        for suffix, template in templates.items()
        for style in STYLES
    ]
    uvicorn = [str(PYTHON), "-m", "uvicorn"]
    folder = Path(__file__).parent
    return [
        *rendered,
        Contender(
            CLI,
            [*uvicorn, "src.app_module:http_server", "--port"],
            generate_by_cli(database, BUILD / f"{database}-cli"),
            first="/",
        ),
        *(
            Contender(name, [*uvicorn, f"{module}:app", "--port"], folder, {"DATABASE": database})
            for name, module in ((HANDWRITTEN, "handwritten"), (BARE, "bare"))
        ),
    ]


def make_secured(database: str) -> list[Contender]:
    """Write a project with authentication; return it once for each kind of token."""
    folder = add_orders(
        render_over(
            BUILD / f"{database}-oidc", database=database, session_style=STYLES[0], auth="oidc"
        )
    )
    keys = folder / "keys.json"
    tokens = run([str(PYTHON), str(Path(__file__).with_name("tokens.py")), str(keys)], BUILD)
    variables = {
        "DB_CREATE_ALL": "false",
        "LOG_FORMAT": "json",
        "APP_DEBUG": "true",
        "AUTH_ISSUER": "http://localhost",
        "AUTH_AUDIENCE": "bench",
        "AUTH_JWKS_URL": f"file:{keys}",
    }
    command = [str(PYTHON), "main.py", "--port"]
    return [
        Contender(f"{kind} token", command, folder, variables, token=token)
        for kind, token in json.loads(tokens).items()
    ]


def make_observed(database: str, collector: str) -> list[Contender]:
    """Write a project with telemetry; return it once for each share of sampled traces.

    Args:
        database: `sqlite`, `postgresql` or `mysql`.
        collector: the URL of a collector.
    """
    folder = add_orders(
        render_over(
            BUILD / f"{database}-opentelemetry",
            database=database,
            session_style=STYLES[0],
            telemetry="opentelemetry",
        )
    )
    usual = {"DB_CREATE_ALL": "false", "LOG_FORMAT": "json"}
    sent = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector}
    tenth = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}
    shares = {"no endpoint": {}, "10 % of traces": sent | tenth, "all traces": sent}
    command = [str(PYTHON), "main.py", "--port"]
    return [
        Contender(name, command, folder, usual | variables) for name, variables in shares.items()
    ]


def render_over(folder: Path, template: Path = TEMPLATE, **answers: str) -> Path:
    """Render a project into a folder. The folder's content is replaced."""
    shutil.rmtree(folder, ignore_errors=True)
    return render(str(folder), template, **answers)


def add_orders(project: Path) -> Path:
    """Add a module to a project, for the lists that filter and sort."""
    fields = "status:str:index total:int:index"
    run([sys.executable, "-m", "scaffold", "orders", "--fields", fields], project)
    return project


def generate_by_cli(database: str, folder: Path) -> Path:
    """Generate an application with one resource by PyNest's CLI, and apply the fixes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    pynest = str(VENV / "bin" / "pynest")
    # The first command saves the kind of database in the environment for the second one.
    run([pynest, "generate", "application", "-n", "app", "-db", database, "--is-async"], folder)
    run([pynest, "generate", "resource", "-n", "examples"], folder / "app")
    apply_patches(folder / "app", CLI_PATCHES.get(database, []))
    return folder / "app"


def apply_patches(folder: Path, patches: Iterable[Patch]) -> None:
    """Patch files of a project.

    Raises:
        MeasurementError: an old text isn't in its file exactly once.
    """
    for patch in patches:
        path = folder / patch.path
        text = path.read_text(encoding="utf-8")
        if (count := text.count(patch.old)) != 1:
            message = f"{patch.path} has {patch.old!r} {count} times, not once: adapt the patch"
            raise MeasurementError(message)
        path.write_text(text.replace(patch.old, patch.new), encoding="utf-8")
