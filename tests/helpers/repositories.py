"""Repositories of the template with uncommitted changes, and projects rendered from them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from tools.template import TEMPLATE, git


def identify(repository: Path) -> None:
    """Configure an author for commits in a repository."""
    git(repository, "config", "user.name", "Tests")
    git(repository, "config", "user.email", "tests@example.com")


def commit(repository: Path, message: str = "Change") -> str:
    """Commit all files; return the hash of the commit."""
    identity = ("-c", "user.name=Tests", "-c", "user.email=tests@example.com")
    git(repository, "add", "--all")
    git(repository, *identity, "commit", "--quiet", "--allow-empty", f"--message={message}")
    return git(repository, "rev-parse", "HEAD")


def snapshot(folder: Path) -> Path:
    """Clone the template to a folder, and commit its work tree on top of `main`."""
    git(TEMPLATE, "clone", "--quiet", "--no-checkout", str(TEMPLATE), str(folder))
    identify(folder)
    git(folder, "update-ref", "refs/heads/main", "HEAD")
    git(folder, "symbolic-ref", "HEAD", "refs/heads/main")
    listed = git(TEMPLATE, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (TEMPLATE / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TEMPLATE / name, folder / name)
    commit(folder, "Snapshot")
    return folder


def home(folder: Path) -> Path:
    """Create an empty home beside a folder, to ignore the developer's own settings."""
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    return home


def command(
    arguments: list[str], folder: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command like a user, with the home beside the folder."""
    return subprocess.run(
        arguments,
        cwd=folder,
        env=os.environ | {"HOME": str(home(folder)), "PYTHONUTF8": "1"} | variables,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def generate(
    tool: str, template: str, folder: Path, *options: str, **answers: str
) -> subprocess.CompletedProcess[str]:
    """Create a project in `folder` with cookiecutter or cruft. Answers are literal text."""
    folder.mkdir()
    if tool == "cookiecutter":
        given = [f"{name}={value}" for name, value in answers.items()]
        return command(["cookiecutter", "--no-input", *options, template, *given], folder)
    context = ["--extra-context", json.dumps(answers)]
    return command(["cruft", "create", "--no-input", *options, template, *context], folder)
