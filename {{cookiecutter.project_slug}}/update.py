# /// script
# requires-python = ">=3.11"
# dependencies = ["cookiecutter>=2.7,<3"]
# ///
"""Update this project from its template: `uv run update.py`. See docs/updating.md.

cookiecutter renders two versions of the template: the recorded one and the new one. git merges the
difference like a branch, in a temporary work tree. Only the finished merge reaches the project.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent
#: The record of the template, its commit and the answers, in cruft's format.
RECORD = ".cruft.json"
#: Tells the template's hooks that this is an update, so they print no first steps.
UPDATING = "PYNEST_ASYNC_UPDATE"
#: The template's branches in its clone.
BRANCH = "refs/remotes/origin/"
#: A release commit only changes these files.
RELEASE_FILES = {"CHANGELOG.md", "pyproject.toml", "releases.json"}

#: Override user settings that change how git merges.
MERGE = ["-c", "merge.directoryRenames=false", "-c", "merge.renames=true", "-c", "rerere.enabled=0"]
#: Rendered files have LF, which `core.safecrlf` would reject in a repository with CRLF.
LENIENT = ["-c", "core.safecrlf=false"]
AUTHOR = {
    f"GIT_{role}_{key}": "template" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")
}
#: Git hooks and `git rebase --exec` set these variables, which would redirect every git command.
REDIRECTING = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}
#: Seconds to wait for `index.lock`, which an editor's `git status` holds for a moment.
LOCK_TIMEOUT = 1.0

#: The kinds of changed files that the user has to resolve, with their headings in the report.
LEFT_TO_DO = {
    "conflict": "Conflicts. Edit the lines from `<<<<<<<` to `>>>>>>>`, then `git add` the file:",
    "renamed": (
        "Renamed by you and by the template. `git add` the file to keep, `git rm` the others:"
    ),
    "kept": (
        "Deleted by the template, but changed by you. `git add` a file to keep it, or `git rm` it:"
    ),
}
KINDS = LEFT_TO_DO | {
    "dropped": "Deleted by you, but changed by the template. They stay deleted:",
    "M": "Changed:",
    "A": "Added:",
    "D": "Deleted:",
}
#: The kind of a file that git could not merge, by the stages in the index: 1 is the common
#: ancestor's file, 2 the user's, 3 the template's. Any other combination is a conflict.
STAGES = {"12": "kept", "13": "dropped", "1": "renamed", "2": "renamed", "3": "renamed"}

#: The files of each kind, relative to the top of the repository.
Outcome = dict[str, list[str]]


class RejectedError(Exception):
    """The update is impossible. The message is one line with the problem, the value and the fix."""


@dataclass(frozen=True)
class Template:
    """A clone of the template."""

    clone: Path
    #: The template's folder in the clone.
    inside: str
    #: The newest commit of the default branch.
    head: str
    #: The released versions, oldest first, with their commits.
    releases: dict[str, str]

    def find(self, *names: str) -> str | None:
        """Return the commit of the first name that exists, or None."""
        for name in names:
            with contextlib.suppress(RejectedError):
                commit = name + "^{commit}"
                return git("rev-parse", "--verify", "--quiet", commit, cwd=self.clone).strip()
        return None

    def contains(self, commit: str, earlier: str) -> bool:
        """Return whether a commit is `earlier` or descends from it. Both are full hashes."""
        return earlier in read_history(self.clone, commit)

    def are_equal(self, commit: str, other: str) -> bool:
        """Return whether two commits only differ in the record of a release."""
        inside = ("--", self.inside or ".")
        names = listed("diff", "--name-only", "-z", commit, other, *inside, cwd=self.clone)
        return {name.removeprefix(f"{self.inside}/") for name in names} <= RELEASE_FILES

    def read(self, commit: str, name: str) -> str:
        """Read a file of a commit. A missing file reads as an empty string."""
        path = f"{self.inside}/{name}" if self.inside else name
        try:
            return git("show", f"{commit}:{path}", cwd=self.clone)
        except RejectedError:
            return ""

    def describe(self, commit: str) -> str:
        """Describe a commit by its version, such as "0.2.0 + 3 commits (`1a2b3c4`)"."""
        latest = self._find_latest(commit)
        if not latest:
            return f"`{commit[:7]}`"
        version, released = latest
        if self.are_equal(released, commit):
            return f"{version} (`{commit[:7]}`)"
        ahead = git("rev-list", "--count", f"{released}..{commit}", cwd=self.clone).strip()
        return f"{version} + {ahead} commit{'s'[: ahead != '1']} (`{commit[:7]}`)"

    def upgrade_notes(self, old: str, new: str) -> str:
        """Return the upgrade notes between two commits from the CHANGELOG, in Markdown."""
        latest = self._notes(self.head)
        found = {
            version: latest.get(version, "")
            for version, commit in self.releases.items()
            if self.contains(new, commit) and not self.contains(old, commit)
        }
        found |= {"Not released yet": self._unreleased(new)}
        # A project that follows a branch got some notes before their release. Don't repeat them.
        first = next(iter(found))
        seen = {item.strip() for item in split_notes(self._unreleased(old))}
        items = [item for item in split_notes(found[first]) if item.strip() not in seen]
        found[first] = "\n".join(items).strip()
        sections = [f"### {title}\n\n{text}\n\n" for title, text in found.items() if text]
        return "".join(["## Upgrade notes\n\n", *reversed(sections)]) if sections else ""

    def _unreleased(self, commit: str) -> str:
        """Return the upgrade notes in a commit that were not released yet."""
        latest = self._find_latest(commit)
        if latest and self.are_equal(latest[1], commit):
            return ""
        return self._notes(commit).get("Unreleased", "")

    def _find_latest(self, commit: str) -> tuple[str, str] | None:
        """Find the newest release that a commit contains: its version and its commit."""
        newest_first = reversed(self.releases.items())
        return next((each for each in newest_first if self.contains(commit, each[1])), None)

    def _notes(self, commit: str) -> dict[str, str]:
        """Return the upgrade notes of each version in a commit's CHANGELOG."""
        text = self.read(commit, "CHANGELOG.md")
        parts = re.findall(r"^## \[(.+?)\](.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        notes = r"^### Upgrade notes\n(.*?)(?=^### |\Z)"
        return {
            version: found[1].strip()
            for version, part in parts
            if (found := re.search(notes, part, re.MULTILINE | re.DOTALL))
        }


@cache
def read_history(clone: Path, commit: str) -> frozenset[str]:
    """Read the hashes of a commit and its ancestors."""
    return frozenset(git("rev-list", commit, cwd=clone).split())


def split_notes(text: str) -> list[str]:
    """Split Markdown into paragraphs and list items, which line breaks join again."""
    return re.split(r"\n(?=\n|- )", text)


@dataclass(frozen=True)
class Update:
    """The changes of an update, and their origin."""

    #: The project's last commit.
    base: str
    #: Two commits without a branch. They are `base`, but with the template's old files and with its
    #: new files instead of the project's files.
    old: str
    new: str
    #: The contents of `.cruft.json` before and after.
    before: dict[str, Any]
    after: dict[str, Any]
    #: The options given on the command line.
    answers: dict[str, str]
    #: The versions before and after, and the upgrade notes between them.
    versions: list[str]
    notes: str

    @property
    def names(self) -> list[str]:
        """The files that differ between the commits, relative to the top of the repository."""
        return listed("diff", "--no-renames", "--name-only", "-z", self.old, self.new)

    @property
    def is_empty(self) -> bool:
        """Whether the project is already up to date."""
        recorded = answers_of(self.before).items()
        return not self.names and recorded >= self.answers.items()

    def adds(self, option: str, choice: str) -> bool:
        """Return whether the update switches an option on."""
        before, after = (answers_of(record).get(option) for record in (self.before, self.after))
        return before != choice == after

    def __str__(self) -> str:
        """Describe the update by its template, versions and options."""
        template = re.sub("//[^/@]*@", "//", self.before["template"])  # hides a password
        answers = "".join(f", `{name}={value}`" for name, value in self.answers.items())
        return f"{template}, {' to '.join(dict.fromkeys(self.versions))}{answers}"


@dataclass(frozen=True)
class Merged:
    """A finished merge that was not applied to the project yet."""

    base: str
    outcome: Outcome
    #: The files to change, and the new files among them, relative to the top of the repository.
    names: list[str]
    added: list[str]
    #: The index entries of these and of conflicting files, for `git update-index`.
    before: list[str]
    after: list[str]

    @property
    def report(self) -> str:
        """The files of the outcome, in Markdown."""
        return "\n\n".join(
            "\n".join([title, "", *(f"- `{name}`" for name in self.outcome[kind])])
            for kind, title in KINDS.items()
            if kind in self.outcome
        )


def main() -> int:
    """Run the command line.

    Returns:
        The exit code: 0 if everything is done, 1 if something is left to do.
    """
    parser = argparse.ArgumentParser(description="Update this project from its template.")
    parser.add_argument(
        "options",
        nargs="*",
        metavar="option=value",
        help="change a template option, such as database=postgresql; choose the target with "
        "to=VERSION, to=BRANCH or to=COMMIT",
    )
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--check", action="store_true", help="only check for an update")
    modes.add_argument("--diff", action="store_true", help="only show the changes")
    given = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            # cookiecutter leaves rendered hooks in the temporary folder; delete them too.
            tempfile.tempdir = folder
            return run(given, Path(folder).resolve())
    except RejectedError as error:
        sys.exit(str(error))
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        sys.exit(f"{reason}; nothing was changed")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        tempfile.tempdir = None


def run(given: argparse.Namespace, folder: Path) -> int:
    """Check for an update, show it or apply it, and return the exit code.

    Raises:
        RejectedError: the update is impossible; the project is unchanged.
    """
    top, base = find_repository()
    record = read_record()
    options = dict(map(parse_option, given.options))
    target = options.pop("to", None)
    if not given.check:
        reject_changes(base)
    update = prepare(base, record, target, options, folder)
    if update is None or update.is_empty:
        tell("Up to date with the template.")
        return 0
    if given.check:
        files = f"{len(update.names)} file{'s'[: len(update.names) != 1]}"
        tell(f"An update changes {files} ({update}). Apply it with `uv run update.py`.")
        return 1
    with worktree(folder / "tree", base) as tree:
        merged = merge(update, tree)
        if given.diff:
            tell(git("diff", "--no-color", "--no-ext-diff", "--cached", base, cwd=tree))
        else:
            apply(merged, tree, top)
    if given.diff:
        tell(f"An update would make these changes ({update}).\n\n{update.notes}{merged.report}")
    else:
        tell(f"Updated from the template ({update}).\n\n{update.notes}{merged.report}\n")
        if update.adds("auth", "oidc"):
            tell(report_unguarded())
        if update.adds("telemetry", "opentelemetry"):
            tell(
                "Traces and metrics are sent once `OTEL_EXPORTER_OTLP_ENDPOINT` has the address of "
                "a collector. The page about telemetry shows how to start one with a dashboard.\n"
            )
        if "pyproject.toml" in {Path(name).name for name in merged.names}:
            tell("If dependencies changed, pin them in `requirements.txt` with `make lock`.")
        tell(
            "Review the update with `git diff HEAD`, run the tests and commit it. "
            "`git reset --hard` undoes it, together with all other uncommitted changes."
        )
    return int(not LEFT_TO_DO.keys().isdisjoint(merged.outcome))


def report_unguarded() -> str:
    """Return the next steps after authentication was switched on, in Markdown."""
    text = (
        "Each request needs a token now. Set `AUTH_ISSUER` and `AUTH_AUDIENCE`: without them, the "
        "service doesn't start. For development, copy the new lines of `.env.example` to `.env`.\n"
    )
    names = []
    for path in sorted(PROJECT.glob("src/**/*.py")):
        code = path.read_text(encoding="utf-8", errors="replace")
        if "@Controller(" in code and "requires(" not in code:
            names.append(path.relative_to(PROJECT).as_posix())
    ours = [name for name in names if not name.startswith("src/core/")]
    if ours:
        text += (
            "\nThese controllers ask for no scope yet, so any valid token may use them. Put a line "
            'such as `@UseGuards(requires("orders:read"))` below `@Controller(...)`, or below the '
            "decorator of a route:\n\n"
        )
    return text + "".join(f"- `{name}`\n" for name in ours)


def tell(text: str) -> None:
    """Print text in UTF-8, even if the terminal has another encoding."""
    try:
        sys.stdout.buffer.write(f"{text}\n".encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has read enough. Python flushes stdout again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def git(*arguments: str | Path, cwd: Path = PROJECT, stdin: str = "", **variables: str) -> str:
    """Run git and return its output.

    Raises:
        RejectedError: git is missing or fails; the message is git's reason.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in REDIRECTING}
    try:
        result = subprocess.run(
            ["git", "--literal-pathspecs", *arguments],
            cwd=cwd,
            env=inherited | variables,
            input=stdin.encode("utf-8", "surrogateescape"),
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise RejectedError("git is missing; install it") from None
    if result.returncode:
        said = result.stderr.decode("utf-8", "replace").strip().splitlines() or ["git failed"]
        reasons = [line for line in said if line.startswith(("fatal: ", "error: "))]
        raise RejectedError((reasons or said)[0])
    return result.stdout.decode("utf-8", "surrogateescape")


def listed(*arguments: str | Path, cwd: Path = PROJECT) -> list[str]:
    """Run git with `-z` among its arguments, and return the items that it prints."""
    return git(*arguments, cwd=cwd).split("\0")[:-1]


def find_repository() -> tuple[Path, str]:
    """Find the top of the project's repository, and its last commit.

    Raises:
        RejectedError: there is no repository, or no commit.
    """
    try:
        top = Path(git("rev-parse", "--show-toplevel").rstrip("\n"))
    except RejectedError as error:
        raise RejectedError(f"{error}; run `git init` and commit the project first") from None
    try:
        return top, git("rev-parse", "--verify", "HEAD").strip()
    except RejectedError:
        raise RejectedError("nothing is committed yet; commit the project first") from None


def read_record() -> dict[str, Any]:
    """Read `.cruft.json`.

    Raises:
        RejectedError: it is missing or broken.
    """
    try:
        record = json.loads((PROJECT / RECORD).read_text(encoding="utf-8"))
        if isinstance(record["template"], str) and re.fullmatch("[0-9a-f]{7,64}", record["commit"]):
            answers_of(record).items()
            return dict(record)
    except FileNotFoundError:
        raise RejectedError(
            f"{RECORD} is missing, so the template is unknown; create it with `uvx --with "
            "'typer<0.26' cruft link TEMPLATE --checkout COMMIT`, using the template commit that "
            "the project was generated from"
        ) from None
    except (ValueError, LookupError, TypeError, AttributeError):
        pass
    raise RejectedError(f"{RECORD} is broken; restore an earlier version from `git log {RECORD}`")


def answers_of(record: dict[str, Any]) -> dict[str, Any]:
    """Return the answers in a record."""
    answers: dict[str, Any] = record["context"]["cookiecutter"]
    return answers


def parse_option(text: str) -> tuple[str, str]:
    """Split `option=value`.

    Raises:
        RejectedError: there is no `=`.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise RejectedError(
            f"invalid option {text!r}: write option=value, such as database=postgresql or to=main"
        )
    return name, value


def reject_changes(base: str) -> None:
    """Check that everything is committed, and that `base` is still the last commit.

    Raises:
        RejectedError: a file is not committed, or there is a newer commit.
    """
    if git("rev-parse", "--verify", "HEAD").strip() != base:
        raise RejectedError("HEAD has moved since the update began; run the update again")
    changes = listed("status", "--porcelain", "--untracked-files=normal", "--no-renames", "-z")
    if changes:
        raise RejectedError(
            f"{changes[0][3:]} is not committed; commit it, or stash it with "
            "`git stash --include-untracked`"
        )


def prepare(
    base: str, record: dict[str, Any], target: str | None, options: dict[str, str], folder: Path
) -> Update | None:
    """Render the old and the new template into commits in the project's repository.

    Args:
        base: the project's last commit.
        record: the contents of `.cruft.json`.
        target: the given version, branch or commit, if any.
        options: the given options.
        folder: a folder for temporary files.

    Returns:
        The update, or None if neither the commit nor an option changes.

    Raises:
        RejectedError: an option or the record does not fit the template, or git cannot clone it.
    """
    template = clone(record, folder / "template")
    old = template.find(record["commit"])
    if not old:
        raise RejectedError(
            f"the template has no commit {record['commit']}; set `commit` in {RECORD} to the "
            "commit of the last update"
        )
    new = choose(template, old, record.get("checkout"), target)
    try:
        known = json.loads(template.read(new, "cookiecutter.json"))
    except ValueError as error:
        raise RejectedError(f"the template's cookiecutter.json is broken ({error})") from None
    changed = deepcopy(record)
    answers_of(changed).update(options)
    check_answers(answers_of(changed), options, known)
    if old == new and changed == record:
        return None

    prefix = git("rev-parse", "--show-prefix").rstrip("\n")
    render(template, record, old, folder / "old" / prefix)
    context = render(template, changed, new, folder / "new" / prefix)
    context |= {"_template": record["template"], "_commit": new}
    checkout = record.get("checkout")
    after = record | {
        "commit": new,
        # Forget a tag or a commit, which only chose the project's first version.
        "checkout": checkout if checkout and template.find(f"{BRANCH}{checkout}") else None,
        "context": {"cookiecutter": context},
    }
    before = snapshot(base, folder / "old", prefix)
    return Update(
        base=base,
        old=before,
        new=snapshot(base, folder / "new", prefix, "-p", before),
        before=record,
        after=after,
        answers=options,
        versions=[template.describe(commit) for commit in (old, new)],
        notes=template.upgrade_notes(old, new),
    )


def clone(record: dict[str, Any], folder: Path) -> Template:
    """Clone the template.

    Raises:
        RejectedError: git cannot clone it, or its list of releases is broken.
    """
    try:
        autocrlf = ("--config", "core.autocrlf=false")
        git("clone", "--quiet", *autocrlf, "--", record["template"], folder)
    except RejectedError as error:
        raise RejectedError(
            f"git cannot clone the template ({error}); check `template` in {RECORD} and your "
            "access to it"
        ) from None
    head = git("rev-parse", "HEAD", cwd=folder).strip()
    template = Template(folder, (record.get("directory") or "").strip("/"), head, {})
    try:
        template.releases.update(json.loads(template.read(head, "releases.json") or "{}"))
    except (ValueError, TypeError) as error:
        raise RejectedError(f"the template's releases.json is broken ({error})") from None
    return template


def choose(template: Template, current: str, checkout: str | None, target: str | None) -> str:
    """Choose the commit to update to: the target if one was given, else the recorded checkout.

    Raises:
        RejectedError: there is no such commit, or it is older than the current one.
    """
    found = follow(template, checkout) if target is None else find_target(template, target)
    if not found:
        known = ", ".join([*list(template.releases)[-3:], *branches(template)[:5]])
        raise RejectedError(
            f"invalid to={target}: the template has no such version, branch or commit; choose one "
            f"such as {known}"
        )
    if not template.contains(current, found):
        return found
    if target is None or template.are_equal(found, current):
        return current
    raise RejectedError(
        f"invalid to={target}: it is older than {template.describe(current)}, which this project "
        "has; choose a newer one, or omit `to=`"
    )


def follow(template: Template, checkout: str | None) -> str:
    """Find the newest commit of the branch that the project follows.

    If `checkout` is a tag or a commit, it only chose the project's first version. The project then
    follows the default branch.

    Raises:
        RejectedError: the branch no longer exists.
    """
    if not checkout:
        return template.head
    if branch := template.find(f"{BRANCH}{checkout}"):
        return branch
    if find_target(template, checkout) or re.fullmatch(r"v?\d+(\.\d+)+", checkout):
        return template.head
    raise RejectedError(
        f"the template has no branch {checkout!r}, which `checkout` in {RECORD} names; set it to "
        "another branch, or to null for the default branch"
    )


def find_target(template: Template, name: str) -> str | None:
    """Find the commit of a version, branch, tag or commit."""
    if not re.fullmatch(r"[\w./+#@-]+", name) or ".." in name:
        return None  # git would parse it as an expression
    version = template.releases.get(name.removeprefix("v"))
    names = [version] if version else []
    names += [f"{BRANCH}{name}", f"refs/tags/{name}", f"refs/tags/v{name}"]
    if re.fullmatch("[0-9a-f]{4,64}", name):
        names.append(name)
    return template.find(*names)


def branches(template: Template) -> list[str]:
    """List the template's branches."""
    form = ("--format=%(refname:strip=3)", BRANCH)
    names = git("for-each-ref", *form, cwd=template.clone).split("\n")
    return [name for name in names if name not in {"", "HEAD"}]


def check_answers(answers: dict[str, Any], given: dict[str, str], known: dict[str, Any]) -> None:
    """Check that the template has the given options and the chosen values.

    Raises:
        RejectedError: an option or a value doesn't exist.
    """
    public = [name for name in known if not name.startswith("_")]
    for name in given:
        if name not in public:
            raise RejectedError(f"unknown option {name!r}: choose {', '.join(public)} or to")
    for name in public:
        choices = known[name]
        if isinstance(choices, list) and name in answers and answers[name] not in choices:
            raise RejectedError(
                f"invalid {name} {answers[name]!r}: choose {', '.join(choices)}, such as "
                f"{name}={choices[0]}"
            )


def render(template: Template, record: dict[str, Any], commit: str, folder: Path) -> dict[str, Any]:
    """Render a commit of the template, without the paths that the project skips.

    Args:
        template: the clone; the commit is checked out.
        record: the record with the answers; the template's private variables in it are ignored.
        commit: the commit to render.
        folder: the folder for the project's files, which must not exist yet.

    Returns:
        The context, including private variables.

    Raises:
        RejectedError: the template can't be rendered; the message has a hook's own reason.
    """
    # Imported lazily: cookiecutter takes long to import, and most rejections come before.
    from cookiecutter.exceptions import CookiecutterException, FailedHookException  # noqa: PLC0415
    from cookiecutter.main import cookiecutter  # noqa: PLC0415
    from jinja2 import TemplateError  # noqa: PLC0415

    git("checkout", "--quiet", "--force", "--detach", commit, cwd=template.clone)
    source = template.clone / template.inside
    work = Path(tempfile.mkdtemp())
    # Ignore the user's ~/.cookiecutterrc, which could answer new options. cookiecutter writes the
    # context of each run into the replay folder.
    config = {"default_context": {}, "replay_dir": str(work), "cookiecutters_dir": str(work)}
    (work / "config.yaml").write_text(json.dumps(config), encoding="utf-8")
    answers = {name: value for name, value in answers_of(record).items() if name[:1] != "_"}
    with tempfile.TemporaryFile() as said:
        try:
            with hooks_printing_to(said.fileno()):
                rendered = cookiecutter(
                    str(source),
                    no_input=True,
                    extra_context=answers,
                    output_dir=str(work / "output"),
                    config_file=str(work / "config.yaml"),
                )
        except (CookiecutterException, TemplateError, ValueError) as error:
            reason = str(error) or type(error).__name__
            if isinstance(error, FailedHookException):
                said.seek(0)
                reason = said.read().decode("utf-8", "replace").strip() or reason
            raise RejectedError(
                f"the template cannot be rendered: {reason.splitlines()[0]}"
            ) from None
    project = Path(rendered)
    # The hook recorded the temporary clone, so delete that record.
    (project / RECORD).unlink(missing_ok=True)
    remove_skipped(project, record)
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(project, folder)
    replay = json.loads((work / f"{source.name}.json").read_text(encoding="utf-8"))
    context: dict[str, Any] = replay["cookiecutter"]
    for name in ("_template", "_output_dir", "_repo_dir", "_checkout"):
        context.pop(name, None)  # paths of this run
    return context


def remove_skipped(folder: Path, record: dict[str, Any]) -> None:
    """Remove the paths that updates skip, like cruft.

    They are listed in `skip` under [tool.cruft] in pyproject.toml, or in `skip` of the record.

    Raises:
        RejectedError: pyproject.toml is broken.
    """
    try:
        text = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
        skip = tomllib.loads(text).get("tool", {}).get("cruft", {}).get("skip", [])
    except FileNotFoundError:
        skip = []
    except (ValueError, AttributeError) as error:
        raise RejectedError(f"pyproject.toml is broken ({error}); fix it") from None
    for pattern in skip if isinstance(skip, list) else [skip]:
        if pattern is skip or not isinstance(pattern, str) or Path(pattern).is_absolute():
            raise RejectedError(
                f"invalid skip {pattern!r} under [tool.cruft] in pyproject.toml: list relative "
                "paths"
            )
    for pattern in [*skip, *(record.get("skip") or [])]:
        for path in list(folder.glob(pattern)) if "*" in pattern else [folder / pattern]:
            if folder not in Path(os.path.normpath(path)).parents:
                continue  # outside of the project
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def hooks_printing_to(file: int) -> Iterator[None]:
    """Redirect the output of the template's hooks to a file, and tell them that it's an update."""
    sys.stdout.flush()
    kept = {stream: os.dup(stream) for stream in (1, 2)}
    for stream in kept:
        os.dup2(file, stream)
    os.environ[UPDATING] = "1"
    try:
        yield
    finally:
        del os.environ[UPDATING]
        for stream, copy in kept.items():
            os.dup2(copy, stream)
            os.close(copy)


def snapshot(base: str, tree: Path, prefix: str, *parent: str) -> str:
    """Create a commit that equals `base`, but with a folder's files instead of the project's.

    Args:
        base: the project's last commit.
        tree: the folder. The project has the same path in it as in the repository.
        prefix: that path.
        parent: options for `git commit-tree` that name a parent, if any.

    Returns:
        The commit, which is not on a branch.
    """
    place = {
        "GIT_DIR": git("rev-parse", "--absolute-git-dir").rstrip("\n"),
        "GIT_WORK_TREE": str(tree),
        "GIT_INDEX_FILE": f"{tree}.index",
    }
    git("read-tree", base, cwd=tree, **place)
    git(*LENIENT, "add", "--all", "--force", "--", f"./{prefix}", cwd=tree, **place)
    written = git("write-tree", cwd=tree, **place).strip()
    message = "Update from the template"
    return git("commit-tree", *parent, "-m", message, written, cwd=tree, **place, **AUTHOR).strip()


@contextlib.contextmanager
def worktree(folder: Path, base: str) -> Iterator[Path]:
    """Check out a commit into a temporary folder."""
    git("-c", "core.hooksPath=/dev/null", "worktree", "add", "--quiet", "--detach", folder, base)
    try:
        yield folder
    finally:
        # If the folder can't be removed, the update must not fail.
        with contextlib.suppress(RejectedError):
            git("worktree", "remove", "--force", folder)


def merge(update: Update, tree: Path) -> Merged:
    """Merge an update and its record in a temporary work tree.

    Raises:
        RejectedError: git cannot merge it.
    """
    try:
        git(*MERGE, "cherry-pick", "--no-commit", update.new, cwd=tree)
    except RejectedError:
        if not listed("ls-files", "--unmerged", "-z", cwd=tree):
            raise
    entries: dict[str, list[str]] = {}
    for entry in listed("ls-files", "--unmerged", "-z", cwd=tree):
        entries.setdefault(entry.partition("\t")[2], []).append(entry)
    outcome: Outcome = {}
    for name, found in entries.items():
        numbers = "".join(entry.partition("\t")[0][-1] for entry in found)
        outcome.setdefault(STAGES.get(numbers, "conflict"), []).append(name)
    if dropped := outcome.get("dropped"):
        git("rm", "--quiet", "--force", "--", *dropped, cwd=tree)
        entries = {name: found for name, found in entries.items() if name not in dropped}
    shown = ("--cached", "--no-renames", "--name-status", "-z")
    changes = iter(listed("diff", *shown, update.base, cwd=tree))
    for kind, name in zip(changes, changes, strict=True):
        outcome.setdefault(kind, []).append(name)

    record = tree / git("rev-parse", "--show-prefix").rstrip("\n") / RECORD
    # ASCII only, because cruft reads the record with the system's encoding.
    record.write_bytes(f"{json.dumps(update.after, indent=2)}\n".encode("ascii"))
    git(*LENIENT, "add", "--force", "--", record, cwd=tree)
    git(*LENIENT, "add", "--update", cwd=tree)
    result = git("write-tree", cwd=tree).strip()

    before: dict[str, str] = {}
    after: list[str] = []
    added: list[str] = []
    pairs = iter(listed("diff-tree", "-r", "--no-renames", "-z", update.base, result, cwd=tree))
    for about, name in zip(pairs, pairs, strict=True):
        old_mode, new_mode, old, new, kind = about.removeprefix(":").split(" ")
        before[name] = f"{old_mode} {old}\t{name}"
        after.append(f"{new_mode} {new}\t{name}")
        if kind == "A":
            added.append(name)
    names = list(before)
    for name, stages in entries.items():
        absent = f"0 {'0' * len(result)}\t{name}"
        mine = [entry.replace(" 2\t", "\t", 1) for entry in stages if " 2\t" in entry]
        before.setdefault(name, *(mine or [absent]))
        after += [absent, *stages]
    return Merged(update.base, outcome, names, added, list(before.values()), after)


def apply(merged: Merged, tree: Path, top: Path) -> None:
    """Apply a merge to the project's files and index, completely or not at all.

    An editor may save a file at any moment, so no step overwrites a file. Each old file is moved
    aside and then compared with the file that was merged. Each new file is created exclusively.

    Raises:
        RejectedError: a file was saved during the update, or is in the way; it is kept.
    """
    targets = {top / name: tree / name for name in merged.names}
    seen = {target: read_state(target) for target in targets}
    reject_changes(merged.base)
    reject_hidden(merged.names, top)
    reject_obstacles(merged, top)
    suffix = secrets.token_hex(4)
    aside: dict[Path, Path] = {}
    created: dict[Path, Path] = {}
    try:
        stage(merged.after, top)
        # Deletions first: a folder may take the place of a file.
        for target in sorted(targets, key=lambda target: os.path.lexists(targets[target])):
            with rejected_if_saved(target, top):
                if seen[target]:
                    kept = target.with_name(f".{target.name}.{suffix}")
                    aside[target] = kept
                    target.rename(kept)
                    expect(kept, seen[target])
                if os.path.lexists(targets[target]):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    create(targets[target], target)
                    created[target] = targets[target]
        for target, kept in aside.items():
            with rejected_if_saved(target, top):
                # An editor that had the file open may have written to it since.
                expect(kept, seen[target])
    except BaseException:
        take_back(aside, created, top)
        # If `index.lock` is the reason, the index has not changed.
        with contextlib.suppress(RejectedError):
            stage(merged.before, top)
        raise
    for target, kept in aside.items():
        with contextlib.suppress(OSError):
            kept.unlink()
            prune(target, top)


@contextlib.contextmanager
def rejected_if_saved(target: Path, top: Path) -> Iterator[None]:
    """Reject the update if a file was created, changed or deleted."""
    try:
        yield
    except (FileExistsError, FileNotFoundError):
        raise RejectedError(
            f"{target.relative_to(top).as_posix()} was saved during the update, which was undone; "
            "commit the file and run the update again"
        ) from None


def reject_hidden(names: list[str], top: Path) -> None:
    """Check that git does not hide changes to the files that an update changes.

    Raises:
        RejectedError: a file is marked as skip-worktree or assume-unchanged.
    """
    for entry in listed("ls-files", "-v", "-z", "--", *names, cwd=top):
        mark, _, name = entry.partition(" ")
        if mark == "S" or mark.islower():
            raise RejectedError(
                f"git ignores changes to {name}; run `git update-index --no-skip-worktree "
                f"--no-assume-unchanged {name}` and commit the changes"
            )


def reject_obstacles(merged: Merged, top: Path) -> None:
    """Check that no untracked file or link is in the way of a new file.

    Raises:
        RejectedError: there is a file, or a link instead of a folder.
    """
    for name in merged.added:
        target = top / name
        found = [target] if os.path.lexists(target) else []
        for folder in target.parents[: len(Path(name).parents) - 1]:
            # The update may replace a file with a folder.
            deleted = folder.relative_to(top).as_posix() in merged.names
            if (folder.is_symlink() or folder.is_file()) and not deleted:
                found.append(folder)
        for path in found:
            raise RejectedError(
                f"{path.relative_to(top).as_posix()} is in the way of the template's {name}, and "
                "git does not track it; move it, or add it to `skip` under [tool.cruft] in "
                "pyproject.toml"
            )


def stage(entries: list[str], top: Path) -> None:
    """Write entries to the index.

    Raises:
        RejectedError: git can't write the index within `LOCK_TIMEOUT`.
    """
    end = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            lines = "".join(f"{entry}\0" for entry in entries)
            git("update-index", "-z", "--index-info", cwd=top, stdin=lines)
        except RejectedError as error:
            if "index.lock" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def read_state(path: Path) -> tuple[int, bytes] | None:
    """Return a file's mode and content, or a link's mode and target, or None if it is missing."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return mode, os.fsencode(path.readlink())
        return mode, path.read_bytes() if stat.S_ISREG(mode) else b""
    except (FileNotFoundError, NotADirectoryError):
        return None


def expect(path: Path, state: tuple[int, bytes] | None) -> None:
    """Check that a file still has the given state.

    Raises:
        FileExistsError: the file has changed.
    """
    if read_state(path) != state:
        raise FileExistsError(path)


def create(source: Path, target: Path) -> None:
    """Copy a file or a link, without overwriting anything.

    Raises:
        FileExistsError: the target exists.
    """
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    content = source.read_bytes()
    with target.open("xb") as file:
        try:
            file.write(content)
        except BaseException:
            target.unlink()
            raise
    shutil.copymode(source, target)


def take_back(aside: dict[Path, Path], created: dict[Path, Path], top: Path) -> None:
    """Undo the update's changes to files, but keep files that were saved since.

    Args:
        aside: the old files that were moved aside, by their original paths.
        created: the sources of the new files, by their paths.
        top: the top of the repository.
    """
    for target, source in created.items():
        with contextlib.suppress(OSError):
            mine = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
            target.rename(mine)
            if read_state(mine) == read_state(source):
                mine.unlink()
            else:
                restore(mine, target)
            prune(target, top)
    for target, kept in aside.items():
        with contextlib.suppress(OSError):
            restore(kept, target)


def restore(kept: Path, target: Path) -> None:
    """Move a file back, unless a newer one was saved in its place."""
    with contextlib.suppress(FileExistsError):
        create(kept, target)
    kept.unlink()


def prune(target: Path, top: Path) -> None:
    """Remove folders that are empty after a file was deleted."""
    for folder in target.parents:
        if folder == top or os.path.lexists(target):
            return
        try:
            folder.rmdir()
        except OSError:
            return


if __name__ == "__main__":
    # Treat SIGTERM like Ctrl-C: an interrupted update is undone.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
