"""The Dockerfile, .dockerignore and compose.yaml, and the commands in them."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from docker.utils import exclude_paths

from tools.template import AUTHS, DATABASES, TEMPLATE, files, run

from .conftest import Commands, Render
from .helpers.serving import free_port, serving

#: Files of a development checkout that must not reach the image.
LITTER = """
    .env
    .git/config
    .venv/bin/python
    default_nest_db.db
    migrations/__pycache__/env.cpython-313.pyc
    src/core/__pycache__/errors.cpython-313.pyc
"""

#: Settings for development, and those that the Dockerfile sets.
NOT_FOR_CONTAINERS = {"APP_DEBUG", "DB_CREATE_ALL", "SQLITE_DB_NAME"}
#: Settings of other servers than the one that Compose starts.
NOT_FOR_CONTAINERS |= {"DATABASE_URL", "DB_READ_URL", "DB_MIGRATION_URL", "DB_TRANSACTION_POOLER"}
NOT_FOR_CONTAINERS |= {"DB_SSLMODE", "DB_SSLROOTCERT", "DB_SSLCERT", "DB_SSLKEY"}
#: Settings whose value in `.env.example` is for development, and not the default.
FOR_DEVELOPMENT = {"APP_DEBUG", "AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_JWKS_URL", "PUBLIC_DOCS"}
#: Variable names of 0.1.0 that the settings still accept.
OLD_NAMES = {"DB_TIMEOUT"}
#: Variables that uvicorn reads.
FOR_UVICORN = {"FORWARDED_ALLOW_IPS", "WEB_CONCURRENCY"}

# One process renders the projects, and installs each one once.
pytestmark = pytest.mark.xdist_group("containers")

with_auth = pytest.mark.parametrize("auth", AUTHS, indirect=True)


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    assert isinstance(request.param, str)
    return request.param


@pytest.fixture(scope="module")
def auth(request: pytest.FixtureRequest) -> str:
    return str(getattr(request, "param", "none"))


@pytest.fixture(scope="module")
def project(database: str, auth: str, render: Render) -> Path:
    return render(database=database, auth=auth)


@pytest.fixture
def compose(project: Path) -> dict[str, Any]:
    return read_yaml(project / "compose.yaml")


def read_yaml(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def instructions(project: Path) -> list[tuple[str, str]]:
    """Parse the Dockerfile into pairs of an instruction's name and its arguments."""
    text = (project / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line]
    return [(name, rest) for name, rest in lines]


def instruction(project: Path, name: str) -> str:
    """Return the arguments of the only instruction with this name."""
    [rest] = [rest for each, rest in instructions(project) if each == name]
    return rest


def command(project: Path, name: str) -> list[str]:
    """Return the words of CMD or HEALTHCHECK, which are in exec form."""
    words: list[str] = json.loads("[" + instruction(project, name).partition("[")[2])
    return words


def copied(project: Path) -> list[str]:
    """Return the paths that the Dockerfile copies from the project."""
    copies = [rest.split() for name, rest in instructions(project) if name == "COPY"]
    return [
        source.rstrip("/")
        for *sources, _ in copies
        for source in sources
        if not sources[0].startswith("--from=")
    ]


def let_through(project: Path) -> set[str]:
    """Return the files that .dockerignore leaves in the build context."""
    lines = (project / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if not line.startswith("#")]
    # Docker always sends these two files.
    paths = set(exclude_paths(str(project), patterns)) - {"Dockerfile", ".dockerignore"}
    return {path for path in paths if (project / path).is_file()}


def image_environment(project: Path) -> dict[str, str]:
    variables = [rest.split() for name, rest in instructions(project) if name == "ENV"]
    return dict(pair.split("=", 1) for pairs in variables for pair in pairs)


def settings(project: Path) -> set[str]:
    """Return the environment variables that the app reads: the fields of its settings."""
    return {
        statement.target.id.upper()
        for name in ("src/core/settings.py", "src/config.py")
        for node in ast.parse((project / name).read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }


def variables(service: dict[str, Any]) -> dict[str, str | None]:
    return {
        name: None if value is None else str(value)
        for name, value in service.get("environment", {}).items()
    }


def test_dockerfile_passes_hadolint(render: Render) -> None:
    dockerfiles = [str(render(database=each) / "Dockerfile") for each in DATABASES]

    run(["hadolint", "--no-color", "--failure-threshold", "style", *dockerfiles], TEMPLATE)


def test_compose_file_is_valid(render: Render) -> None:
    compose_files = [
        str(render(database=database, auth=auth) / "compose.yaml")
        for database in DATABASES
        for auth in AUTHS
    ]

    schema = ["check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    run([*schema, *compose_files], TEMPLATE)


def test_build_context_has_only_copied_files(project: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(project, checkout)
    for name in LITTER.split():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).touch()

    wanted = set()
    for source in copied(project):
        assert (project / source).exists(), source
        inside = files(project / source) if (project / source).is_dir() else [Path()]
        wanted |= {(source / path).as_posix() for path in inside}

    assert let_through(checkout) == wanted


def test_image_has_every_imported_module(project: Path) -> None:
    """Check direct imports statically. `test_image_commands_work` runs the app."""
    sources = copied(project)
    own = {path.parts[0].removesuffix(".py") for path in files(project) if path.suffix == ".py"}
    imported = set()
    for name in let_through(project):
        if name.endswith(".py"):
            for node in ast.walk(ast.parse((project / name).read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    imported.add(str(node.module).partition(".")[0])

    assert imported & own <= {source.removesuffix(".py") for source in sources}
    assert "src" in imported
    assert command(project, "CMD")[1] in sources


def test_image_runs_as_numeric_user(project: Path) -> None:
    # Kubernetes' runAsNonRoot accepts only a numeric user.
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", instruction(project, "USER"))


def test_images_have_tested_versions(project: Path, database: str) -> None:
    workflow = read_yaml(TEMPLATE / ".github/workflows/ci.yml")["jobs"]["test"]
    matrix = workflow["strategy"]["matrix"]

    [base] = {rest for name, rest in instructions(project) if name == "FROM" and ":" in rest}
    [python] = re.findall(r"^python:([\d.]+)-slim@sha256:[0-9a-f]{64} AS", base)
    assert python in matrix["python"]

    services = read_yaml(project / "compose.yaml")["services"]
    assert ("database" in services) == (database != "sqlite")
    if database != "sqlite":
        image = services["database"]["image"]
        assert image == read_yaml(TEMPLATE / "compose.yaml")["services"][database]["image"]
        assert image in [workflow["services"][database]["image"], *matrix.get(database, [])]


@with_auth
def test_compose_passes_exactly_the_settings(project: Path, compose: dict[str, Any]) -> None:
    app, migrate = (variables(compose["services"][name]) for name in ("app", "migrate"))

    assert app == migrate
    assert set(app) == settings(project) - NOT_FOR_CONTAINERS | FOR_UVICORN | OLD_NAMES
    assert app["WEB_CONCURRENCY"] == "${WEB_CONCURRENCY:-2}"
    assert image_environment(project)["WEB_CONCURRENCY"] == "2"


def test_compose_defaults_match_the_app(
    project: Path, database: str, compose: dict[str, Any]
) -> None:
    example = (project / ".env.example").read_text(encoding="utf-8")
    for service in compose["services"].values():
        for name, default in re.findall(r"\${(\w+):-(.*?)}", str(variables(service))):
            if name not in FOR_UVICORN:
                assert f"\n{name}={default}\n" in example

    if database != "sqlite":
        prefix = f"{database.upper()}_"
        app = variables(compose["services"]["app"])
        assert app[f"{prefix}HOST"] == "database"
        assert f"\n{prefix}PORT={app[f'{prefix}PORT']}\n" in example


@with_auth
def test_every_setting_is_documented(project: Path, auth: str) -> None:
    page = (project / "docs" / "configuration.md").read_text(encoding="utf-8")
    example = (project / ".env.example").read_text(encoding="utf-8")

    documented = dict(re.findall(r"^\| `([A-Z_]+)` \|(?: `?(.*?)`?)?? \|", page, re.MULTILINE))

    assert set(documented) == settings(project)
    for name, default in re.findall(r"^([A-Z_]+)=(.*)$", example, re.MULTILINE):
        if auth == "none" or name not in FOR_DEVELOPMENT:
            assert documented[name] == default, name


def test_sqlite_folder_is_a_writable_volume(render: Render) -> None:
    project = render(database="sqlite")
    folder = Path(image_environment(project)["SQLITE_DB_NAME"]).parent
    user, _, group = instruction(project, "USER").partition(":")
    services = read_yaml(project / "compose.yaml")["services"]

    assert ("RUN", f"install -d -o {user} -g {group} {folder}") in instructions(project)
    assert [service["volumes"] for service in services.values()] == [[f"data:{folder}"]] * 2


@pytest.mark.parametrize("database", ["postgresql", "mysql"], indirect=True)
def test_server_creates_user_and_database(database: str, compose: dict[str, Any]) -> None:
    app, server = (variables(compose["services"][name]) for name in ("app", "database"))
    prefix, name = {"postgresql": ("POSTGRES", "DB"), "mysql": ("MYSQL", "DATABASE")}[database]
    made = [server[f"{prefix}_{part}"] for part in ("USER", "PASSWORD", name)]

    assert made == [app[f"{database.upper()}_{part}"] for part in ("USER", "PASSWORD", "DB_NAME")]
    # The MySQL image creates root itself, and rejects MYSQL_USER=root.
    assert made[0] != "root"


def filled(text: str, given: dict[str, str]) -> str:
    """Replace variables like Compose: `${NAME:-default}`."""
    return re.sub(r"\${(\w+):-(.*?)}", lambda match: given.get(match[1]) or match[2], text)


@pytest.mark.parametrize("database", ["postgresql", "mysql"], indirect=True)
@pytest.mark.parametrize("own", [False, True], ids=["example", "own"])
def test_local_server_uses_the_env_settings(
    project: Path, database: str, compose: dict[str, Any], *, own: bool
) -> None:
    example = (project / ".env.example").read_text(encoding="utf-8")
    app = dict(re.findall(rf"^{database.upper()}_([A-Z_]+)=(.*)$", example, re.MULTILINE))
    if own:
        app |= {"PORT": "15000", "PASSWORD": "own", "DB_NAME": "shop"}
        app |= {"USER": "ada"} if database == "postgresql" else {}
    given = {f"{database.upper()}_{name}": value for name, value in app.items()} if own else {}
    local = compose["services"]["local-database"]
    server = {name: filled(value, given) for name, value in local["environment"].items()}

    [published] = [filled(port, given) for port in local["ports"]]

    default = {"postgresql": "5432", "mysql": "3306"}[database]
    assert published == f"127.0.0.1:{app['PORT']}:{default}"
    assert app["HOST"] == "localhost"
    assert server == (
        {f"POSTGRES_{part}": app[part] for part in ("USER", "PASSWORD")}
        | {"POSTGRES_DB": app["DB_NAME"]}
        if database == "postgresql"
        else {"MYSQL_ROOT_PASSWORD": app["PASSWORD"], "MYSQL_DATABASE": app["DB_NAME"]}
    )
    # The tests create databases, and in the MySQL image only root may do that.
    assert database != "mysql" or app["USER"] == "root"


@pytest.mark.parametrize("database", ["postgresql", "mysql"], indirect=True)
@pytest.mark.usefixtures("database")
def test_local_server_is_separate_from_production(project: Path, compose: dict[str, Any]) -> None:
    services = compose["services"]
    local, server = services["local-database"], services["database"]

    # Compose starts a service with a profile only if the command names it.
    assert local["profiles"] == ["local"]
    assert [name for name, service in services.items() if "profiles" in service] == [
        "local-database"
    ]
    assert "ports" not in server
    assert local["image"] == server["image"]
    assert local["healthcheck"] == server["healthcheck"]
    [[volume, folder], [other, same]] = [each["volumes"][0].split(":") for each in (local, server)]
    assert (volume, other, folder) == ("local-data", "data", same)
    assert set(compose["volumes"]) == {volume, other}
    makefile = (project / "Makefile").read_text(encoding="utf-8")
    assert "\ndatabase:\n\tdocker compose up --detach --wait local-database\n" in makefile


def test_sqlite_has_no_server_to_start(render: Render) -> None:
    printed = run("make database", render(database="sqlite"))

    assert printed == "there is nothing to start: SQLite keeps the database in a file\n"


def test_app_waits_for_migrations_and_database(compose: dict[str, Any]) -> None:
    services = compose["services"]

    assert services["app"]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"}
    }
    if "database" in services:
        waits = {"database": {"condition": "service_healthy"}}
        assert services["migrate"]["depends_on"] == waits
        assert "--host=127.0.0.1" in services["database"]["healthcheck"]["test"]
    assert services["migrate"]["image"] == services["app"]["image"]
    assert "restart" not in services["migrate"]


def test_container_allows_a_graceful_shutdown(project: Path, compose: dict[str, Any]) -> None:
    main = (project / "main.py").read_text(encoding="utf-8")
    page = (project / "docs" / "deployment.md").read_text(encoding="utf-8")
    [seconds] = re.findall(r'"timeout_graceful_shutdown": (\d+)', main)

    grace = compose["services"]["app"]["stop_grace_period"]

    assert int(seconds) < int(grace.removesuffix("s")) <= int(seconds) + 10
    assert f"for {seconds} seconds at most" in page


def test_port_and_commands_are_documented(project: Path, compose: dict[str, Any]) -> None:
    start = command(project, "CMD")
    page = (project / "docs" / "deployment.md").read_text(encoding="utf-8")

    port = start[start.index("--port") + 1]
    assert instruction(project, "EXPOSE") == port
    assert f"http://127.0.0.1:{port}/health/live" in command(project, "HEALTHCHECK")[-1]
    assert compose["services"]["app"]["ports"] == [f"127.0.0.1:{port}:{port}"]

    for words in (start, compose["services"]["migrate"]["command"]):
        assert f"`{' '.join(words)}`" in page
    assert f" as user {instruction(project, 'USER').partition(':')[0]}." in page


@pytest.mark.runs_commands("docs/deployment.md", "Containers")
def test_docker_commands_fit_the_compose_file(
    project: Path, commands: Commands, compose: dict[str, Any]
) -> None:
    assert commands(project, "docs/deployment.md", "Containers") == [
        "docker compose up --build",
        "docker compose down --volumes",
    ]
    # `up` starts every service that has no profile.
    started = {name for name, service in compose["services"].items() if "profiles" not in service}
    assert started == {"app", "migrate", *compose["services"].keys() & {"database"}}


@pytest.mark.parametrize("database", ["postgresql", "mysql"], indirect=True)
@pytest.mark.runs_commands("docs/database.md", "Start it")
def test_database_commands_name_the_service(
    project: Path, commands: Commands, compose: dict[str, Any]
) -> None:
    make, start, stop = commands(project, "docs/database.md", "Start it")

    assert make == "make database"
    assert run(["make", "--dry-run", "database"], project) == f"{start}\n"
    for command in (start, stop):
        assert command.split()[:2] == ["docker", "compose"]
        assert command.split()[-1] in compose["services"]


@pytest.fixture(scope="module")
def app(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the image's files to a folder, and install its requirements beside it."""
    app = tmp_path_factory.mktemp("image") / "app"
    for name in let_through(project):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project / name, app / name)
    run(["uv", "venv", "--quiet", "--python", sys.executable, "../venv"], app)
    install = ["uv", "pip", "install", "--quiet", "--no-deps", "--python", "../venv/bin/python"]
    run([*install, "--requirement", "requirements.txt"], app)
    (app / "requirements.txt").unlink()
    return app


def in_image(project: Path, app: Path) -> dict[str, str]:
    """Return the image's environment variables, with the paths of the local copy."""
    path = f"{app.parent / 'venv/bin'}{os.pathsep}{os.environ['PATH']}"
    variables = image_environment(project) | {"PATH": path}
    if "SQLITE_DB_NAME" in variables:
        variables["SQLITE_DB_NAME"] = str(app.parent / "app.db")
    return variables


@pytest.mark.matrix
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_image_commands_work(project: Path, app: Path) -> None:
    port = free_port()
    start, ask = (
        [word.replace("8000", str(port)) for word in command(project, name)]
        for name in ("CMD", "HEALTHCHECK")
    )
    migrate = read_yaml(project / "compose.yaml")["services"]["migrate"]["command"]
    # The health check must ignore this proxy, which doesn't exist.
    image = in_image(project, app) | {"http_proxy": f"http://127.0.0.1:{free_port()}"}

    run(migrate, app, **image)
    with pytest.raises(AssertionError, match="Connection refused"):
        run(ask, app, **image)
    with serving(shlex.join(start), app, port, image) as client:
        assert client.post("/examples", json={"name": "Ada"}).status_code == 201
        run(ask, app, **image)


# With PostgreSQL, `test_images.py` runs the app as such a user.
@pytest.mark.matrix
@pytest.mark.parametrize("database", ["sqlite", "mysql"], indirect=True)
def test_app_runs_as_a_nameless_user(project: Path, app: Path) -> None:
    nameless = dict.fromkeys(("LOGNAME", "USER", "LNAME", "USERNAME"), "")
    # For an unknown user, getpass raises OSError on Python 3.13, and KeyError on older ones.
    code = "import pwd; pwd.getpwuid = lambda _: open('no such user'); import app"

    run(["python", "-c", code], app, **nameless | in_image(project, app))
