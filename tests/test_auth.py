"""Projects with `auth=oidc`: their checks, attacks on them, and switching it on and off.

`tests/auth/` has the attacks. They are copied into a rendered project and run there.
"""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tools import servers
from tools.template import SOURCE, TEMPLATE, files, run

from .conftest import Commands, Render, RunOwnTests
from .helpers.docs import find_section
from .helpers.projects import EXTENDED, Combination
from .helpers.repositories import commit
from .helpers.serving import free_port, legs, serving
from .test_budgets import find_code_lines
from .test_update_matrix import OLDEST, History, history, live_in, update  # noqa: F401  # a fixture
from .test_update_tool import contents, outside_skip, read_skip, start

#: Each database, in both session styles, alone and with the other options.
SECURED = [each for each in EXTENDED if each.auth == "oidc"]
#: A project that switches authentication on.
PLAIN = Combination("sqlite", "service")
#: Lines of code that authentication adds to core.
LINES = 283
#: The files that differ with authentication. Projects without it have none of the new ones.
CHANGED = """
    .cruft.json .env.example .gitignore AGENTS.md Makefile compose.yaml docs/README.md
    docs/clients.md
    docs/configuration.md docs/deployment.md docs/growing.md pyproject.toml requirements.txt
    src/core/core_module.py src/core/settings.py src/examples/examples_controller.py
    tests/__init__.py tests/conftest.py tests/core/test_errors.py tests/core/test_requests.py
"""
NEW = """
    docs/authentication.md scaffold/tokens.py src/core/auth.py src/core/http/issuer.py
    tests/tokens.py
"""

each_database = pytest.mark.parametrize(
    "combination", legs(SECURED), indirect=True, scope="session"
)
on_sqlite = pytest.mark.parametrize(
    "combination", legs(SECURED[:1]), indirect=True, scope="session"
)


@pytest.fixture(scope="session")
def secured(installed: Path) -> Path:
    """Create a module in an installed project with authentication."""
    run("make module name=orders fields='number:str:unique sent_at:datetime?'", installed)
    return installed


@pytest.fixture
def variables(
    combination: Combination, secured: Path, settings: dict[str, str], database: str
) -> dict[str, str]:
    """Return the environment of a project with an empty database and the installed packages."""
    servers.execute(combination.database, settings, f"CREATE DATABASE {database}")
    name = f"{combination.database.upper()}_DB_NAME"
    return settings | {name: database, "UV_PROJECT_ENVIRONMENT": str(secured / ".venv")}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.strip()}"}


def routes_of(document: dict[str, object]) -> list[tuple[str, str]]:
    """List the methods and paths in an OpenAPI schema, with 1 as each parameter."""
    paths = document["paths"]
    assert isinstance(paths, dict)
    return [
        (method.upper(), re.sub(r"\{\w+\}", "1", path))
        for path, operations in paths.items()
        for method in operations
        if not path.startswith("/health/")
    ]


def assert_closed(client: httpx.Client, token: str) -> None:
    """Assert that no route but the health checks responds without a token."""
    assert client.get("/health/ready").status_code == 200
    document = client.get("/openapi.json", headers=bearer(token)).json()
    routes = routes_of(document)
    assert len(routes) >= 6
    for method, path in [*routes, ("GET", "/docs"), ("GET", "/openapi.json")]:
        response = client.request(method, path)
        assert response.status_code == 401, path
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers["WWW-Authenticate"] == "Bearer"


@each_database
@pytest.mark.matrix
def test_secured_project_passes_its_checks(
    secured: Path, settings: dict[str, str], mypy_cache: Path, run_own_tests: RunOwnTests
) -> None:
    pins = (secured / "requirements.txt").read_text(encoding="utf-8")
    run("make lint", secured, MYPY_CACHE_DIR=str(mypy_cache))
    printed = run_own_tests("make test", secured, **settings)
    run("make lock", secured)

    assert re.search(r"\d+ passed", printed)
    assert "skipped" not in printed
    assert (secured / "requirements.txt").read_text(encoding="utf-8") == pins


@each_database
@pytest.mark.matrix
def test_secured_project_withstands_attacks(
    combination: Combination,
    secured: Path,
    settings: dict[str, str],
    tmp_path: Path,
    run_own_tests: RunOwnTests,
) -> None:
    for parent, name in (("src/core", "auth.py"), ("src/core/http", "issuer.py")):
        [source] = (SOURCE / parent).glob(f"*{name}*")
        assert (secured / parent / name).read_bytes() == source.read_bytes()
    folder = tmp_path / secured.name
    shutil.copytree(secured, folder, ignore=shutil.ignore_patterns(".*"))
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(TEMPLATE / "tests" / "auth", folder / "tests" / "auth_extra", ignore=ignored)
    example = find_section(secured, "docs/authentication.md", "Test").code_in("python")[0]
    (folder / "tests" / "test_documented.py").write_text(f"import httpx\n{example}\n")

    environment = settings | {"UV_PROJECT_ENVIRONMENT": str(secured / ".venv")}
    tests = "tests/auth_extra tests/test_documented.py"
    if combination != SECURED[0]:
        # Tokens and keys are verified without the database, by files that equal the template's.
        tests += " --ignore-glob '*_extra/test_tokens.py' --ignore-glob '*_extra/test_issuer.py'"
    printed = run_own_tests(f"uv run --no-sync pytest {tests}", folder, **environment)

    assert re.search(r"\d+ passed", printed)
    assert "skipped" not in printed


@on_sqlite
@pytest.mark.matrix
@pytest.mark.runs_commands("docs/authentication.md", "Try it")
def test_documented_token_is_accepted(
    secured: Path, variables: dict[str, str], commands: Commands, tmp_path: Path
) -> None:
    """Follow the pages from a fresh checkout on: `make run`, then the commands with a token."""
    folder = Path(shutil.copytree(secured, tmp_path / "my-app", ignore=ignore_litter))
    curls, plain = commands(folder, "docs/authentication.md", "Try it")
    port = free_port()

    with serving("make run", folder, port, variables) as client:
        assert "AUTH_ISSUER=http://localhost" in (folder / ".env").read_text(encoding="utf-8")
        printed = run(curls.replace("8000", str(port)), folder, **variables)
        assert '"app_name":"My App"' in printed
        assert '{"items":[],"next":null}' in printed

        token = run(plain, folder, **variables)
        added = client.post("/examples", json={"name": "Ada"}, headers=bearer(token))
        assert added.status_code == 201
        reader = run("make --silent token scopes=examples:read", folder, **variables)
        assert client.get("/examples", headers=bearer(reader)).status_code == 200
        assert client.get("/orders", headers=bearer(reader)).status_code == 403
        assert client.delete("/examples/1", headers=bearer(reader)).status_code == 403
        for method, path in routes_of(client.get("/openapi.json").json()):
            assert client.request(method, path).status_code == 401, path
    run("git init --quiet && git check-ignore .env .test-issuer.json", folder)


def ignore_litter(_: str, names: list[str]) -> set[str]:
    return set(names) & {".venv", ".env", ".test-issuer.json", "__pycache__", ".mypy_cache"}


@on_sqlite
@pytest.mark.matrix
def test_local_issuer_is_refused_in_production(secured: Path, variables: dict[str, str]) -> None:
    local = {"AUTH_ISSUER": "http://localhost", "AUTH_JWKS_URL": "file:.test-issuer.json"}
    given = variables | local | {"AUTH_AUDIENCE": "shop", "APP_DEBUG": "false"}
    for entry in ("python main.py", "uvicorn app:app", "alembic upgrade head"):
        with pytest.raises(AssertionError) as caught:
            run(f"uv run --no-sync {entry}", secured, **given)
        _, _, printed = str(caught.value).partition("\n")
        lines = printed.splitlines()
        assert lines[0] == (
            "AUTH_ISSUER: must begin with https:// and a host, not 'http://localhost'"
        )
        assert len(lines) == 2  # the other one is about AUTH_JWKS_URL


@on_sqlite
@pytest.mark.matrix
def test_private_key_has_its_own_file(
    secured: Path, variables: dict[str, str], tmp_path: Path
) -> None:
    url = f"file:{tmp_path / 'keys.json'}"
    local = {"APP_DEBUG": "true", "AUTH_ISSUER": "http://localhost", "AUTH_AUDIENCE": "shop"}
    given = variables | local | {"AUTH_JWKS_URL": url}

    with pytest.raises(AssertionError) as caught:
        run("uv run --no-sync python -m scaffold.tokens", secured, **given)

    _, _, printed = str(caught.value).partition("\n")
    assert printed.rstrip() == (
        f"AUTH_JWKS_URL: {url!r} isn't 'file:.test-issuer.json', so only http://localhost can sign "
        "tokens; .env.example has the local test issuer"
    )
    assert not list(tmp_path.iterdir())


def test_projects_without_auth_have_none_of_it(render: Render) -> None:
    """The option adds files, and lines to some others. A project without it has no trace."""
    for combination in SECURED:
        plain = render(**replace(combination, auth="none").answers)
        for path in files(plain):
            text = (plain / path).read_text(encoding="utf-8")
            if path.name not in {"update.py", ".cruft.json", "updating.md"}:
                assert not re.search(r"(?i)jwt|oidc|\bAUTH_", text), path


@pytest.mark.parametrize("combination", SECURED, ids=str)
def test_auth_adds_few_lines_to_core(combination: Combination, render: Render) -> None:
    plain, secured = (
        sum(
            len(find_code_lines(path.read_text(encoding="utf-8")))
            for path in (render(**each.answers) / "src" / "core").rglob("*.py")
        )
        for each in (replace(combination, auth="none"), combination)
    )

    assert secured - plain <= LINES


def test_auth_is_switched_on_and_off(
    history: History,  # noqa: F811  # the imported fixture
    tmp_path: Path,
) -> None:
    """Update the oldest project to `auth=oidc` and back: each time it equals a fresh one."""
    secure = replace(PLAIN, auth="oidc")
    project = start(history.render(OLDEST, PLAIN), tmp_path / "my-app")
    made = {each: history.render("HEAD", each) for each in (secure, PLAIN)}
    history.show("HEAD")

    for each, fresh in made.items():
        before = contents(project)
        mine = {name: before[name] for name in before.keys() - outside_skip(project).keys()}
        theirs = outside_skip(fresh, read_skip(project))
        update(project, f"auth={each.auth}")
        assert contents(project) == theirs | mine


@on_sqlite
@pytest.mark.matrix
def test_switched_project_is_closed(
    history: History,  # noqa: F811  # the imported fixture
    variables: dict[str, str],
    tmp_path: Path,
) -> None:
    """Switch an old project with unguarded modules, and let its own tests run untouched."""
    lived = Path(shutil.copytree(history.render(OLDEST, PLAIN), tmp_path / "lived"))
    live_in(lived, deployed=False)
    project = start(lived, tmp_path / "my-app")
    history.show("HEAD")
    run([sys.executable, "update.py"], project)
    commit(project, "Update")

    report = run([sys.executable, "update.py", "auth=oidc"], project)

    assert re.findall(r"^- `(src/.*_controller\.py)`$", report, re.MULTILINE)[-2:] == [
        "src/app_controller.py",
        "src/orders/orders_controller.py",
    ]
    assert '`@UseGuards(requires("orders:read"))`' in report
    environment = variables | {"DB_CREATE_ALL": "true"}
    shutil.copy(project / ".env.example", project / ".env")
    token = run("uv run --no-sync python -m scaffold.tokens", project, **environment)
    port = free_port()
    served = environment | {"PUBLIC_DOCS": "false"}
    with serving("uv run --no-sync python main.py", project, port, served) as client:
        assert_closed(client, token)
        added = client.post("/orders", json={"name": "Ada"}, headers=bearer(token))
        assert added.status_code == 201, added.text
    tests = "tests/orders tests/test_app.py tests/core"
    assert re.search(r"\d+ passed", run(f"uv run --no-sync pytest {tests}", project, **environment))


@pytest.mark.parametrize("combination", SECURED, ids=str)
def test_auth_changes_only_listed_files(combination: Combination, render: Render) -> None:
    plain = contents(render(**replace(combination, auth="none").answers))
    secured = contents(render(**combination.answers))

    assert secured.keys() - plain.keys() == set(NEW.split())
    assert plain.keys() <= secured.keys()
    changed = {name for name, content in plain.items() if secured[name] != content}
    [scaffold] = [name for name in changed if name.startswith("scaffold/module/")]
    kubernetes = {
        name for name in plain if name.endswith(("/kustomization.yaml", "/kubernetes.md"))
    }
    assert changed - {scaffold} == set(CHANGED.split()) | kubernetes
