"""A small template for the tests of `update.py`, and its projects."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

from tools.template import SOURCE, git

from .repositories import commit

FOLDER = "{{cookiecutter.project_slug}}"

#: The options of the small template. It also has the `update.py` of the real one.
OPTIONS = {
    "project_slug": "app",
    "color": ["red", "blue"],
}
#: The files of its first version.
FILES = {
    "README.md": "Color: {{ cookiecutter.color }}\n",
    "changed.txt": "one\ntwo\nthree\n",
    "deleted/by/template.txt": "Old.\n",
    "kept.txt": "Unchanged.\n",
    "pyproject.toml": "[tool.cruft]\nskip = []\n",
}


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files to a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def make_template(folder: Path) -> Path:
    """Make the first version of the small template."""
    write(folder, {"cookiecutter.json": json.dumps(OPTIONS)})
    write(folder / FOLDER, FILES)
    shutil.copy(SOURCE / "update.py", folder / FOLDER)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "First")
    return folder


def make_project(template: Path, folder: Path) -> Path:
    """Make a project of the newest commit of the small template, as `cruft create` does."""
    head = git(template, "rev-parse", "HEAD")
    write(folder, {**FILES, "README.md": "Color: red\n"})
    shutil.copy(SOURCE / "update.py", folder)
    context = {"project_slug": "app", "color": "red", "_template": str(template), "_commit": head}
    record = {
        "template": str(template),
        "commit": head,
        "checkout": None,
        "context": {"cookiecutter": context},
        "directory": None,
    }
    write(folder, {".cruft.json": json.dumps(record, indent=2) + "\n"})
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "Start from the template")
    return folder


def load(project: Path) -> ModuleType:
    """Import the `update.py` of a project, even if another one is imported."""
    spec = importlib.util.spec_from_file_location("update", project / "update.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look their module up.
    sys.modules["update"] = module
    spec.loader.exec_module(module)
    return module
