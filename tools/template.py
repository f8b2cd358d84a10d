"""The template's folders and choices, and helpers to render projects and run commands."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).parent.parent
SOURCE = TEMPLATE / "{{cookiecutter.project_slug}}"

DATABASES = ("sqlite", "postgresql", "mysql")
SESSION_STYLES = ("controller", "service")
AUTHS = ("none", "oidc")
TELEMETRIES = ("none", "opentelemetry")
DEPLOYS = ("compose", "kubernetes")
LICENSES = ("MIT", "Apache-2.0", "BSD-3-Clause", "Proprietary")


def render(folder: str, template: Path = TEMPLATE, **answers: str) -> Path:
    """Render the template's work tree into a folder, without hooks; return the project."""
    project = cookiecutter(
        str(template),
        no_input=True,
        default_config=True,
        output_dir=folder,
        extra_context=answers,
        accept_hooks=False,
    )
    return Path(project)


def files(project: Path) -> Iterator[Path]:
    """Yield the sorted relative paths of a project's files."""
    for path in sorted(project.rglob("*")):
        if path.is_file():
            yield path.relative_to(project)


def environment(**more: str) -> dict[str, str]:
    """Return the environment for a command in a project, without this process's own settings.

    PYTHONDONTWRITEBYTECODE is dropped too: without caches, each start takes twice as long.
    """
    ours = ("PYTEST_", "MAKE", "MFLAGS", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONT", "UVICORN_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return inherited | {"UV_PYTHON_DOWNLOADS": "never"} | more


def run(command: list[str] | str, folder: Path, **variables: str) -> str:
    """Run a command, or a string in a shell, and return its output.

    Raises:
        AssertionError: the command failed. The message has the command and its output.
    """
    result = subprocess.run(
        command,
        cwd=folder,
        env=environment(**variables),
        shell=isinstance(command, str),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 0, failure(command, folder, result.returncode, result.stdout)
    return result.stdout


def failure(command: list[str] | str, folder: Path, code: int | None, output: str) -> str:
    """Describe a failed command."""
    shown = command if isinstance(command, str) else " ".join(command)
    return f"{shown!r} in {folder} exited with {code}:\n{output}"


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder; return its output without the last line break."""
    return run(["git", *arguments], folder).rstrip("\n")
