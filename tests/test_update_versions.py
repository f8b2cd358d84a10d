"""The version that `update.py` selects, and the upgrade notes in its report."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.releases import release
from tools.template import git, run

from .helpers.repositories import commit, identify
from .helpers.updates import FOLDER, load, make_project, make_template, write

#: The text of the small template's file in each version.
TEXTS = {"0.1.0": "one", "0.2.0": "two", "0.3.0": "three", "main": "four"}

Tool = Callable[..., str]


@pytest.fixture
def tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Tool:
    """Run the tool in a project; return its report or its error message."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")

    def tool(project: Path, *arguments: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["update.py", *arguments])
        try:
            assert load(project).main() == code
        except SystemExit as error:
            assert code == 1
            return str(error)
        finally:
            report, errors = capfd.readouterr()
            assert errors == ""
        return report

    return tool


def change(template: Path, text: str, *notes: str) -> str:
    """Change the small template, and add unreleased notes to its CHANGELOG."""
    changelog = (template / "CHANGELOG.md").read_text(encoding="utf-8")
    released = changelog[changelog.find("\n## [0") :] if "\n## [0" in changelog else ""
    unreleased = "".join(f"- {note}\n" for note in notes)
    text_of_log = f"# Changelog\n\n## [Unreleased]\n\n### Upgrade notes\n\n{unreleased}{released}"
    write(template, {"CHANGELOG.md": text_of_log, f"{FOLDER}/changed.txt": f"{text}\n"})
    return commit(template, text)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create three untagged releases of the small template, and one more commit.

    The branch `stable` ends at the second release.
    """
    template = make_template(tmp_path_factory.mktemp("history") / "template")
    identify(template)
    write(
        template,
        {"CHANGELOG.md": "", "releases.json": "{}", "pyproject.toml": '\nversion = "0.0.0"\n'},
    )
    for version, text in TEXTS.items():
        change(template, text, f"Now it is {text}.", "A second\n  line.")
        if version != "main":
            release(template, version)
            git(template, "tag", "--delete", f"v{version}")
        if version == "0.2.0":
            git(template, "branch", "stable", "HEAD~1")
    return template


@pytest.fixture
def template(history: Path, tmp_path: Path) -> Path:
    """Copy the repository of the small template, so that a test can change it."""
    return Path(shutil.copytree(history, tmp_path / "template"))


def released(template: Path, version: str) -> str:
    commits: dict[str, str] = json.loads((template / "releases.json").read_text(encoding="utf-8"))
    return commits[version]


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    """Create a project of the first release."""
    git(template, "checkout", "--quiet", released(template, "0.1.0"))
    project = make_project(template, tmp_path / "app")
    write(project, {"changed.txt": "one\n"})
    commit(project, "Start from the template")
    git(template, "checkout", "--quiet", "main")
    return project


def has(project: Path) -> str:
    """Return the content of a project's file, which differs in each version."""
    return (project / "changed.txt").read_text(encoding="utf-8").strip()


def recorded(project: Path, **changes: object) -> dict[str, object]:
    """Apply changes to a project's record, if any, and return it."""
    file = project / ".cruft.json"
    record: dict[str, object] = json.loads(file.read_text(encoding="utf-8"))
    if changes:
        record |= changes
        file.write_text(json.dumps(record), encoding="utf-8")
        commit(project, "Change the record")
    return record


def test_update_follows_the_default_branch(template: Path, project: Path, tool: Tool) -> None:
    report = tool(project)

    assert has(project) == "four"
    assert re.search(r", 0\.1\.0 \(`\w{7}`\) to 0\.3\.0 \+ 2 commits \(`\w{7}`\)\)\.\n", report)
    assert recorded(project)["commit"] == git(template, "rev-parse", "HEAD")
    assert recorded(project)["checkout"] is None


@pytest.mark.parametrize(
    ("target", "text"),
    [("0.2.0", "two"), ("v0.2.0", "two"), ("stable", "two"), ("main", "four"), ("0.3.0", "three")],
)
def test_target_chooses_version_or_branch(
    target: str, text: str, project: Path, tool: Tool
) -> None:
    report = tool(project, f"to={target}")

    assert has(project) == text
    assert report.startswith("Updated from the template (")
    if target.endswith("0.2.0") or target == "stable":
        assert " to 0.2.0 (`" in report


def test_target_chooses_a_commit(template: Path, project: Path, tool: Tool) -> None:
    commit = released(template, "0.2.0")

    tool(project, f"to={commit[:8]}", "color=blue")

    assert has(project) == "two"
    assert recorded(project)["commit"] == commit
    assert (project / "README.md").read_text(encoding="utf-8") == "Color: blue\n"


def test_report_shows_upgrade_notes_between_versions(
    template: Path, project: Path, tool: Tool
) -> None:
    report = tool(project)

    notes = report.partition("## Upgrade notes\n\n")[2].partition("Changed:")[0]
    assert notes == "".join(
        f"### {title}\n\n- Now it is {text}.\n- A second\n  line.\n\n"
        for title, text in [("Not released yet", "four"), ("0.3.0", "three"), ("0.2.0", "two")]
    )
    commit(project, "Update")

    # Another update shows only new notes, even if they have been released since.
    change(template, "five", "Now it is four.", "A second\n  line.", "Now it is five.")
    report = tool(project, "--check", code=1)
    assert "0.3.0 + 2 commits (`" in report
    release(template, "0.4.0")
    report = tool(project)
    assert " to 0.4.0 (`" in report
    assert "### 0.4.0\n\n- Now it is five.\n\nChanged:\n" in report


def test_notes_stop_at_the_target(project: Path, tool: Tool) -> None:
    report = tool(project, "to=0.2.0")

    assert "### 0.2.0\n\n- Now it is two." in report
    assert "0.3.0" not in report
    assert "Not released" not in report


def test_update_rejects_going_back(project: Path, tool: Tool) -> None:
    tool(project, "to=0.3.0")
    commit(project, "Update")

    rejected = tool(project, "to=0.2.0", code=1)

    assert rejected.startswith("invalid to=0.2.0: it is older than 0.3.0 (`")
    assert "\n" not in rejected
    assert git(project, "status", "--porcelain") == ""


def test_project_ahead_of_releases_is_unchanged(template: Path, project: Path, tool: Tool) -> None:
    tool(project, "to=main")
    commit(project, "Update")
    recorded(project, checkout="stable")

    assert tool(project) == "Up to date with the template.\n"
    assert "older than 0.3.0 + 2 commits" in tool(project, "to=0.3.0", code=1)
    report = tool(project, "color=blue")

    assert has(project) == "four"
    assert "`color=blue`" in report
    assert "Upgrade notes" not in report
    assert recorded(project)["commit"] == git(template, "rev-parse", "main")


def test_release_commit_counts_as_its_version(template: Path, project: Path, tool: Tool) -> None:
    tool(project, "to=0.2.0")
    commit(project, "Update")
    head = git(template, "log", "--format=%H", "--grep=Release 0.2.0", "main")
    recorded(project, commit=head)

    assert tool(project, "to=0.2.0") == "Up to date with the template.\n"


def test_update_follows_the_recorded_branch(project: Path, tool: Tool) -> None:
    recorded(project, checkout="stable")

    tool(project)

    assert has(project) == "two"
    assert recorded(project)["checkout"] == "stable"
    commit(project, "Update")
    assert tool(project) == "Up to date with the template.\n"


@pytest.mark.parametrize("checkout", ["v0.1.0", "COMMIT"])
def test_update_leaves_the_recorded_tag(
    checkout: str, template: Path, project: Path, tool: Tool
) -> None:
    """A project that was created from a tag or a commit follows the default branch."""
    recorded(project, checkout=checkout.replace("COMMIT", released(template, "0.1.0")))

    tool(project)

    assert has(project) == "four"
    assert recorded(project)["checkout"] is None


def test_target_unknown_names_the_choices(project: Path, tool: Tool) -> None:
    for target in ("0.9.0", "main^", "--help", "0.1.0..main", ""):
        rejected = tool(project, f"to={target}", code=1)
        assert rejected == (
            f"invalid to={target}: the template has no such version, branch or commit; choose one "
            "such as 0.1.0, 0.2.0, 0.3.0, main, stable"
        )


def test_template_without_releases_is_updated(tmp_path: Path, tool: Tool) -> None:
    template = make_template(tmp_path / "plain")
    project = make_project(template, tmp_path / "app")
    write(template / FOLDER, {"changed.txt": "two\n"})
    commit(template, "Second")

    report = tool(project)

    assert re.match(r"Updated from the template \(\S+, `\w{7}` to `\w{7}`\)\.\n\nChanged:", report)
    assert has(project) == "two"


def test_template_in_a_folder_is_updated(
    template: Path, project: Path, tmp_path: Path, tool: Tool
) -> None:
    folder = "templates/small"
    larger = tmp_path / "larger"
    shutil.copytree(template, larger / folder, ignore=shutil.ignore_patterns(".git"))
    write(larger / folder, {"releases.json": "{}"})
    git(larger, "init", "--quiet", "--initial-branch=main")
    first = commit(larger, "First")
    write(larger / folder, {"releases.json": json.dumps({"1.0.0": first})})
    commit(larger, "Release 1.0.0")
    write(project, {"changed.txt": "four\n"})
    recorded(project, template=str(larger), directory=folder, commit=first)
    write(larger / folder / FOLDER, {"changed.txt": "five\n"})
    commit(larger, "Second")

    report = tool(project)

    assert re.search(r", 1\.0\.0 \(`\w{7}`\) to 1\.0\.0 \+ 2 commits \(`\w{7}`\)\)", report)
    assert has(project) == "five"
    assert recorded(project)["directory"] == folder


def test_new_option_has_the_template_default(
    template: Path, project: Path, tmp_path: Path, tool: Tool
) -> None:
    """An update ignores the user's defaults for new projects."""
    (tmp_path / ".cookiecutterrc").write_text("default_context: {shape: round, color: blue}\n")
    options = json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))
    options["shape"] = ["square", "round"]
    write(template, {"cookiecutter.json": json.dumps(options)})
    write(template / FOLDER, {"shape.txt": "{{ cookiecutter.shape }}\n"})
    commit(template, "Add an option")

    tool(project)

    assert (project / "shape.txt").read_text(encoding="utf-8") == "square\n"
    assert (project / "README.md").read_text(encoding="utf-8") == "Color: red\n"


def test_hooks_print_nothing_in_an_update(template: Path, project: Path, tool: Tool) -> None:
    hook = (
        "import os, sys\n"
        "print('from a hook')\n"
        "print('from a hook', file=sys.stderr)\n"
        "open('hook.txt', 'w').write(os.environ['PYNEST_ASYNC_UPDATE'])\n"
    )
    write(template, {"hooks/post_gen_project.py": hook})
    commit(template, "Add a hook")

    report = tool(project)

    assert "- `hook.txt`" in report
    assert "from a hook" not in report
    assert "PYNEST_ASYNC_UPDATE" not in os.environ
    git(project, "reset", "--quiet", "--hard")
    write(template, {"hooks/post_gen_project.py": "import sys\nsys.exit('invalid: change it')\n"})
    commit(template, "Let the hook fail")
    assert tool(project, code=1) == "the template cannot be rendered: invalid: change it"


def test_skip_means_the_same_in_cruft(template: Path, project: Path, tool: Tool) -> None:
    skip = '[tool.cruft]\nskip = ["changed.txt", "docs", "**/*.md", "none"]\n'
    write(project, {"pyproject.toml": skip})
    recorded(project, skip=["deep/d.txt"])
    other = Path(shutil.copytree(project, project.parent / "other"))
    new = ("docs/a.txt", "deep/b.md", "deep/c.txt", "deep/d.txt", "README.md")
    write(template / FOLDER, dict.fromkeys(new, "New.\n"))
    commit(template, "Add files")

    report = tool(project)
    run(["cruft", "update", "--skip-apply-ask"], other)

    assert re.findall("^- `(.*)`$", report, re.MULTILINE) == ["deep/c.txt"]
    assert has(project) == "one"
    git(other, "add", "--all")
    # cruft adds the list in pyproject.toml to the one in the record.
    shown = ("diff", "--cached", "--", ".", ":(exclude).cruft.json")
    assert git(project, *shown) == git(other, *shown)


def test_skip_ignores_paths_outside(project: Path, tool: Tool) -> None:
    outside = project.parent / "outside.txt"
    outside.touch()
    skip = '[tool.cruft]\nskip = ["", ".", "../*", "../../outside.txt", "../outside.txt"]\n'
    write(project, {"pyproject.toml": skip})
    commit(project, "Skip")

    tool(project)

    assert has(project) == "four"
    assert outside.exists()
