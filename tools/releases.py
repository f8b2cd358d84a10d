"""Check and create releases. `releases.json` maps each version to its commit.

`python -m tools.releases 0.1.0` releases the last commit as 0.1.0.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from cookiecutter.exceptions import CookiecutterException
from cookiecutter.generate import generate_context
from cookiecutter.prompt import prompt_for_config

from .template import TEMPLATE, git

#: The heading in each version's CHANGELOG entry. `update.py` shows the text below it.
NOTES = "### Upgrade notes\n\n"


def releases(template: Path) -> dict[str, str]:
    """Return the released versions and their commits, oldest first."""
    released: dict[str, str] = json.loads((template / "releases.json").read_text("utf-8"))
    return released


def changes(template: Path) -> dict[str, str]:
    """Return the CHANGELOG's entries by version, newest first."""
    text = (template / "CHANGELOG.md").read_text(encoding="utf-8")
    parts = re.findall(r"^## \[(.+?)\](.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return dict(parts)


def number(version: str) -> tuple[int, ...]:
    """Parse a version for comparison. An invalid version sorts before all others."""
    semantic = re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", version)
    return tuple(map(int, semantic.groups())) if semantic else ()


def find_acceptance(template: Path) -> Callable[[str, str], bool]:
    """Return a function that says whether a template accepts an answer to an option."""
    options = str(template / "cookiecutter.json")

    @cache
    def accepts(name: str, answer: str) -> bool:
        try:
            context = generate_context(context_file=options, extra_context={name: answer})
            return bool(prompt_for_config(context, no_input=True)[name] == answer)
        except (ValueError, CookiecutterException):
            return False

    return accepts


def broken_options(
    then: dict[str, Any], now: dict[str, Any], accepts: Callable[[str, str], bool]
) -> Iterator[str]:
    """Yield the options and choices that the current template doesn't accept.

    Args:
        then: the options of a release.
        now: the options of the current template.
        accepts: says whether the current template accepts an answer to an option.
    """
    for name, value in then.items():
        if name.startswith("_"):
            continue
        if type(now.get(name)) is not type(value):
            yield f"option {name} was removed or has another type"
            continue
        for answer in value if isinstance(value, list) else ["my-app"]:
            if not accepts(name, answer):
                yield f"option {name} no longer accepts {answer!r}"


def problems(template: Path) -> Iterator[str]:
    """Yield the problems of the released versions. A new template has none."""
    released = releases(template)
    versions = list(released)
    said = changes(template)
    now = json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))
    accepts = find_acceptance(template)
    if [name for name in said if name != "Unreleased"] != versions[::-1]:
        yield "CHANGELOG.md and releases.json must have the same versions, in opposite order"
    for earlier, later in zip(["", *versions], versions, strict=False):
        if number(later) <= number(earlier):
            yield f"{later} must be a version such as 1.2.3, later than {earlier or '0.0'}"
    if versions:
        pyproject = (template / "pyproject.toml").read_text(encoding="utf-8")
        if f'\nversion = "{versions[-1]}"\n' not in pyproject:
            yield f"pyproject.toml must have the version {versions[-1]}"
    for version, commit in released.items():
        head, _, notes = said.get(version, "").partition(NOTES)
        if not re.match(r" - \d{4}-\d{2}-\d{2}\n", head) or not re.match(r"[^\s#]", notes):
            yield f"CHANGELOG.md lacks the date or the upgrade notes of {version}"
        try:
            git(template, "merge-base", "--is-ancestor", commit, "HEAD")
        except AssertionError:
            yield f"{version} is not in the history: in a shallow clone, run git fetch --unshallow"
        else:
            then = json.loads(git(template, "show", f"{commit}:cookiecutter.json"))
            found = broken_options(then, now, accepts)
            yield from (f"{version}: {problem}" for problem in found)


def release(template: Path, version: str) -> None:
    """Release the last commit: record the version, commit the record and tag it."""
    released = releases(template)
    if number(version) <= max(map(number, released), default=()):
        sys.exit(f"invalid version {version!r}: use a later one than in releases.json, like 1.2.3")
    if git(template, "status", "--porcelain"):
        sys.exit("the work tree has uncommitted changes: commit or stash them")
    if NOTES not in changes(template).get("Unreleased", ""):
        sys.exit(f"CHANGELOG.md lacks {NOTES.strip()!r} in [Unreleased]: write the notes there")

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
