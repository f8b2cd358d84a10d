"""The pictures of the README and the docs match a project. If not, run `make pictures`."""

from __future__ import annotations

import json
import re
import shlex
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from tools import pictures
from tools.template import TEMPLATE, run

SVG = "{http://www.w3.org/2000/svg}"
DRAWINGS = (TEMPLATE / "docs" / "how-it-works.md").read_text(encoding="utf-8")


def squeeze(text: str) -> str:
    """Remove spaces, which the SVG lacks, and revision ids, which differ each time."""
    return re.sub(r"\d{8}_\w{12}_", "", re.sub(r"\s", "", text))


@pytest.fixture(scope="module")
def shown() -> set[str]:
    """Return each line that the recording shows at some time."""
    lines = ET.parse(pictures.RECORDING).getroot().iter(f"{SVG}text")  # noqa: S314  # it is ours
    return {squeeze("".join(line.itertext())) for line in lines}


@pytest.fixture(scope="module")
def created(template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Create the project of the recording; return it with the hooks' output."""
    folder = tmp_path_factory.mktemp("pictures")
    command = [sys.executable, "-m", "cookiecutter", str(template), "--default-config"]
    command += ["--no-input", "--accept-hooks", "yes", f"project_name={pictures.NAME}"]
    return folder / pictures.SLUG, run(command, folder, PWD=str(folder))


def assert_shown(expected: list[str], shown: set[str]) -> None:
    missing = [line for line in expected if not any(squeeze(line) in each for each in shown)]
    assert not missing, "run `make pictures`: the recording lacks these lines"


def test_recording_shows_the_commands(shown: set[str]) -> None:
    commands = [pictures.CREATE, pictures.COMMIT, pictures.SERVE, pictures.USE]
    commands += [pictures.STOP, pictures.MODULE, pictures.TEST]

    assert_shown([f"$ {command}" for command in commands], shown)


def test_recording_shows_the_questions(shown: set[str]) -> None:
    prompts = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    questions: list[str] = []
    for prompt in prompts["__prompts__"].values():
        questions += prompt.values() if isinstance(prompt, dict) else [prompt]

    assert_shown(questions, shown)


def test_recording_shows_the_next_steps(shown: set[str], created: tuple[Path, str]) -> None:
    assert_shown(created[1].splitlines(), shown)


def test_recording_shows_module_and_tests(shown: set[str], created: tuple[Path, str]) -> None:
    project, _ = created
    given = dict(word.split("=", 1) for word in shlex.split(pictures.MODULE) if "=" in word)
    command = [sys.executable, "-m", "scaffold", given["name"], "--fields", given["fields"]]

    lines = run(command, project, PYTHONDONTWRITEBYTECODE="1").splitlines()
    tests = [path.relative_to(project).as_posix() for path in project.glob("tests/**/test_*.py")]

    assert_shown(lines + tests, shown)


def test_recording_names_no_machine(shown: set[str]) -> None:
    text = "\n".join(shown)

    assert not re.search(r"/(root|home|tmp|Users|work)/|pypi|npmjs|\.local\b", text)
    assert not re.search(r"https?://[a-z]", text)


def test_pictures_load_fast() -> None:
    assert pictures.RECORDING.stat().st_size < 300_000
    assert pictures.DOCS_PAGE.stat().st_size < 200_000


def test_drawings_show_existing_files_and_classes(rendered: Path) -> None:
    [layout, request] = re.findall(r"```mermaid\n(.*?)```", DRAWINGS, re.DOTALL)
    paths = [path.relative_to(rendered / "src") for path in (rendered / "src").rglob("*")]
    names = (
        {path.name for path in paths} | {f"{path.name}/" for path in paths} | {"orders/", "src/"}
    )
    sources = "\n".join(path.read_text(encoding="utf-8") for path in rendered.glob("src/**/*.py"))

    files = re.findall(r"\w+\.py|\w+/", layout)
    classes = re.findall(r"\b[A-Z]\w+[a-z][A-Z]\w+\b|\bread_engine\b", request)

    assert len(files) > 10
    assert set(files) <= names
    assert len(classes) > 2
    assert all(f" {name}" in sources or f".{name} " in sources for name in classes)


def test_badges_are_true() -> None:
    """The workflow's own badge is true by itself; the others repeat a fact."""
    workflow = yaml.safe_load((TEMPLATE / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    pythons = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    readme = (TEMPLATE / "README.md").read_text(encoding="utf-8")

    badges = set(re.findall(r"img\.shields\.io/badge/([^)\s]+)", readme))

    true = {f"python-{pythons[0]}%20to%20{pythons[-1]}-blue", "license-MIT-blue"}
    assert badges == true
    assert (TEMPLATE / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
