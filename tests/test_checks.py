"""What looks after a project once it is written: its workflow, its hooks, its audit."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.template import DATABASES, TEMPLATE, files, run

from .conftest import Render
from .helpers.projects import COMBINATIONS, Combination

WORKFLOW = Path(".github/workflows/ci.yml")
UPDATE = Path(".github/workflows/update.yml")
#: The advice in a message of the update's workflow, which is no command that it runs.
UPDATE_HINT = "run make update yourself"
DEPENDABOT = Path(".github/dependabot.yml")
HOOKS = Path(".pre-commit-config.yaml")

#: Nobody's, by the file in which each is planted.
SECRETS = {
    "src/config.py": [
        'password = "hunter2"',
        'KEY = "AKIAIOSFODNN7EXAMPLE"',
        'URL = "mysql+aiomysql://root:hunter2@db.example.com/app"',
        '"""-----BEGIN PRIVATE KEY-----"""',
    ],
    ".env.example": ["AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE"],
}


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def project(database: str, render: Render) -> Path:
    return render(database=database)


@pytest.fixture(scope="module", params=["template", *DATABASES])
def repository(request: pytest.FixtureRequest, render: Render) -> Path:
    """Name a folder that GitHub reads: the template's own, or a rendered project."""
    return TEMPLATE if request.param == "template" else render(database=request.param)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def makefile_targets(folder: Path) -> set[str]:
    makefile = (folder / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


def test_github_understands_the_workflows(repository: Path) -> None:
    schema = ["check-jsonschema", "--builtin-schema"]

    workflows = sorted(map(str, repository.glob(".github/workflows/*")))
    assert len(workflows) == (1 if repository == TEMPLATE else 2)
    run([*schema, "vendor.github-workflows", *workflows], repository)
    run([*schema, "vendor.dependabot", str(DEPENDABOT)], repository)


def test_the_workflows_are_hardened(repository: Path) -> None:
    zizmor = ["zizmor", "--offline", "--no-config", "--no-progress", "--strict-collection"]

    run([*zizmor, ".github"], repository)


def test_the_workflow_may_only_read(repository: Path) -> None:
    workflow = read(repository / WORKFLOW)

    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert job["timeout-minutes"] <= 30
        assert [
            step["with"]["persist-credentials"]
            for step in job["steps"]
            if step.get("uses", "").startswith("actions/checkout@")
        ] == [False]


def test_update_runs_hooks_without_write_token(project: Path) -> None:
    workflow = read(project / UPDATE)

    assert workflow["permissions"] == {}
    assert "env" not in workflow
    merge, request = workflow["jobs"]["merge"], workflow["jobs"]["request"]
    assert set(workflow["jobs"]) == {"merge", "request"}
    assert merge["permissions"] == {"contents": "read"}
    # A token would be an expression, in a variable or an input.
    assert not re.search(r"secrets|token", json.dumps(merge))
    assert request["permissions"] == {"contents": "write", "pull-requests": "write"}
    assert request["needs"] == "merge"
    # The job with the token runs git and gh, but nothing that the template has changed.
    assert [step.get("uses", "").partition("@")[0] for step in request["steps"]] == [
        "actions/checkout",
        "actions/download-artifact",
        "",
    ]
    assert not re.search(
        r"make|uv|python|\./", request["steps"][-1]["run"].replace(UPDATE_HINT, "")
    )
    for job in (merge, request):
        assert job["timeout-minutes"] <= 15
        assert job["steps"][0]["with"] == {"persist-credentials": False}


def test_workflows_share_pinned_actions(project: Path) -> None:
    def actions(path: Path) -> set[str]:
        return set(re.findall(r"uses: *(.*)", path.read_text(encoding="utf-8")))

    used, update = actions(project / WORKFLOW), actions(project / UPDATE)

    assert used == actions(TEMPLATE / WORKFLOW)
    assert used < update
    assert {action.partition("@")[0] for action in update - used} == {
        "actions/download-artifact",
        "actions/upload-artifact",
    }
    for action in update:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


def test_the_workflow_tests_every_python(project: Path) -> None:
    jobs = read(project / WORKFLOW)["jobs"]
    own = read(TEMPLATE / WORKFLOW)["jobs"]
    pyproject = (project / "pyproject.toml").read_text(encoding="utf-8")
    readme = (project / "README.md").read_text(encoding="utf-8")

    pythons = jobs["test"]["strategy"]["matrix"]["python"]

    assert pythons == own["test"]["strategy"]["matrix"]["python"]
    assert f'requires-python = ">={pythons[0]}"' in pyproject
    assert f"Python {pythons[0]} to {pythons[-1]}" in readme
    [newest] = [step["with"] for step in jobs["check"]["steps"] if "python" in str(step)]
    assert newest == {"python-version": pythons[-1]}


def test_the_workflow_has_the_server_that_the_settings_expect(database: str, project: Path) -> None:
    services = read(project / WORKFLOW)["jobs"]["test"].get("services", {})
    own = read(TEMPLATE / WORKFLOW)["jobs"]["test"]
    example = (project / ".env.example").read_text(encoding="utf-8")
    settings = dict(re.findall(rf"^{database.upper()}_([A-Z_]+)=(.*)$", example, re.MULTILINE))

    if database == "sqlite":
        assert services == {}
        return
    [(name, service)] = services.items()
    assert name == database
    image = own["services"][database]["image"]
    assert service["image"] == image.replace(
        "${{ matrix.mysql }}", own["strategy"]["matrix"]["mysql"][0]
    )
    assert service["ports"] == [f"{settings['PORT']}:{settings['PORT']}"]
    assert sorted(service["env"].values()) == sorted([settings["PASSWORD"], settings["DB_NAME"]])


def test_the_workflow_uses_the_verbs_of_the_makefile(repository: Path) -> None:
    jobs = read(repository / WORKFLOW)["jobs"].values()
    commands = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    others = {"docker build .", ".venv/bin/alembic check", ".ci/run"}

    verbs = {command.removeprefix("make ") for command in commands if command not in others}

    assert commands
    assert verbs <= makefile_targets(repository)


def test_hooks_run_the_tools_of_the_dev_group(project: Path) -> None:
    pyproject = (project / "pyproject.toml").read_text(encoding="utf-8")
    [dev] = re.findall(r"^dev = \[\n(.*?)^\]", pyproject, re.MULTILINE | re.DOTALL)
    [local] = read(project / HOOKS)["repos"]

    assert local["repo"] == "local"
    for hook in local["hooks"]:
        tool = re.match(r"uv run (ruff|mypy|detect-secrets)\b", hook["entry"])
        assert tool
        assert f'"{tool[1]}>=' in dev


def secret_scan(project: Path, names: list[str]) -> list[str]:
    """Make the hook's own command, with the detect-secrets that is here."""
    [local] = read(project / HOOKS)["repos"]
    [hook] = [hook for hook in local["hooks"] if hook["id"] == "detect-secrets"]
    command = shlex.split(hook["entry"].removeprefix("uv run ")) + hook.get("args", [])
    return [*command, *names]


@pytest.mark.parametrize("combination", COMBINATIONS, ids=str)
def test_no_secret_is_seen_in_a_fresh_project(combination: Combination, render: Render) -> None:
    project = render(**combination.answers)
    names = [path.as_posix() for path in files(project)]

    run(secret_scan(project, names), project)


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, lines in SECRETS.items() for line in lines]
)
def test_a_secret_is_found(name: str, line: str, project: Path, tmp_path: Path) -> None:
    planted = tmp_path / name
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text((project / name).read_text(encoding="utf-8") + line + "\n")

    with pytest.raises(AssertionError, match=f"{re.escape(name)}:\\d+"):
        run(secret_scan(project, [name]), tmp_path)


@pytest.fixture
def variables(tmp_path: Path, mypy_cache: Path) -> dict[str, str]:
    """Keep git and pre-commit from the user's own settings and caches."""
    return {
        "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "PRE_COMMIT_HOME": str(tmp_path / "pre-commit"),
        "MYPY_CACHE_DIR": str(mypy_cache),
        **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "ada@example.com" for who in ("AUTHOR", "COMMITTER")},
    }


@pytest.fixture
def cloned(render: Render, tmp_path: Path, variables: dict[str, str]) -> Path:
    """Put a project under git, as its user is told to, with nothing committed yet."""
    folder = tmp_path / "my-app"
    shutil.copytree(render(), folder)
    run("git init && git add .", folder, **variables)
    return folder


@pytest.mark.matrix
@pytest.mark.xdist_group("sqlite-controller")
def test_hooks_guard_each_commit(cloned: Path, variables: dict[str, str]) -> None:
    def commit(message: str) -> str:
        return run(f"git add . && git commit --message '{message}'", cloned, **variables)

    install = "uv run pre-commit install"
    assert f"`{install}`" in (cloned / "README.md").read_text(encoding="utf-8")
    run(install, cloned, **variables)
    hooks = [hook["name"] for hook in read(cloned / HOOKS)["repos"][0]["hooks"]]
    printed = commit("Start from the template")
    assert re.findall(r"^(.*?)\.+Passed$", printed, re.MULTILINE) == hooks

    code = cloned / "src" / "app_service.py"
    right = code.read_text(encoding="utf-8")
    code.write_text(f"{right}{SECRETS['src/config.py'][1]}\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"detect-secrets\.+Failed(.|\n)*AWS Access Key"):
        commit("Tell everybody")

    code.write_text(f'{right}NAMES = [ "Ada",\n"Grace" ]\n', encoding="utf-8")
    with pytest.raises(AssertionError, match=r"ruff format\.+Failed(.|\n)*1 file reformatted"):
        commit("Add names")
    assert code.read_text(encoding="utf-8") == f'{right}\n\nNAMES = ["Ada", "Grace"]\n'
    commit("Add names")

    log = run("git log --format=%s", cloned, **variables)
    assert log.splitlines() == ["Add names", "Start from the template"]


@contextlib.contextmanager
def vulnerabilities(known: dict[str, str]) -> Iterator[tuple[str, set[str]]]:
    """Serve advisories by name as OSV does; yield the address, and what it is asked about."""
    asked = set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name, version = query["package"]["name"], query["version"]
            asked.add(f"{name}=={version}")
            answer = {"vulns": [advisory(known[name], name, version)]} if name in known else {}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", asked
        server.shutdown()
        thread.join()


def advisory(number: str, name: str, version: str) -> dict[str, Any]:
    package = {"name": name, "ecosystem": "PyPI"}
    affected = {"package": package, "versions": [version], "ranges": []}
    return {"id": number, "summary": "", "details": "", "affected": [affected]}


@pytest.mark.matrix
@pytest.mark.xdist_group("sqlite-controller")
def test_audit(cloned: Path, variables: dict[str, str]) -> None:
    pins = (cloned / "requirements.txt").read_text(encoding="utf-8")
    unmarked = set(re.findall(r"^[a-z0-9-]+==[\w.]+$", pins, re.MULTILINE))
    variables |= {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv"}

    with vulnerabilities({}) as (url, asked):
        printed = run("make audit", cloned, **variables, PIP_AUDIT_OSV_URL=url)
    assert asked >= unmarked
    assert "No known vulnerabilities found" in printed
    assert re.search(r"detect-secrets\.+Passed", printed)

    with (
        vulnerabilities({"pydantic": "PYSEC-2026-1"}) as (url, _),
        pytest.raises(AssertionError, match=r"pydantic .*PYSEC-2026-1"),
    ):
        run("make audit", cloned, **variables, PIP_AUDIT_OSV_URL=url)

    (cloned / "src" / "planted.py").write_text(f"{SECRETS['src/config.py'][0]}\n")
    run("git add .", cloned, **variables)
    with (
        vulnerabilities({}) as (url, _),
        pytest.raises(AssertionError, match=r"src/planted\.py:1"),
    ):
        run("make audit", cloned, **variables, PIP_AUDIT_OSV_URL=url)
