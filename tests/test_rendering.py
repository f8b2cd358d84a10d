"""The rendered files: names, whitespace, format, pins, and differences by option."""

import itertools
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from tools.template import (
    AUTHS,
    DATABASES,
    DEPLOYS,
    LICENSES,
    SESSION_STYLES,
    SOURCE,
    TELEMETRIES,
    TEMPLATE,
    files,
    run,
)

from .conftest import Render
from .helpers.projects import COMBINATIONS, EXTENDED, Combination

#: One process renders the combinations for all of these tests.
pytestmark = pytest.mark.xdist_group("rendering")

GUIDE = """
    app.py
    main.py
    requirements.txt
    README.md
    src/__init__.py
    src/config.py
    src/app_module.py
    src/app_controller.py
    src/app_service.py
    src/examples/__init__.py
    src/examples/examples_controller.py
    src/examples/examples_service.py
    src/examples/examples_model.py
    src/examples/examples_entity.py
    src/examples/examples_module.py
"""

#: The prefix of the files that the scaffold renders into a module.
SCAFFOLD = "scaffold/module/" + "/".join(
    ["[[cookiecutter.module_name]]", "src", *["[[cookiecutter.module_name]]"] * 2]
)

#: The files that may differ between two combinations, by the differing option.
DIFFER = {
    "database": {
        ".cruft.json",
        ".env.example",
        ".github/workflows/ci.yml",
        ".pre-commit-config.yaml",
        "Dockerfile",
        "compose.yaml",
        "docs/configuration.md",
        "docs/database.md",
        "docs/deployment.md",
        "docs/modules.md",
        "docs/production-databases.md",
        "docs/testing.md",
        "pyproject.toml",
        "requirements.txt",
        "src/config.py",
        "src/core/columns.py",
        "src/core/database/driver.py",
        "src/core/http/database_errors.py",
        "src/core/paging.py",
        "src/core/settings.py",
        "tests/__init__.py",
        "tests/test_config.py",
        "tests/throwaway.py",
    },
    "session_style": {
        ".cruft.json",
        "docs/growing.md",
        "docs/sessions.md",
        f"{SCAFFOLD}_controller.py",
        f"{SCAFFOLD}_service.py",
        "src/examples/examples_controller.py",
        "src/examples/examples_service.py",
    },
}


@pytest.fixture(scope="module")
def projects(render: Render) -> dict[Combination, Path]:
    return {combination: render(**combination.answers) for combination in COMBINATIONS}


@pytest.fixture(params=COMBINATIONS, ids=str)
def project(request: pytest.FixtureRequest, projects: dict[Combination, Path]) -> Path:
    return projects[request.param]


def test_every_choice_is_in_the_matrix() -> None:
    options = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    choices = {
        name: tuple(value)
        for name, value in options.items()
        if isinstance(value, list) and not name.startswith("_")
    }

    assert choices == {
        "license": LICENSES,
        "database": DATABASES,
        "session_style": SESSION_STYLES,
        "auth": AUTHS,
        "telemetry": TELEMETRIES,
        "deploy": DEPLOYS,
    }


def test_matrix_has_every_pair_of_choices() -> None:
    matrix = [*COMBINATIONS, *EXTENDED]
    names = [field.name for field in fields(Combination)]
    for one, other in itertools.combinations(names, 2):
        pairs = set(
            itertools.product(*({getattr(each, name) for each in matrix} for name in (one, other)))
        )
        tested = {(getattr(each, one), getattr(each, other)) for each in matrix}

        assert pairs - tested <= {("sqlite", "kubernetes")}, "SQLite is rejected there"


def test_options_and_choices_have_prompts() -> None:
    options = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    prompts = options["__prompts__"]

    assert set(prompts) == {name for name in options if not name.startswith("_")}
    for name, prompt in prompts.items():
        if isinstance(options[name], list):
            assert set(prompt) == {"__prompt__", *options[name]}


def test_project_has_the_expected_files(project: Path) -> None:
    rendered = {path.as_posix() for path in files(project)}

    assert rendered >= set(GUIDE.split())
    unconditional = {path.as_posix() for path in files(SOURCE) if "{%" not in path.name}
    assert rendered == unconditional | {".cruft.json"}


def test_names_are_legal_on_windows(project: Path) -> None:
    for path in files(project):
        for part in path.parts:
            assert not re.search(r'[<>:"\\|?*\x00-\x1f]|[. ]$', part)
            assert not re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", part, re.IGNORECASE)
    names = [path.as_posix().lower() for path in files(project)]
    assert len(names) == len(set(names))


def test_project_has_no_template_marks(project: Path) -> None:
    for path in set(files(project)) - {Path(".cruft.json")}:
        text = (project / path).read_bytes().decode("utf-8")
        if path.parts[0] in {"scaffold", "update.py"}:
            # These files render templates themselves.
            assert not re.search(r"{%|{#|%}|#}", text), path
            continue
        if path.parts[:2] == (".github", "workflows"):
            text = re.sub(r"\$\{\{ [^{}]+ \}\}", "", text)  # GitHub's expressions
        assert not re.search(r"{{|{%|{#|%}|#}|cookiecutter\.[_a-z]|jinja", text), path


def test_whitespace_is_consistent(project: Path) -> None:
    for path in files(project):
        text = (project / path).read_bytes().decode("utf-8")
        assert "\r" not in text, path
        assert not re.search(r"[ \t]+$", text, re.MULTILINE), path
        assert not text.startswith("\n"), path
        assert text == "" or (text.endswith("\n") and not text.endswith("\n\n")), path
        assert not re.search(r"\n{4,}", text), path
        if path.suffix not in {".py", ".pyi", ".mako"}:
            # Python in Markdown has two blank lines between definitions.
            text = re.sub(r"^```python\n.*?^```$", "...", text, flags=re.MULTILINE | re.DOTALL)
            assert "\n\n\n" not in text, path


def test_project_is_formatted_and_linted(project: Path) -> None:
    run(["ruff", "format", "--check", "--no-cache"], project)
    run(["ruff", "check", "--no-cache"], project)


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(COMBINATIONS, 2)), ids=str)
def test_combinations_differ_only_in_listed_files(
    projects: dict[Combination, Path], one: Combination, other: Combination
) -> None:
    expected: set[str] = set()
    for option, names in DIFFER.items():
        if getattr(one, option) != getattr(other, option):
            expected |= names
    if "mysql" not in (one.database, other.database):
        # MariaDB needs other conditions.
        expected.discard("src/core/paging.py")
    if (one.database == "sqlite") != (other.database == "sqlite"):
        # SQLite has no server to start, and begins transactions in another way.
        expected |= {"Makefile", "docs/sessions.md"}

    differing = {
        path.as_posix()
        for path in files(projects[one])
        if (projects[one] / path).read_bytes() != (projects[other] / path).read_bytes()
    }

    assert differing == expected


def test_project_depends_only_on_chosen_driver(projects: dict[Combination, Path]) -> None:
    drivers = {"sqlite": "aiosqlite", "postgresql": "asyncpg", "mysql": "aiomysql"}
    for combination, project in projects.items():
        for name in ("pyproject.toml", "requirements.txt"):
            text = (project / name).read_text(encoding="utf-8")
            found = {driver for driver in drivers.values() if driver in text}
            assert found == {drivers[combination.database]}


def test_every_requirement_is_bounded(project: Path) -> None:
    text = (project / "pyproject.toml").read_text(encoding="utf-8")
    requirements = re.findall(r'^    "([a-z].*[<>=].*)",$', text, re.MULTILINE)

    assert len(requirements) >= 14
    for requirement in requirements:
        assert re.fullmatch(r"[a-z-]+(\[[a-z]+\])?>=[\d.]+,<[\d.]+", requirement)


@pytest.mark.parametrize("combination", [*COMBINATIONS, *EXTENDED], ids=str)
def test_hook_rejects_names_of_dependencies(combination: Combination, render: Render) -> None:
    project = render(**combination.answers)
    hook = (TEMPLATE / "hooks" / "pre_gen_project.py").read_text(encoding="utf-8")
    [taken] = re.findall(r'^TAKEN = """(.*?)"""', hook, re.MULTILINE | re.DOTALL)
    pins = (project / "requirements.txt").read_text(encoding="utf-8")
    ranges = (project / "pyproject.toml").read_text(encoding="utf-8")

    names = set(re.findall(r"^([a-z0-9-]+)==", pins, re.MULTILINE))
    names |= set(re.findall(r'^    "([a-z0-9-]+)[\[>]', ranges, re.MULTILINE))

    assert names <= set(taken.split())


def test_every_pin_is_exact(project: Path) -> None:
    lines = (project / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]

    assert len(pins) > 30
    for pin in pins:
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .+)?", pin)


def test_readme_lists_every_make_target(project: Path) -> None:
    makefile = (project / "Makefile").read_text(encoding="utf-8")
    makefile = makefile.replace("$(UV)", "uv").replace("$$m", "add orders")
    [export] = re.findall(r"^EXPORT := (.*)$", makefile, re.MULTILINE)
    makefile = makefile.replace("$(EXPORT)", export)
    makefile = makefile.replace("\\\n", "")
    makefile = makefile.replace(" $(if $(filter 1,$(dry_run)),--dry-run)", "")
    makefile = re.sub(r'(--\w+="\$\$\w+" )+-- "\$\$name"', "orders", makefile)
    makefile = makefile.replace(" $(MAKEOVERRIDES)", "")
    targets = {
        name: re.findall(r"^\t([^@].*)$", recipe, re.MULTILINE)
        for name, recipe in re.findall(r"^([a-z-]+):.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    }

    readme = (project / "README.md").read_text(encoding="utf-8")
    shown = {
        name: re.findall(r"`([^`]+)`", commands)
        for name, commands in re.findall(
            r'^\| `make ([a-z-]+)(?: m="add orders"| name=orders)?` \| (.*) \|$',
            readme,
            re.MULTILINE,
        )
    }

    # The command depends on the database, so docs/database.md shows it.
    assert targets.pop("database", []) in ([], ["docker compose up --detach --wait local-database"])
    del shown["database"]
    assert len(targets) >= 4
    assert shown == targets


@pytest.mark.parametrize("license_name", LICENSES)
def test_license_is_the_chosen_one(render: Render, license_name: str) -> None:
    project = render(license=license_name, author_name="Ada & Söhne")

    text = (project / "LICENSE").read_text(encoding="utf-8")
    first = {
        "MIT": "MIT License",
        "Apache-2.0": "Apache License",
        "BSD-3-Clause": "BSD 3-Clause License",
        "Proprietary": "Copyright (c) Ada & Söhne",
    }
    assert text.splitlines()[0].strip() == first[license_name]
    assert "Ada & Söhne" in text
    spdx = "LicenseRef-Proprietary" if license_name == "Proprietary" else license_name
    assert f'license = "{spdx}"\n' in (project / "pyproject.toml").read_text(encoding="utf-8")


def test_readme_names_the_tested_pythons() -> None:
    workflow = yaml.safe_load((TEMPLATE / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    readme = (TEMPLATE / "README.md").read_text(encoding="utf-8")

    pythons = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]

    assert f"Python {pythons[0]} to {pythons[-1]}" in readme
