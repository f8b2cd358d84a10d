"""The released versions of the template, which `releases.json` lists with their commits.

`python -m tools.releases 0.1.0` makes a release of the last commit.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cookiecutter.exceptions import CookiecutterException
from cookiecutter.generate import generate_context
from cookiecutter.prompt import prompt_for_config

from .template import TEMPLATE, git

#: The part of each version's CHANGELOG entry that `update.py` shows to a project's owner.
NOTES = "### Upgrade notes\n\n"


def releases(template: Path) -> dict[str, str]:
    """Read the released versions and their commits, oldest first."""
    released: dict[str, str] = json.loads((template / "releases.json").read_text("utf-8"))
    return released


def changes(template: Path) -> dict[str, str]:
    """Read the CHANGELOG: what it says of each version, newest first."""
    text = (template / "CHANGELOG.md").read_text(encoding="utf-8")
    parts = re.findall(r"^## \[(.+?)\](.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return dict(parts)


def number(version: str) -> tuple[int, ...]:
    """Read a version, to compare it; one that is none comes before all."""
    semantic = re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", version)
    return tuple(map(int, semantic.groups())) if semantic else ()


def broken_options(template: Path, commit: str) -> Iterator[str]:
    """Replay what a project of a release may have recorded; yield what is not taken as it was."""
    then: dict[str, Any] = json.loads(git(template, "show", f"{commit}:cookiecutter.json"))
    file = template / "cookiecutter.json"
    now: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    for name, value in then.items():
        if name.startswith("_"):
            continue
        if type(now.get(name)) is not type(value):
            yield f"{name} is gone or of another type"
            continue
        for answer in value if isinstance(value, list) else ["my-app"]:
            try:
                context = generate_context(context_file=str(file), extra_context={name: answer})
                taken = prompt_for_config(context, no_input=True)[name]
            except (ValueError, CookiecutterException):
                taken = None
            if taken != answer:
                yield f"{name} does not take {answer!r} any more"


def problems(template: Path) -> Iterator[str]:
    """Yield what is wrong with the released versions, of which there may be none yet."""
    released = releases(template)
    versions = list(released)
    said = changes(template)
    if [name for name in said if name != "Unreleased"] != versions[::-1]:
        yield "CHANGELOG.md and releases.json have other versions, or in another order"
    for earlier, later in zip(["", *versions], versions, strict=False):
        if number(later) <= number(earlier):
            yield f"{later} is no version that comes after {earlier or 'none'}"
    if versions:
        pyproject = (template / "pyproject.toml").read_text(encoding="utf-8")
        if f'\nversion = "{versions[-1]}"\n' not in pyproject:
            yield f"pyproject.toml has another version than {versions[-1]}"
    for version, commit in released.items():
        head, _, notes = said.get(version, "").partition(NOTES)
        if not re.match(r" - \d{4}-\d{2}-\d{2}\n", head) or not re.match(r"[^\s#]", notes):
            yield f"CHANGELOG.md lacks the date or the upgrade notes of {version}"
        try:
            git(template, "merge-base", "--is-ancestor", commit, "HEAD")
        except AssertionError:
            yield f"{version} is not in the history; a shallow clone needs git fetch --unshallow"
        else:
            yield from (f"{version}: {problem}" for problem in broken_options(template, commit))


def release(template: Path, version: str) -> None:
    """Write down that the last commit is a version, and commit that; or say why it cannot be."""
    released = releases(template)
    if number(version) <= max(map(number, released), default=()):
        sys.exit(f"{version!r} is no version, or none that comes after those in releases.json")
    if git(template, "status", "--porcelain"):
        sys.exit("there are changes that are not committed")
    if NOTES not in changes(template).get("Unreleased", ""):
        sys.exit(f"CHANGELOG.md lacks {NOTES.strip()!r} in [Unreleased]")

    released[version] = git(template, "rev-parse", "HEAD")
    (template / "releases.json").write_text(json.dumps(released, indent=2) + "\n", "utf-8")
    today = datetime.now(tz=UTC).date()
    for name, pattern, text in [
        ("CHANGELOG.md", r"^(## \[Unreleased\]\n)", rf"\1\n## [{version}] - {today}\n"),
        ("pyproject.toml", r'^version = ".*"$', f'version = "{version}"'),
    ]:
        before = (template / name).read_text(encoding="utf-8")
        after = re.sub(pattern, text, before, count=1, flags=re.MULTILINE)
        (template / name).write_text(after, encoding="utf-8")
    git(template, "commit", "--quiet", "--all", f"--message=Release {version}")
    git(template, "tag", f"v{version}", released[version])


if __name__ == "__main__":
    release(TEMPLATE, *sys.argv[1:])
