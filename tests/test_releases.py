"""HEAD accepts every answer that projects of released versions have recorded."""

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
    """Clone the template, and release its next version there."""
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


def test_release_is_one_step(released: Path) -> None:
    assert list(problems(released)) == []
    assert list(releases(released)) == [*releases(TEMPLATE), "99.0.0"]
    assert releases(released)["99.0.0"] == git(released, "rev-parse", "v99.0.0", "HEAD~1")[:40]
    changed = git(released, "diff", "--name-only", "HEAD~1", "HEAD").split("\n")
    assert changed == ["CHANGELOG.md", "pyproject.toml", "releases.json"]
    assert git(released, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ('"author_email": "",', "option author_email was removed or has another type"),
        ('"license": [|"licence": [', "option license was removed or has another type"),
        (
            '"session_style": ["controller", "service"]|"session_style": "controller"',
            "option session_st",
        ),
        (
            '"author_email": ""|"author_email": ["", "me@example.com"]',
            "option author_email was removed",
        ),
        (', "mysql"]|]', "option database no longer accepts 'mysql'"),
        ('["MIT", |["X11", ', "option license no longer accepts 'MIT'"),
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
        # The latest release has the option, so it is among the reported ones.
        assert f"99.0.0: {problem}" in found[-1]


def test_incomplete_release_is_reported(released: Path) -> None:
    listed = releases(released)
    file = released / "releases.json"

    file.write_text(json.dumps(listed | {"100.0.0": "0" * 40, "1.0": listed["99.0.0"]}))

    assert list(problems(released)) == [
        "CHANGELOG.md and releases.json must have the same versions, in opposite order",
        "1.0 must be a version such as 1.2.3, later than 100.0.0",
        "pyproject.toml must have the version 1.0",
        "CHANGELOG.md lacks the date or the upgrade notes of 100.0.0",
        "100.0.0 is not in the history: in a shallow clone, run git fetch --unshallow",
        "CHANGELOG.md lacks the date or the upgrade notes of 1.0",
    ]


@pytest.mark.parametrize("version", ["99.0.0", "98.1.0", "100", "v100.0.0", ""])
def test_release_rejects_earlier_versions(released: Path, version: str) -> None:
    with pytest.raises(SystemExit, match=r"^invalid version '.*': use a later one"):
        release(released, version)

    assert git(released, "status", "--porcelain") == ""


def test_release_needs_clean_tree_and_changelog(released: Path) -> None:
    with pytest.raises(SystemExit, match=r"CHANGELOG\.md lacks '### Upgrade notes'"):
        release(released, "99.0.1")
    (released / "note").touch()
    with pytest.raises(SystemExit, match="the work tree has uncommitted changes"):
        release(released, "99.0.1")


def test_workflow_fetches_the_history() -> None:
    text = (TEMPLATE / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["jobs"]["test"]["steps"]

    assert [step["with"]["fetch-depth"] for step in steps if "checkout" in str(step)] == [0]
