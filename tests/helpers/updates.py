"""A small template for the tests of `update.py`, and projects of it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

from tools.template import SOURCE, git

from .repositories import commit

FOLDER = "{{cookiecutter.project_slug}}"

#: The options of the small template. `update.py` is only in its projects: it is slow to render.
OPTIONS = {
    "project_slug": "app",
    "color": ["red", "blue"],
}
#: The files in the first version of the small template.
FILES = {
    "README.md": "Color: {{ cookiecutter.color }}\n",
    "changed.txt": "one\ntwo\nthree\n",
    "deleted/by/template.txt": "Old.\n",
    "kept.txt": "Unchanged.\n",
    "pyproject.toml": "[tool.cruft]\nskip = []\n",
}


def write(folder: Path, files: dict[str, str]) -> None:
    """Write text files to a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def make_template(folder: Path) -> Path:
    """Create the first version of the small template."""
    write(folder, {"cookiecutter.json": json.dumps(OPTIONS)})
    write(folder / FOLDER, FILES)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "First")
    return folder


def make_project(template: Path, folder: Path) -> Path:
    """Render the newest commit of the small template like `cruft create`."""
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
    """Run a project's `update.py` as a module, without a `__pycache__` in the project."""
    path = project / "update.py"
    module = ModuleType("update")
    module.__file__ = str(path)
    # dataclasses look up their module in sys.modules.
    sys.modules["update"] = module
    code = compile(path.read_bytes(), path, "exec")
    exec(code, module.__dict__)  # noqa: S102  # This file is part of the template.
    return module
