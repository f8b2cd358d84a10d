"""The image installs `requirements.txt`, so it must name every dependency of `pyproject.toml`."""

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent


def normalize(requirement: str) -> str:
    """Return the normalized name of a requirement (PEP 503)."""
    [name] = re.findall(r"^[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", str(name)).lower()


def test_requirements_name_every_dependency() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normalize(line) for line in lines if re.match(r"[A-Za-z0-9]", line)}

    missing = {normalize(dependency) for dependency in project["dependencies"]} - pinned

    assert not missing, f"requirements.txt lacks {', '.join(sorted(missing))}: run `make lock`"
