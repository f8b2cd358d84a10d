"""The gallery: every file of rendered projects, and the differences between the projects.

A file that has the same text in several projects has one page, in the first of these projects.
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations, pairwise, product
from pathlib import Path
from typing import Any

from tools.template import TEMPLATE, files, git, render

#: The options that don't change code.
WITHOUT_CODE = ("license",)
#: The options of the combinations. The other options add files.
COMBINED = ("database", "session_style")
#: The names of choices in texts, if they differ.
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MySQL"}
#: The combination that shows the options that add files. Some of them need a server.
BASE = {"database": "postgresql", "session_style": "controller"}


@dataclass(frozen=True)
class Project:
    """A rendered project, or a step of the worked example.

    Args:
        name: the folder in the gallery.
        title: a short description.
        files: the texts of the files, by path.
        answers: the answers that differ from the defaults.
    """

    name: str
    title: str
    files: dict[str, str] = field(repr=False)
    answers: dict[str, str]

    @property
    def adds(self) -> bool:
        """Whether an option adds files to this project."""
        return bool(set(self.answers) - set(COMBINED))

    @property
    def lines(self) -> int:
        return sum(text.count("\n") for text in self.files.values())


@dataclass(frozen=True)
class Comparison:
    """Two projects that differ in one choice, or two steps of the worked example."""

    name: str
    title: str
    old: Project
    new: Project

    @property
    def paths(self) -> list[str]:
        """The paths of the files that differ."""
        paths = sorted(self.old.files | self.new.files)
        return [path for path in paths if self.old.files.get(path) != self.new.files.get(path)]


def read(project: Path) -> dict[str, str]:
    """Read all files of a project, except the locked versions, which name a package index."""
    paths = (path for path in files(project) if path.name != "uv.lock")
    return {path.as_posix(): (project / path).read_text(encoding="utf-8") for path in paths}


def write(project: Project, folder: Path) -> None:
    """Write the files of a project to a folder."""
    for path, text in project.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def choices() -> dict[str, list[str]]:
    """Return the options that change code, and their choices; the first one is the default."""
    options: dict[str, Any] = json.loads((TEMPLATE / "cookiecutter.json").read_text("utf-8"))
    return {
        name: value
        for name, value in options.items()
        if isinstance(value, list) and not name.startswith("_") and name not in WITHOUT_CODE
    }


def complete() -> dict[str, str]:
    """Return the answers for a project with all options on."""
    return BASE | {name: found[-1] for name, found in choices().items() if name not in COMBINED}


def rendered_answers() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield the name, the title and the answers of each project in the gallery."""
    options = choices()
    for chosen in product(*(options[name] for name in COMBINED)):
        title = ", ".join(NAMES.get(choice, choice) for choice in chosen)
        yield "-".join(chosen), title, dict(zip(COMBINED, chosen, strict=True))
    for name, found in options.items():
        if name not in COMBINED:
            for choice in found[1:]:
                answers = BASE | {name: choice}
                yield "-".join(answers.values()), f"{name}={choice}", answers
    yield "complete", "All options", complete()


def render_projects() -> list[Project]:
    """Render the projects of the gallery from the work tree."""
    return [_render(*each) for each in rendered_answers()]


def render_complete() -> Project:
    """Render the project with all options on."""
    return _render(*list(rendered_answers())[-1])


def _render(name: str, title: str, answers: dict[str, str]) -> Project:
    with tempfile.TemporaryDirectory() as folder:
        return Project(name, title, read(render(folder, TEMPLATE, **answers)), answers)


def read_steps(repository: Path) -> list[Project]:
    """Read each commit of a repository, the oldest first."""
    steps: list[Project] = []
    with tempfile.TemporaryDirectory() as folder:
        for line in git(repository, "log", "--reverse", "--format=%H %s").splitlines():
            commit, _, subject = line.partition(" ")
            archive, target = Path(folder, f"{commit}.tar"), Path(folder, commit)
            git(repository, "archive", f"--output={archive}", commit)
            with tarfile.open(archive) as file:
                file.extractall(target, filter="data")
            steps.append(Project(f"shop-{len(steps) + 1:02}", subject, read(target), {}))
    return steps


def compare_projects(projects: list[Project]) -> list[Comparison]:
    """Pair the projects that differ in one option, once for each pair of its choices.

    No code depends on two options, so the other options have their defaults.
    """
    named = {project.name: project for project in projects}
    found: list[Comparison] = []
    for name, values in choices().items():
        others = {} if name in COMBINED else BASE
        for old, new in combinations(values, 2):
            pair = [_find(named, others | {name: value}) for value in (old, new)]
            title = f"{NAMES.get(old, old)} or {NAMES.get(new, new)}"
            if name not in COMBINED:
                title = f"{name}: {title}"
            found.append(Comparison(f"{name}-{old}-{new}", title, *pair))
    return found


def compare_steps(steps: list[Project]) -> list[Comparison]:
    """Compare each step of the worked example with the one before it."""
    return [
        Comparison(f"{new.name}-changes", f"Changes: {new.title}", old, new)
        for old, new in pairwise(steps)
    ]


def _find(projects: dict[str, Project], answers: dict[str, str]) -> Project:
    """Find the project with the given answers, and the defaults of all others."""
    defaults = {name: values[0] for name, values in choices().items()}
    wanted = defaults | answers
    return next(each for each in projects.values() if defaults | each.answers == wanted)
