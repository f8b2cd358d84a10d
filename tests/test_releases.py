"""The released versions: HEAD accepts every answer that their projects recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tools.releases import problems, release, releases
from tools.template import TEMPLATE, git

from .helpers.repositories import commit, identify


@pytest.fixture
def released(template: Path, tmp_path: Path) -> Path:
    """Make the next release of the template, in a clone."""
    clone = tmp_path / "pynest-async"
    git(template, "clone", "--quiet", str(template), str(clone))
    identify(clone)
    changelog = (clone / "CHANGELOG.md").read_text(encoding="utf-8")
    notes = "## [Unreleased]\n\n### Upgrade notes\n\nNothing.\n"
    changelog = changelog.replace("## [Unreleased]\n", notes, 1)
    (clone / "CHANGELOG.md").write_text(changelog, encoding="utf-8")
    commit(clone)
    release(clone, "99.0.0")
    return clone


def test_releases_are_in_order() -> None:
    assert list(problems(TEMPLATE)) == []


def test_a_release_is_one_step(released: Path) -> None:
    assert list(problems(released)) == []
    assert list(releases(released)) == [*releases(TEMPLATE), "99.0.0"]
    assert releases(released)["99.0.0"] == git(released, "rev-parse", "v99.0.0", "HEAD~1")[:40]
    changed = git(released, "diff", "--name-only", "HEAD~1", "HEAD").split("\n")
    assert changed == ["CHANGELOG.md", "pyproject.toml", "releases.json"]
    assert git(released, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ('"author_email": "",', "author_email is gone or of another type"),
        ('"license": [|"licence": [', "license is gone or of another type"),
        ('"session_style": ["controller", "service"]|"session_style": "controller"', "session_st"),
        ('"author_email": ""|"author_email": ["", "me@example.com"]', "author_email is gone or"),
        (', "mysql"]|]', "database does not take 'mysql' any more"),
        ('["MIT", |["X11", ', "license does not take 'MIT' any more"),
        ('"author_email": ""|"author_email": "", "author_phone": ""', None),
        ('["sqlite", "postgresql", |["postgresql", "oracle", "sqlite", ', None),
        ('"project_name": "My App"|"project_name": "App"', None),
    ],
)
def test_released_options_stay_accepted(released: Path, change: str, problem: str | None) -> None:
    options = released / "cookiecutter.json"
    before = options.read_text(encoding="utf-8")
    old, _, new = change.partition("|")
    after = before.replace(old, new, 1)
    assert after != before
    options.write_text(json.dumps(json.loads(after)), encoding="utf-8")

    found = list(problems(released))

    if problem is None:
        assert found == []
    else:
        assert found
        # The latest release is one of those that have the option.
        assert f"99.0.0: {problem}" in found[-1]


def test_incomplete_release_is_reported(released: Path) -> None:
    listed = releases(released)
    file = released / "releases.json"

    file.write_text(json.dumps(listed | {"100.0.0": "0" * 40, "1.0": listed["99.0.0"]}))

    assert list(problems(released)) == [
        "CHANGELOG.md and releases.json have other versions, or in another order",
        "1.0 is no version that comes after 100.0.0",
        "pyproject.toml has another version than 1.0",
        "CHANGELOG.md lacks the date or the upgrade notes of 100.0.0",
        "100.0.0 is not in the history; a shallow clone needs git fetch --unshallow",
        "CHANGELOG.md lacks the date or the upgrade notes of 1.0",
    ]


@pytest.mark.parametrize("version", ["99.0.0", "98.1.0", "100", "v100.0.0", ""])
def test_release_rejects_version_unless_later(released: Path, version: str) -> None:
    with pytest.raises(SystemExit, match="is no version, or none that comes after"):
        release(released, version)

    assert git(released, "status", "--porcelain") == ""


def test_release_needs_clean_tree_and_changelog(released: Path) -> None:
    with pytest.raises(SystemExit, match=r"CHANGELOG\.md lacks '### Upgrade notes'"):
        release(released, "99.0.1")
    (released / "note").touch()
    with pytest.raises(SystemExit, match="there are changes that are not committed"):
        release(released, "99.0.1")


def test_the_workflow_has_the_history() -> None:
    text = (TEMPLATE / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["jobs"]["test"]["steps"]

    assert [step["with"]["fetch-depth"] for step in steps if "checkout" in str(step)] == [0]
