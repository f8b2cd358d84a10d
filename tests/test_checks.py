"""Workflows, commit hooks, lint, and the search for secrets and vulnerabilities."""

from __future__ import annotations

import contextlib
import fnmatch
import json
import re
import shlex
import shutil
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
import yaml

from tools.template import DATABASES, TEMPLATE, files, git, run

from .conftest import Commands, Render
from .helpers.repositories import commit

WORKFLOW = Path(".github/workflows/ci.yml")
SITE = Path(".github/workflows/site.yml")
UPDATE = Path(".github/workflows/update.yml")
RELEASE = Path(".github/workflows/release.yml")
#: Advice in a message of the update workflow. The workflow doesn't run it.
UPDATE_HINT = "run make update locally"
DEPENDABOT = Path(".github/dependabot.yml")
HOOKS = Path(".pre-commit-config.yaml")

# One process renders the projects, and installs one.
pytestmark = pytest.mark.xdist_group("checks")

#: Code in the style of the FastAPI and Pydantic documentation.
FASTAPI_STYLE = """\
from typing import Annotated

from fastapi import BackgroundTasks, Body, File, Form, Header, HTTPException, Query, UploadFile
from nest.core import Controller, Depends, Get, Post
from pydantic import BaseModel, field_validator
from sqlalchemy.ext.asyncio import AsyncSession

from src.config import config


class Item(BaseModel):
    name: str
    tags: list[str] = []

    @field_validator("name")
    @classmethod
    def check_name(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be blank")
        return value


class ShopService:
    async def find_items(
        self,
        name: str,
        archived: bool,
        sold: bool,
        offset: int,
        limit: int,
        session: AsyncSession,
    ) -> dict[str, object]:
        if limit > 100:
            raise HTTPException(status_code=400, detail="The limit is too large")
        return {"name": name, "archived": archived, "sold": sold, "rows": (session, offset)}


@Controller("shop")
class ShopController:
    def __init__(self, service: ShopService) -> None:
        self.service = service

    @Get("/")
    async def find_items(
        self,
        id: Annotated[int, Query(ge=1)],
        archived: bool = False,
        sold: bool = Query(False),
        limit: int = 10,
        type: str = Query("any", max_length=10),
        agent: str = Header(default=""),
        session: AsyncSession = Depends(config.get_db),
    ) -> dict[str, object]:
        return await self.service.find_items(agent + type, archived, sold, id, limit, session)

    @Post("/")
    async def add_item(self, tasks: BackgroundTasks, item: Item = Body(embed=True)) -> Item:
        tasks.add_task(config.create_all)
        return item

    @Post("/pictures")
    async def add_picture(self, name: str = Form(), file: UploadFile = File()) -> dict[str, str]:
        return {name: file.filename or ""}
"""

#: Mistakes in the same code, by the ruff rule that finds them.
MISTAKES = {
    "B006": ("def find(names: list[str] = []) -> None:\n    names.append('Ada')", ""),
    "F841": ("return item\n", "done = True\n        return item\n"),
    "F821": ("return item\n", "return itme or item\n"),
    "ANN201": (") -> Item:", "):"),
    "RUF100": ("sold: bool,", "sold: bool,  # noqa: S101"),
}

#: Fake secrets, by the file that they are added to.
SECRETS = {
    "src/config.py": [
        'password = "hunter2"',
        'KEY = "AKIAIOSFODNN7EXAMPLE"',
        'URL = "mysql+aiomysql://root:hunter2@db.example.com/app"',
        '"""-----BEGIN PRIVATE KEY-----"""',
    ],
    ".env.example": ["AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE"],
    "migrations/versions/0001_create_examples.py": [
        "op.execute(\"ALTER ROLE app PASSWORD 'x'; -- AKIAIOSFODNN7EXAMPLE\")",
        'token = "8a3f5c0d9e21"',
        'revision = "8a3f5c0d9e21b4678a3f5c0d9e21b467"',
        'revision = "8a3f5c0d9e21"; token = "9e218a3f5c0d"',
    ],
}


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def project(database: str, render: Render) -> Path:
    return render(database=database)


@pytest.fixture(scope="module", params=["template", *DATABASES])
def repository(request: pytest.FixtureRequest, render: Render) -> Path:
    """Return a repository with a `.github` folder: the template, or a rendered project."""
    return TEMPLATE if request.param == "template" else render(database=request.param)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def makefile_targets(folder: Path) -> set[str]:
    makefile = (folder / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


def test_workflows_match_githubs_schema(render: Render) -> None:
    schema = ["check-jsonschema", "--builtin-schema"]
    repositories = [TEMPLATE, *(render(database=each) for each in DATABASES)]

    workflows = [path for each in repositories for path in each.glob(".github/workflows/*")]
    assert len(workflows) == 2 + 3 * len(DATABASES)
    run([*schema, "vendor.github-workflows", *map(str, workflows)], TEMPLATE)
    run(
        [*schema, "vendor.dependabot", *(str(each / DEPENDABOT) for each in repositories)], TEMPLATE
    )


def test_issue_forms_match_githubs_schema() -> None:
    schema = ["check-jsonschema", "--builtin-schema"]
    folder = TEMPLATE / ".github" / "ISSUE_TEMPLATE"

    forms = sorted(path.name for path in folder.glob("*.yml") if path.name != "config.yml")

    assert forms == ["bug.yml", "feature.yml"]
    run([*schema, "vendor.github-issue-forms", *forms], folder)
    run([*schema, "vendor.github-issue-config", "config.yml"], folder)


def test_workflows_are_hardened(repository: Path) -> None:
    zizmor = ["zizmor", "--offline", "--no-config", "--no-progress", "--strict-collection"]

    run([*zizmor, ".github"], repository)


def test_workflow_has_only_read_permission(repository: Path) -> None:
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


def test_only_publishing_may_write_the_site() -> None:
    workflow = read(TEMPLATE / SITE)
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]

    assert workflow["permissions"] == {}
    assert set(workflow["jobs"]) == {"build", "publish"}
    assert build["permissions"] == {"contents": "read"}
    assert publish["permissions"] == {"pages": "write", "id-token": "write"}
    # A pull request runs the build only, and the job with the permissions runs no own code.
    assert publish["if"] == "github.event_name == 'push'"
    assert [step["uses"].partition("@")[0] for step in publish["steps"]] == ["actions/deploy-pages"]
    assert [step["run"] for step in build["steps"] if "run" in step] == ["make sites"]
    assert "sites" in makefile_targets(TEMPLATE)
    for action in re.findall(r"uses: *(.*)", (TEMPLATE / SITE).read_text(encoding="utf-8")):
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


def test_update_runs_hooks_without_write_token(project: Path) -> None:
    workflow = read(project / UPDATE)

    assert workflow["permissions"] == {}
    assert "env" not in workflow
    merge, request = workflow["jobs"]["merge"], workflow["jobs"]["request"]
    assert set(workflow["jobs"]) == {"merge", "request"}
    assert merge["permissions"] == {"contents": "read"}
    # A token could only enter through an expression in a variable or an input.
    assert not re.search(r"secrets|token", json.dumps(merge))
    assert request["permissions"] == {"contents": "write", "pull-requests": "write"}
    assert request["needs"] == "merge"
    # The job with the token runs only git and gh, never code from the template's update.
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
    [checkout] = [action for action in used if action.startswith("actions/checkout@")]
    release = actions(project / RELEASE)

    assert used == actions(TEMPLATE / WORKFLOW)
    assert used < update
    assert {action.partition("@")[0] for action in update - used} == {
        "actions/download-artifact",
        "actions/upload-artifact",
    }
    assert release >= {checkout, f"$/{WORKFLOW.as_posix()}"}
    for action in update | release - {f"$/{WORKFLOW.as_posix()}"}:
        assert re.fullmatch(r"(actions|docker)/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


def test_release_pushes_only_checked_versions(project: Path) -> None:
    workflow = read(project / RELEASE)
    check, image = workflow["jobs"]["check"], workflow["jobs"]["image"]

    # YAML reads `on` as true.
    assert workflow[True] == {"push": {"tags": ["v*"]}}
    assert workflow["permissions"] == {}
    assert "workflow_call" in read(project / WORKFLOW)[True]
    assert check["uses"] == f"$/{WORKFLOW.as_posix()}"
    assert check["permissions"] == {"contents": "read"}
    assert image["needs"] == "check"
    # Only the registry and the signature need a token that may write.
    assert image["permissions"] == {
        "contents": "read",
        "packages": "write",
        "attestations": "write",
        "id-token": "write",
    }
    assert not re.search(r"secrets\.", json.dumps(workflow))
    [push] = [step["with"] for step in image["steps"] if step.get("id") == "push"]
    assert push["platforms"] == "linux/amd64,linux/arm64"
    assert (push["provenance"], push["sbom"], push["push"]) == ("mode=max", True, True)
    assert "cache-from" not in push


@pytest.mark.parametrize(
    ("repository", "tag", "image"),
    [
        ("ada/shop", "v0.1.0", "ghcr.io/ada/shop:0.1.0"),
        (
            "Ada-Lovelace/Tea_Shop.API",
            "v1.2.0-rc.1",
            "ghcr.io/ada-lovelace/tea_shop.api:1.2.0-rc.1",
        ),
    ],
)
def test_release_names_the_image(
    rendered: Path, tmp_path: Path, repository: str, tag: str, image: str
) -> None:
    steps = read(rendered / RELEASE)["jobs"]["image"]["steps"]
    [script] = [step["run"] for step in steps if step.get("id") == "image"]
    output = tmp_path / "output"

    run(
        ["bash", "-e", "-c", script],
        tmp_path,
        GITHUB_REPOSITORY=repository,
        GITHUB_REF_NAME=tag,
        GITHUB_OUTPUT=str(output),
    )

    assert output.read_text().splitlines() == [f"name={image.partition(':')[0]}", f"tag={image}"]


@pytest.mark.runs_commands("docs/deployment.md", "Release an image")
def test_documented_tag_starts_a_release(
    rendered: Path, commands: Commands, tmp_path: Path
) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    project = tmp_path / "my-app"
    shutil.copytree(rendered, project)
    git(project, "init", "--quiet")
    git(project, "remote", "add", "origin", str(tmp_path / "origin.git"))
    commit(project, "Start from the template")
    [block] = commands(project, "docs/deployment.md", "Release an image")

    run(block, project)

    [tag] = git(tmp_path / "origin.git", "tag").splitlines()
    assert fnmatch.fnmatch(tag, read(project / RELEASE)[True]["push"]["tags"][0])


def test_workflow_tests_every_python(project: Path) -> None:
    jobs = read(project / WORKFLOW)["jobs"]
    own = read(TEMPLATE / WORKFLOW)["jobs"]
    pyproject = (project / "pyproject.toml").read_text(encoding="utf-8")
    testing = (project / "docs" / "testing.md").read_text(encoding="utf-8")

    pythons = jobs["test"]["strategy"]["matrix"]["python"]

    assert pythons == own["test"]["strategy"]["matrix"]["python"]
    assert f'requires-python = ">={pythons[0]}"' in pyproject
    assert f"Python {pythons[0]} to {pythons[-1]}" in testing
    [newest] = [step["with"] for step in jobs["check"]["steps"] if "python" in str(step)]
    assert newest == {"python-version": pythons[-1]}


def test_workflow_starts_the_configured_server(database: str, project: Path) -> None:
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


def test_workflow_runs_make_targets(repository: Path) -> None:
    # The jobs on Windows and macOS don't use make.
    jobs = [job for name, job in read(repository / WORKFLOW)["jobs"].items() if name != "quick"]
    commands = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    others = {"docker build .", ".venv/bin/alembic check", ".ci/run"}

    verbs = {command.removeprefix("make ") for command in commands if command not in others}

    assert commands
    assert verbs <= makefile_targets(repository)


def test_quick_tests_run_on_other_systems() -> None:
    workflow = read(TEMPLATE / WORKFLOW)
    job, linux = workflow["jobs"]["quick"], workflow["jobs"]["test"]

    assert job["strategy"]["matrix"]["system"] == ["windows-latest", "macos-latest"]
    assert job["steps"][1]["with"]["python-version"] in linux["strategy"]["matrix"]["python"]
    words = shlex.split(job["steps"][-1]["run"])
    assert words[0] == "pytest"
    chosen = [word for word in words if word.startswith("tests/")]
    assert len(chosen) == 4
    for name in chosen:
        code = (TEMPLATE / name).read_text(encoding="utf-8")
        # These tests must not need a POSIX shell or make.
        assert not re.search(r'\brun\(f?"|\["make"', code)
    longest = max(len(name) for name in git(TEMPLATE, "ls-files").splitlines())
    assert len("D:/a/pynest-async/t/popen-gw0/template0/pynest-async/") + longest < 260


def test_groups_run_in_one_process(tmp_path: Path) -> None:
    """Tests of a leg share a project, so pytest-xdist must run each leg in one process."""
    (tmp_path / "test_it.py").write_text(
        "import os, pathlib, pytest\n\n"
        "@pytest.mark.parametrize('number', range(4))\n"
        "@pytest.mark.parametrize('leg', [\n"
        "    pytest.param(leg, marks=pytest.mark.xdist_group(leg)) for leg in 'abcd'\n"
        "])\n"
        "def test_it(leg, number):\n"
        "    folder = pathlib.Path(leg, os.environ['PYTEST_XDIST_WORKER'])\n"
        "    folder.mkdir(parents=True, exist_ok=True)\n"
    )
    command = "pytest -p xdist --numprocesses 2 --dist loadgroup"
    run(command, tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")

    assert [len(list((tmp_path / leg).iterdir())) for leg in "abcd"] == [1, 1, 1, 1]


def test_hooks_run_tools_of_dev_group(project: Path) -> None:
    pyproject = (project / "pyproject.toml").read_text(encoding="utf-8")
    [dev] = re.findall(r"^dev = \[\n(.*?)^\]", pyproject, re.MULTILINE | re.DOTALL)
    [local] = read(project / HOOKS)["repos"]

    assert local["repo"] == "local"
    for hook in local["hooks"]:
        tool = re.match(r"uv run (ruff|mypy|detect-secrets)\b", hook["entry"])
        assert tool
        assert f'"{tool[1]}>=' in dev


def lint(project: Path, code: str, folder: Path) -> None:
    """Lint one file of a module with the project's ruff settings."""
    shutil.copytree(project / "src", folder / "src")
    (folder / "src/shop").mkdir()
    (folder / "src/shop/__init__.py").touch()
    (folder / "src/shop/shop_controller.py").write_text(code, encoding="utf-8")
    shutil.copy(project / "pyproject.toml", folder)
    run(["ruff", "check", "--no-cache"], folder)


def test_lint_accepts_fastapi_style(rendered: Path, tmp_path: Path) -> None:
    lint(rendered, FASTAPI_STYLE, tmp_path)


@pytest.mark.parametrize("comment", ["FBT001", "PLR0913", "PLR2004", "TRY003"])
def test_lint_accepts_noqa_of_earlier_versions(
    rendered: Path, tmp_path: Path, comment: str
) -> None:
    lint(
        rendered, FASTAPI_STYLE.replace("sold: bool,", f"sold: bool,  # noqa: {comment}"), tmp_path
    )


@pytest.mark.parametrize("rule", MISTAKES)
def test_lint_finds_mistakes(rendered: Path, tmp_path: Path, rule: str) -> None:
    right, wrong = MISTAKES[rule]
    code = FASTAPI_STYLE.replace(right, wrong) if wrong else f"{FASTAPI_STYLE}\n\n{right}\n"

    with pytest.raises(AssertionError, match=rf"{rule} (.|\n)*Found 1 error\."):
        lint(rendered, code, tmp_path)


#: A function that warns. Its module is a dependency, the service or a test.
WARNS = "import warnings\n\n\ndef call(level=1):\n    warnings.warn('old', {}, level)\n"


#: Calls that warn, and whether a test with that call passes.
CALLS = {
    "dependency.call()": True,
    "src_like.call()": True,
    "src.shop.call()": False,
    "dependency.call(2)": False,
    "warnings.warn('old', DeprecationWarning)": False,
}


@pytest.mark.parametrize("category", ["DeprecationWarning", "RuntimeWarning"])
def test_dependency_warnings_fail_no_test(rendered: Path, tmp_path: Path, category: str) -> None:
    pyproject = tomllib.loads((rendered / "pyproject.toml").read_text(encoding="utf-8"))
    filters = json.dumps(pyproject["tool"]["pytest"]["ini_options"]["filterwarnings"])
    (tmp_path / "pyproject.toml").write_text(
        f"[tool.pytest.ini_options]\npythonpath = ['.']\nfilterwarnings = {filters}\n"
    )
    for name in ("dependency.py", "src_like.py", "src/__init__.py", "src/shop.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(WARNS.format(category))
    tests = [f"def test_{number}():\n    {call}\n" for number, call in enumerate(CALLS)]
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/__init__.py").touch()
    (tmp_path / "tests/test_it.py").write_text(
        "\n\n".join(["import dependency, src.shop, src_like, warnings", *tests])
    )

    printed = run("pytest -rA || true", tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")

    passed = {int(number) for number in re.findall(r"^PASSED .*::test_(\d)", printed, re.MULTILINE)}
    failed = {int(number) for number in re.findall(r"^FAILED .*::test_(\d)", printed, re.MULTILINE)}
    assert passed == {number for number, passes in enumerate(CALLS.values()) if passes}
    assert failed == {number for number, passes in enumerate(CALLS.values()) if not passes}


def secret_scan(project: Path, names: list[str]) -> list[str]:
    """Build the command of the detect-secrets hook, to run in this environment."""
    [local] = read(project / HOOKS)["repos"]
    [hook] = [hook for hook in local["hooks"] if hook["id"] == "detect-secrets"]
    command = shlex.split(hook["entry"].removeprefix("uv run ")) + hook.get("args", [])
    return [*command, *names]


def test_revision_ids_are_not_secrets(rendered: Path, tmp_path: Path) -> None:
    """Scan every format that Alembic and ruff write, with hundreds of random ids."""
    template = (rendered / "migrations/versions/0001_create_examples.py").read_text("utf-8")
    forms = (
        'revision = "{0}"\ndown_revision = "{1}"\nbranch_labels = None\ndepends_on = None',
        "revision = '{0}'\ndown_revision = '{1}'\nbranch_labels = None\ndepends_on = None",
        'revision = "{0}"\ndown_revision = ("{1}", "{2}", "0001")\ndepends_on = "{3}"',
        'revision = "{0}"\ndown_revision = None\ndepends_on = ["{1}", "{2}"]',
    )
    for number in range(200):
        ids = [uuid4().hex[-12:] for _ in range(4)]
        form = forms[number % len(forms)].format(*ids)
        text = re.sub(r"^revision = (.|\n)*?^depends_on = .*$", form, template, flags=re.MULTILINE)
        assert text.count(ids[1]) == 1
        (tmp_path / f"20261124_{ids[0]}_create.py").write_text(text, encoding="utf-8")

    run(secret_scan(rendered, [path.name for path in tmp_path.iterdir()]), tmp_path)


def test_modules_have_no_secrets(rendered: Path, scaffold: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "my-app"
    shutil.copytree(rendered, folder)
    before = set(files(folder))
    for number in range(4):
        fields = "name:str:unique" if number % 2 else "code:uuid note:text? sent_at:datetime:index"
        names = scaffold.make_names(f"orders{number}", "", "")
        scaffold.make_module(scaffold.Project(folder), names, fields)

    made = [path.as_posix() for path in set(files(folder)) - before]
    assert len([name for name in made if name.startswith("migrations/versions/")]) == 4
    run(secret_scan(rendered, made), folder)


def test_only_planted_secrets_are_found(project: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(project, tmp_path / "my-app"))
    planted = set()
    for name, lines in SECRETS.items():
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
        first = text.count("\n") + 1
        planted |= {f"{name}:{number}" for number in range(first, first + len(lines))}
    names = [path.as_posix() for path in files(folder)]

    with pytest.raises(AssertionError) as caught:
        run(secret_scan(folder, names), folder)

    found = re.findall(r"^Location: +(.*)$", str(caught.value), re.MULTILINE)
    assert set(found) == planted


@pytest.fixture(scope="session")
def own_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an environment that the cloned projects share."""
    return tmp_path_factory.mktemp("cloned") / ".venv"


@pytest.fixture
def variables(tmp_path: Path, mypy_cache: Path, own_environment: Path) -> dict[str, str]:
    """Isolate git and pre-commit from the user's settings and caches."""
    return {
        "UV_PROJECT_ENVIRONMENT": str(own_environment),
        "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "PRE_COMMIT_HOME": str(tmp_path / "pre-commit"),
        "MYPY_CACHE_DIR": str(mypy_cache),
        **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "ada@example.com" for who in ("AUTHOR", "COMMITTER")},
    }


@pytest.fixture
def cloned(render: Render, tmp_path: Path, variables: dict[str, str]) -> Path:
    """Add a project to a new git repository as its README says, without a commit."""
    folder = tmp_path / "my-app"
    shutil.copytree(render(), folder)
    run("git init && git add .", folder, **variables)
    return folder


@pytest.mark.matrix
@pytest.mark.runs_commands("docs/testing.md", "Check the code")
def test_hooks_check_each_commit(
    cloned: Path, commands: Commands, variables: dict[str, str]
) -> None:
    def commit(message: str) -> str:
        return run(f"git add . && git commit --message '{message}'", cloned, **variables)

    checks, install = commands(cloned, "docs/testing.md", "Check the code")
    # test_matrix.py runs the first two, and test_audit the last one.
    assert checks.splitlines() == ["make lint", "make format", "make audit"]
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
    """Serve advisories like OSV; yield the URL and the set of queried packages."""
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
            """Suppress the access log."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", asked
        server.shutdown()
        thread.join()


#: Fails if `sbom.json` doesn't match the schema of CycloneDX.
VALIDATE_SBOM = """\
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

problem = JsonStrictValidator(SchemaVersion.V1_5).validate_str(Path("sbom.json").read_text())
assert problem is None, problem
"""


def advisory(number: str, name: str, version: str) -> dict[str, Any]:
    package = {"name": name, "ecosystem": "PyPI"}
    affected = {"package": package, "versions": [version], "ranges": []}
    return {"id": number, "summary": "", "details": "", "affected": [affected]}


@pytest.mark.matrix
@pytest.mark.runs_commands("docs/dependencies.md", "List the packages")
def test_sbom_lists_the_pins(rendered: Path, commands: Commands, tmp_path: Path) -> None:
    project = tmp_path / "my-app"
    shutil.copytree(rendered, project)
    [command] = commands(project, "docs/dependencies.md", "List the packages")

    run(command, project)

    # This library of CycloneDX contains its schemas.
    library = ["--no-project", "--with", "cyclonedx-python-lib[json-validation]>=11,<12"]
    run(["uv", "run", "--quiet", *library, "python", "-c", VALIDATE_SBOM], project)
    components = json.loads((project / "sbom.json").read_text(encoding="utf-8"))["components"]
    listed = {f"{each['name']}=={each['version']}" for each in components}
    pins = (project / "requirements.txt").read_text(encoding="utf-8")
    assert listed == set(re.findall(r"^[a-z0-9-]+==[\w.]+", pins, re.MULTILINE))
    run("git init --quiet && git check-ignore sbom.json", project)


@pytest.mark.matrix
def test_audit_finds_vulnerabilities_and_secrets(cloned: Path, variables: dict[str, str]) -> None:
    pins = (cloned / "requirements.txt").read_text(encoding="utf-8")
    unmarked = set(re.findall(r"^[a-z0-9-]+==[\w.]+$", pins, re.MULTILINE))
    variables |= {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv"}

    with vulnerabilities({}) as (url, asked):
        printed = run("make audit", cloned, **variables, PIP_AUDIT_OSV_URL=url)
    assert asked >= unmarked
    assert "No known vulnerabilities found" in printed
    assert re.search(r"detect-secrets\.+Passed", printed)

    (cloned / "src" / "planted.py").write_text(f"{SECRETS['src/config.py'][0]}\n")
    run("git add .", cloned, **variables)
    with vulnerabilities({"pydantic": "PYSEC-2026-1"}) as (url, _):
        # Otherwise, make would stop at the first of the two errors.
        printed = run("make --ignore-errors audit", cloned, **variables, PIP_AUDIT_OSV_URL=url)
    assert re.search(r"pydantic .*PYSEC-2026-1(.|\n)*Error 1 \(ignored\)", printed)
    assert re.search(r"src/planted\.py:1(.|\n)*Error 1 \(ignored\)", printed)
