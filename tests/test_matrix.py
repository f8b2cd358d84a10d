"""Install, check, test and serve every combination on its database.

The tests of a combination make up a leg, and run in one process. A leg needs its database server.
Without the server, it is skipped with a line that says how to start one. If `REQUIRE_DATABASES` is
set, as in CI, it fails instead.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from tools import servers
from tools.template import TEMPLATE, files, run

from .conftest import Commands, Render, RunOwnTests
from .helpers.projects import COMBINATIONS, SOME, Combination
from .helpers.serving import find_server, free_port, legs, on, required, serving

pytestmark = pytest.mark.matrix

#: A combination for each database that is a server.
SERVERS = {"postgresql-controller", "mysql-service"}


def legs_of(session_style: str) -> pytest.MarkDecorator:
    """Run a test on every database, in one session style."""
    combinations = [each for each in COMBINATIONS if each.session_style == session_style]
    return pytest.mark.parametrize(
        "combination", legs(combinations), indirect=True, scope="session"
    )


@pytest.mark.xdist_group("sqlite-controller")
def test_readme_quick_start_works(tmp_path: Path) -> None:
    """Run the first commands of the template's README, with the local template."""
    readme = (TEMPLATE / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)\n```$", readme, re.MULTILINE | re.DOTALL)
    start, commit, answered = (
        block.replace("gh:org/pynest-async", f"--default-config '{TEMPLATE}'")
        for block in blocks[:3]
    )
    author = {f"GIT_{role}_NAME": "Ada" for role in ("AUTHOR", "COMMITTER")}
    author |= {f"GIT_{role}_EMAIL": "ada@example.com" for role in ("AUTHOR", "COMMITTER")}

    with serving(start, tmp_path, free_port(), {}) as client:
        assert client.get("/examples").json() == {"items": [], "next": None}
    run(commit, tmp_path / "my-app", **author)
    assert run("git status --porcelain", tmp_path / "my-app") == ""
    run(answered, tmp_path)
    assert "asyncpg" in (tmp_path / "tea-shop" / "requirements.txt").read_text()


@pytest.mark.parametrize(
    ("database", "session_style"), [("sqlite", "controller"), ("postgresql", "service")]
)
def test_make_app_serves(database: str, session_style: str, tmp_path: Path) -> None:
    choices = {"DATABASE": database, "SESSION_STYLE": session_style}
    name = str(tmp_path / "app") if database == "sqlite" else f"matrix_{uuid4().hex}"
    settings = find_server(database) | {f"{database.upper()}_DB_NAME": name}
    port = free_port()
    given = " ".join(f"{variable}={value}" for variable, value in choices.items())

    try:
        with serving(f"make app PORT={port} {given}", TEMPLATE, port, settings) as client:
            assert client.get("/").json() == {"app_name": "My App", "app_version": "0.1.0"}
            assert client.get("/examples").json() == {"items": [], "next": None}
            assert client.get("/docs").status_code == 200
    finally:
        servers.execute(database, settings, f"DROP DATABASE IF EXISTS {name}")
    rendered = TEMPLATE / "build" / f"{database}-{session_style}" / "my-app"
    assert f'db_type="{database}"' in (rendered / "src/config.py").read_text()


def test_lint_passes(project: Path, mypy_cache: Path) -> None:
    run("make lint", project, MYPY_CACHE_DIR=str(mypy_cache))


@pytest.mark.parametrize(
    "combination", legs([Combination("sqlite", "service")]), indirect=True, scope="session"
)
def test_mypy_finds_misspelt_attributes(project: Path, mypy_cache: Path) -> None:
    misspelt = project / "src" / "misspelt.py"
    misspelt.write_text(
        "from src.examples.examples_entity import Example\n\nExample.nmae\nExample().nmae\n"
    )

    with pytest.raises(AssertionError) as caught:
        run("uv run --quiet mypy src/misspelt.py", project, MYPY_CACHE_DIR=str(mypy_cache))

    misspelt.unlink()
    assert '"type[Example]" has no attribute "nmae"' in str(caught.value)
    assert '"Example" has no attribute "nmae"' in str(caught.value)


def test_formatting_changes_nothing(project: Path) -> None:
    before = {path: (project / path).read_bytes() for path in sources(project)}

    run("make format", project)

    assert before == {path: (project / path).read_bytes() for path in sources(project)}


def sources(project: Path) -> list[Path]:
    made_by_tools = (".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache", "uv.lock")
    return [
        path
        for path in files(project)
        if path.parts[0] not in made_by_tools and "__pycache__" not in path.parts
    ]


def pins(project: Path) -> dict[str, str]:
    """Return the pins of a project that apply to every platform."""
    text = (project / "requirements.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==([\w.]+)$", text, re.MULTILINE))


@legs_of("controller")
def test_new_project_installs_its_pins(combination: Combination, render: Render) -> None:
    folder = render(**combination.answers)
    before = {path: (folder / path).read_bytes() for path in files(folder)}

    run("make format", folder)

    installed = set(run("uv pip freeze --quiet", folder).splitlines())
    assert installed >= {f"{name}=={version}" for name, version in pins(folder).items()}
    assert before == {path: (folder / path).read_bytes() for path in before}


@pytest.mark.xdist_group("sqlite-controller")
@pytest.mark.runs_commands("docs/dependencies.md", "Add a package", "Remove a package", "Upgrade")
def test_lock_keeps_versions_that_upgrade_raises(
    render: Render, commands: Commands, mypy_cache: Path
) -> None:
    folder = render()
    [add], [remove], [upgrade_one, upgrade_all] = (
        commands(folder, "docs/dependencies.md", heading)
        for heading in ("Add a package", "Remove a package", "Upgrade")
    )
    adding, lock = add.splitlines()
    raising, _ = upgrade_one.splitlines()
    requirements = folder / "requirements.txt"
    shipped = pins(folder)
    old = re.sub("^idna==.*$", "idna==3.10", requirements.read_text(), flags=re.MULTILINE)
    requirements.write_text(old)

    def lint() -> None:
        run("make --silent lint", folder, MYPY_CACHE_DIR=str(mypy_cache))

    run("make uv.lock", folder)
    lint()
    run(adding, folder)
    with pytest.raises(AssertionError) as caught:
        lint()
    assert re.search(
        r"^requirements\.txt lacks (\S+==\S+ )*httpx==\S+: run `make lock`$",
        str(caught.value),
        re.MULTILINE,
    )
    assert requirements.read_text() == old
    run(lock, folder)
    assert pins(folder).items() >= (shipped | {"idna": "3.10"}).items()
    assert {"httpx", "httpcore"} <= pins(folder).keys()
    lint()

    run(remove, folder)
    assert requirements.read_text() == old
    run(raising, folder)
    with pytest.raises(AssertionError, match=r"\nrequirements\.txt lacks idna==\S+: run `make"):
        lint()

    run(upgrade_one, folder)
    lint()

    run(upgrade_all, folder)
    assert pins(folder).keys() == shipped.keys()
    assert re.fullmatch(r"3\.(1[1-9]|[2-9])\S*", pins(folder)["idna"])
    # One set of pins serves every Python.
    assert "python_full_version" not in requirements.read_text()
    # The workflow runs this once a week, to find a new version that breaks a project.
    run("make test", folder)


@legs_of("controller")
def test_own_tests_pass(
    combination: Combination,
    settings: dict[str, str],  # first: without the server, no project is rendered
    project: Path,
    run_own_tests: RunOwnTests,
) -> None:
    # The configured database doesn't exist. The tests create their own one.
    settings = settings | {f"{combination.database.upper()}_DB_NAME": "configured"}

    assert re.search(r"\d+ passed", run_own_tests("make test", project, **settings))

    assert not [path for path in sources(project) if ".db" in path.name]
    assert not servers.exists(combination.database, settings, "configured")


#: Creates the tables, adds the examples that the command line names, and prints all names.
ADD_AND_LIST = """
import asyncio, sys
from sqlalchemy import select
from src.config import config
from src.examples.examples_entity import Example

async def main():
    await config.create_all()
    async with config.get_session() as session:
        session.add_all(Example(name=name) for name in sys.argv[1:])
        await session.commit()
    print([row.name for row in await config.reader.execute(select(Example.name))])
    await config.dispose()

asyncio.run(main())
"""


@legs_of("controller")
def test_unusable_database_is_one_line(
    combination: Combination, installed: Path, settings: dict[str, str], tmp_path: Path
) -> None:
    prefix = combination.database.upper()
    unusable = settings | {f"{prefix}_PORT": "1", "LOG_FORMAT": "json", "UVICORN_PORT": "1"}
    if combination.database == "sqlite":
        (tmp_path / "app.db").write_text("This is not a database.")
        unusable["SQLITE_DB_NAME"] = str(tmp_path / "app")
    line = r"cannot connect to [^\n]+ \([^\n]+\); see docs/database.md"

    with pytest.raises(AssertionError) as migration:
        run(".venv/bin/alembic upgrade head", installed, **unusable)
    with pytest.raises(AssertionError) as start:
        run(".venv/bin/python main.py", installed, **unusable)

    assert re.fullmatch(rf".* exited with 1:\n{line}\n", str(migration.value))
    told, _, printed = str(start.value).partition("\n")
    assert told.endswith(" exited with 3:")
    errors = [each for each in map(json.loads, printed.splitlines()) if each["level"] == "error"]
    assert [error["event"] for error in errors[1:]] == ["Application startup failed. Exiting."]
    assert re.fullmatch(line, errors[0]["event"])
    assert errors[0].keys() == errors[1].keys()


@legs_of("service")
def test_own_tests_leave_named_database_alone(
    combination: Combination,
    project: Path,
    settings: dict[str, str],
    database: str,
    run_own_tests: RunOwnTests,
) -> None:
    """Run the tests while `.env` names a database with data, as it may in production."""
    # SQLite's is among the project's own files.
    url = f"sqlite:///{project}/named.db"
    if combination.database != "sqlite":
        servers.execute(combination.database, settings, f"CREATE DATABASE {database}")
        host, port, user, password = (quote(value, safe="") for value in settings.values())
        url = f"{combination.database}://{user}:{password}@{host}:{port}/{database}"
    variables = ("DATABASE_URL", "DB_READ_URL", "DB_MIGRATION_URL")
    env = project / ".env"
    env.write_text("".join(f"{name}={url}\n" for name in variables), encoding="utf-8")
    list_examples = ["uv", "run", "--quiet", "python", "-c", ADD_AND_LIST]
    # Shuffled, with no warning, and on servers in two processes.
    own_tests = "uv run --with pytest-randomly pytest -W error"
    if combination.database != "sqlite":
        own_tests += " --numprocesses 2"

    try:
        assert run([*list_examples, "Ada"], project).endswith("['Ada']\n")
        before = sources(project)
        assert re.search(r"\d+ passed", run_own_tests(own_tests, project))
        assert run(list_examples, project).endswith("['Ada']\n")
        assert sources(project) == before
    finally:
        for path in [env, *project.glob("named.db*")]:
            path.unlink()


@on(*SERVERS)
def test_own_tests_report_a_missing_server(combination: Combination, project: Path) -> None:
    prefix = combination.database.upper()
    nowhere = {f"{prefix}_HOST": "localhost", f"{prefix}_PORT": str(free_port())}

    with pytest.raises(AssertionError) as caught:
        run("uv run --quiet pytest", project, **nowhere)

    _, _, printed = str(caught.value).partition("\n")
    assert re.fullmatch(
        r"ERROR: the tests cannot create a database at localhost:\d+ \(.*\); start .*\n+", printed
    )


# The page is the same in every project, and so are most of these commands.
@on("sqlite-service", "postgresql-controller")
@pytest.mark.runs_commands("README.md", "Start", "Configuration")
@pytest.mark.runs_commands("docs/configuration.md", "Configuration")
@pytest.mark.runs_commands("docs/deployment.md", "With uvicorn")
def test_readme_commands_serve(
    combination: Combination,
    project: Path,
    commands: Commands,
    settings: dict[str, str],
    database: str,
) -> None:
    """Run the documented commands on another port, without Docker."""
    settings = settings | {f"{combination.database.upper()}_DB_NAME": database}
    make, plain, curls, compose = commands(project, "README.md", "Start")
    assert make.splitlines() == ["make database", "make run"]
    assert compose == "docker compose up --build"  # test_containers.py checks Docker's commands
    [uvicorn] = commands(project, "docs/deployment.md", "With uvicorn")
    [configure] = commands(project, "README.md", "Configuration")
    assert commands(project, "docs/configuration.md", "Configuration") == [configure]

    run(configure, project)
    servers.execute(combination.database, settings, f"CREATE DATABASE {database}")
    for block in ["make run", plain, *uvicorn.splitlines()]:
        port = free_port()
        with serving(block.replace("8000", str(port)), project, port, settings):
            outputs = [run(curl.replace("8000", str(port)), project) for curl in curls.splitlines()]
        assert '"app_name":"My App"' in outputs[0]
        assert '"name":"Ada"' in outputs[1] or '"status":409' in outputs[1]
        assert '"items":[{"id":1,"name":"Ada"}]' in outputs[2]
    (project / ".env").unlink()


@on(*SERVERS)
@pytest.mark.runs_commands("docs/database.md", "Use another server")
def test_database_commands_create_it(
    combination: Combination,
    project: Path,
    commands: Commands,
    settings: dict[str, str],
    database: str,
) -> None:
    """Run the documented command with other names and another password."""
    password = settings.get(f"{combination.database.upper()}_PASSWORD", "")
    [create] = commands(project, "docs/database.md", "Use another server")
    client = create.partition(" ")[0]
    if not shutil.which(client) and not required():
        pytest.skip(f"{client} is not installed")

    command = create.replace("default_nest_db", database).replace("-u root -p ", "-u root ")
    run(command, project, PGPASSWORD=password, MYSQL_PWD=password)

    assert servers.exists(combination.database, settings, database)


@pytest.fixture
def folder(project: Path, tmp_path: Path) -> Path:
    """Copy a project without its environment."""
    ignored = shutil.ignore_patterns(".*")
    return Path(shutil.copytree(project, tmp_path / "installed", ignore=ignored))


@pytest.fixture
def install(combination: Combination, project: Path, commands: Commands) -> str:
    """Return the commands that install a project without uv, and serve it."""
    [install] = commands(project, "docs/deployment.md", "With pip alone")
    if combination.database != "sqlite":
        # One leg installs with pip. That takes longer, so the other one uses uv.
        install = install.replace("python3 -m venv", "uv venv --quiet --python python3")
        install = install.replace("pip install", "uv pip install")
    return install


@on("sqlite-controller", "postgresql-service")
@pytest.mark.runs_commands("docs/deployment.md", "With pip alone")
def test_pinned_project_serves_and_keeps_data(
    combination: Combination,
    folder: Path,
    install: str,
    settings: dict[str, str],
    database: str,
) -> None:
    servers.execute(combination.database, settings, f"CREATE DATABASE {database}")
    settings = settings | {f"{combination.database.upper()}_DB_NAME": database}
    port = free_port()
    # Skip compilation: the service imports only a part of the packages.
    settings["PIP_NO_COMPILE"] = "1"

    with serving(install, folder, port, settings) as client:
        assert client.get("/health/ready").json() == {"status": "ok"}
        assert client.post("/examples", json={"name": "Ada"}).status_code == 201
    with serving(".venv/bin/uvicorn app:app", folder, port, settings) as client:
        assert client.get("/examples").json() == {"items": [{"id": 1, "name": "Ada"}], "next": None}


def test_every_combination_responds_equally(
    combination: Combination, project: Path, settings: dict[str, str], database: str, shared: Path
) -> None:
    """Send each route a valid and an invalid request, and compare the OpenAPI schema.

    It is compared with those of the legs that have written theirs so far, in any process.
    """
    servers.execute(combination.database, settings, f"CREATE DATABASE {database}")
    settings = settings | {f"{combination.database.upper()}_DB_NAME": database}

    with serving("uv run python main.py", project, free_port(), settings) as client:
        use(client)
        document = client.get("/openapi.json").content

    (shared / f"openapi-{combination}.json").write_bytes(document)
    for other in shared.glob("openapi-*.json"):
        assert other.read_bytes() == document, other.name


def use(client: httpx.Client) -> None:
    assert client.get("/docs").status_code == 200
    assert client.get("/health/ready").json() == {"status": "ok"}
    assert client.get("/openapi.json").json()["info"]["title"] == "My App"

    added = client.post("/examples", json={"name": "Grace"})
    assert added.status_code == 201
    assert added.headers["Location"] == "/examples/1"
    changed = client.patch("/examples/1", json={"name": "Ada"})
    assert (changed.status_code, changed.json()) == (200, {"id": 1, "name": "Ada"})
    other = client.post("/examples", json={"name": "Grace"}).headers["Location"]
    page = client.get("/examples", params={"limit": 1}).json()
    assert page["items"] == [{"id": 1, "name": "Ada"}]
    assert page["next"]

    wrong = [
        (client.get("/nowhere"), 404),
        (client.get(f"/examples/{2**63 - 1}"), 404),
        (client.get(f"/examples/{2**63}"), 422),
        (client.get("/examples", params={"limit": 0}), 422),
        (client.post("/examples", json={"name": "Ada"}), 409),
        (client.post("/examples", json={}), 422),
        (client.patch(other, json={"name": "Ada"}), 409),
        (client.put("/examples"), 405),
    ]
    for response, status in wrong:
        assert response.status_code == status, response.text
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["status"] == status

    assert client.delete(other).status_code == 204
    assert client.delete(other).status_code == 404


@on(*SOME)
def test_malformed_setting_is_one_line(combination: Combination, project: Path) -> None:
    variable, entry = "DB_POOL_SIZE", "src.app_module:http_server"
    if combination.database != "sqlite":
        variable, entry = f"{combination.database.upper()}_PORT", "app:app"

    with pytest.raises(AssertionError) as caught:
        run(f"uv run --quiet uvicorn {entry}", project, **{variable: "lots"})

    told, _, printed = str(caught.value).partition("\n")
    assert told.endswith("exited with 1:")
    assert re.fullmatch(rf"{variable}: [^\n]+ not 'lots'\n", printed)


@on(*SOME)
def test_openapi_file_ignores_settings(combination: Combination, project: Path) -> None:
    prefix = combination.database.upper()
    unlike = {"API_DOCS": "false", f"{prefix}_HOST": "missing.invalid", "CORS_ORIGINS": "*"}
    contents = []
    for settings in ({}, unlike):
        run("make openapi", project, **settings)
        contents.append((project / "openapi.json").read_bytes())
        (project / "openapi.json").unlink()

    assert contents[0] == contents[1]


@pytest.mark.parametrize("combination", legs(COMBINATIONS[:1]), indirect=True, scope="session")
@pytest.mark.parametrize(
    ("options", "variables", "process"),
    [
        ("", {"APP_DEBUG": "true"}, "reloader"),
        ("--workers 2", {"APP_DEBUG": "true"}, "parent"),
        ("", {"APP_DEBUG": "true", "WEB_CONCURRENCY": "2"}, "parent"),
        ("--reload", {}, "reloader"),
    ],
)
def test_main_reloads_only_without_workers(
    project: Path, tmp_path: Path, options: str, variables: dict[str, str], process: str
) -> None:
    log = tmp_path / "log"
    port = free_port()
    settings = {"SQLITE_DB_NAME": str(tmp_path / "app"), **variables}

    with serving(f"exec uv run python main.py {options} > {log} 2>&1", project, port, settings):
        text = log.read_text(encoding="utf-8")
    assert f"Started {process} process" in text
    assert "ignored" not in text


@pytest.mark.parametrize(
    ("required", "outcome"), [("", "1 skipped"), ("1", "1 error")], ids=["newcomer", "ci"]
)
def test_missing_server_skips_or_fails_leg(required: str, outcome: str) -> None:
    leg = "tests/test_matrix.py::test_own_tests_pass[mysql-controller]"
    address = {"MYSQL_HOST": "localhost", "MYSQL_PORT": str(free_port())}

    # The exit code differs; only the message matters.
    printed = run(
        f"pytest --numprocesses 0 -rs {leg} || true",
        TEMPLATE,
        REQUIRE_DATABASES=required,
        **address,
    )

    assert outcome in printed
    assert "no mysql server responds at localhost:" in printed
    assert "docker compose up --detach mysql" in printed
