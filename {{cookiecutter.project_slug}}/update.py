# /// script
# requires-python = ">=3.10"
# dependencies = [
#     "cookiecutter>=2.7,<3",
#     "cruft==2.16.0",
#     "gitpython>=3.1,<4",
#     # cruft breaks with newer ones.
#     "click>=8,<9",
#     "typer>=0.15,<0.26",
# ]
# ///
"""Update this project from its template: `uv run update.py`, as the README says.

cruft renders the template twice, as this project last saw it and as it is now, and git merges the
difference as it merges a branch. `cruft update` itself applies a patch: one file that does not take
it can keep it from all the others, and a conflict counts as success.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent
#: Where cruft keeps what template the project is from, which commit of it, and the answers.
RECORD = ".cruft.json"

#: The merge is the same whatever the user has set for others.
MERGE = ["-c", "merge.directoryRenames=false", "-c", "merge.renames=true", "-c", "rerere.enabled=0"]
#: Take the line ends that cruft writes.
LENIENT = ["-c", "core.safecrlf=false"]
AUTHOR = {
    f"GIT_{who}_{what}": "template" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}

#: What a merge may do to a file: the first of them leave something to do.
LEFT_TO_DO = {
    "conflict": "Conflicts. Choose between `<<<<<<<` and `>>>>>>>`, then `git add` the file:",
    "renamed": (
        "Renamed by you and by the template. `git add` what is to stay, `git rm` what is not:"
    ),
    "kept": (
        "Deleted by the template, but changed by you. `git add` what is to stay, `git rm` what is "
        "not:"
    ),
}
KINDS = LEFT_TO_DO | {
    "dropped": "Deleted by you, but changed by the template. They stay deleted:",
    "M": "Changed:",
    "A": "Added:",
    "D": "Deleted:",
}
#: Where git could not merge, by who has the file: 1 is what both had, 2 the user, 3 the template.
STAGES = {"12": "kept", "13": "dropped", "1": "renamed", "2": "renamed", "3": "renamed"}

#: What a merge did: the files of each kind, as paths from the repository's top.
Outcome = dict[str, list[str]]


class RefusedError(Exception):
    """An update that cannot be made; the message is one line that says why and what would work."""


@dataclass(frozen=True)
class Update:
    """What the template brings."""

    #: Two commits, of no branch: the project's last one, with the files of the template as they
    #: were in place of the project's, and as they are.
    old: str
    new: str
    #: What `.cruft.json` says before and after.
    before: dict[str, Any]
    after: dict[str, Any]
    #: The answers that were given.
    answers: dict[str, str]

    @property
    def names(self) -> list[str]:
        """The files in which the two commits differ, from the repository's top."""
        return listed("diff", "--no-renames", "--name-only", "-z", self.old, self.new)

    @property
    def is_empty(self) -> bool:
        """Whether the project has it all."""
        recorded = answers_of(self.before).items()
        return not self.names and recorded >= self.answers.items()

    def __str__(self) -> str:
        """Say from where to where it goes."""
        template = re.sub("//[^/@]*@", "//", self.before["template"])  # no password
        answers = "".join(f", `{name}={value}`" for name, value in self.answers.items())
        commits = [f"`{record['commit'][:7]}`" for record in (self.before, self.after)]
        return f"{template}, {' to '.join(dict.fromkeys(commits))}{answers}"


def report(outcome: Outcome) -> str:
    """List the files of an outcome, in Markdown."""
    return "\n\n".join(
        "\n".join([title, "", *(f"- `{name}`" for name in outcome[kind])])
        for kind, title in KINDS.items()
        if kind in outcome
    )


def main() -> int:
    """Do what the command line asks for, and tell of it.

    Returns:
        The exit code: 0 where all is done, 1 where something is left to do.
    """
    parser = argparse.ArgumentParser(description="Update this project from its template.")
    parser.add_argument(
        "answers",
        nargs="*",
        metavar="option=value",
        help="answer an option of the template anew, such as database=postgresql",
    )
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--check", action="store_true", help="only say whether there is an update")
    modes.add_argument("--diff", action="store_true", help="only show what would change")
    given = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            # Cookiecutter leaves its copies of hooks behind.
            tempfile.tempdir = folder
            return run(given, Path(folder).resolve())
    except RefusedError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}; nothing is changed")


def run(given: argparse.Namespace, folder: Path) -> int:
    """Do what was asked for, and tell of it.

    Args:
        given: the arguments of the command.
        folder: for what is needed on the way; empty.

    Returns:
        The exit code.

    Raises:
        RefusedError: it cannot be; the project is as it was.
    """
    top = find_repository()
    record = read_record()
    if not given.check:
        refuse_changes()
    update = prepare(record, dict(map(parse_answer, given.answers)), folder)
    if update.is_empty:
        tell("Up to date with the template.")
        return 0
    if given.check:
        tell(f"There is an update of {len(update.names)} files ({update}): `uv run update.py`")
        return 1
    refuse_obstacles(update, top)
    if given.diff:
        with worktree(folder / "tree") as tree:
            outcome = merge(update, tree)
            git("add", "--all", cwd=tree)
            tell(git("diff", "--cached", "--no-color", "--no-ext-diff", "HEAD", cwd=tree))
        tell(f"This is what an update would change ({update}).\n\n{report(outcome)}")
    else:
        outcome = merge(update, top)
        tell(f"Updated from the template ({update}).\n\n{report(outcome)}\n")
        if "pyproject.toml" in {Path(name).name for names in outcome.values() for name in names}:
            tell("Where dependencies changed, `make lock` pins them in `requirements.txt`.")
        tell(
            "Look at it with `git diff HEAD`, test and commit; or undo it with `git reset --hard`."
        )
    return int(not LEFT_TO_DO.keys().isdisjoint(outcome))


def tell(text: str) -> None:
    """Print text, in UTF-8 wherever it goes."""
    sys.stdout.buffer.write(f"{text}\n".encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def git(*arguments: str | Path, cwd: Path = PROJECT, **variables: str) -> str:
    """Run git, and return what it prints.

    Raises:
        RefusedError: it is missing or fails; with what it says of the reason.
    """
    command = ["git", "--literal-pathspecs", *arguments]
    try:
        result = subprocess.run(
            command, cwd=cwd, env=os.environ | variables, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise RefusedError("git is missing; install it") from None
    if result.returncode:
        said = result.stderr.decode("utf-8", "replace").strip().splitlines() or ["git failed"]
        reasons = [line for line in said if line.startswith(("fatal: ", "error: "))]
        raise RefusedError((reasons or said)[0])
    return result.stdout.decode("utf-8", "surrogateescape")


def listed(*arguments: str | Path, cwd: Path = PROJECT) -> list[str]:
    """Run git, and return the items of the list that it prints with `-z`."""
    return git(*arguments, cwd=cwd).split("\0")[:-1]


def find_repository() -> Path:
    """Find the top of the repository that the project is in.

    Raises:
        RefusedError: it is in none.
    """
    try:
        return Path(git("rev-parse", "--show-toplevel").rstrip("\n"))
    except RefusedError as error:
        raise RefusedError(f"{error}; put the project into a repository, and commit it") from None


def read_record() -> dict[str, Any]:
    """Read `.cruft.json`.

    Raises:
        RefusedError: it is missing or broken.
    """
    try:
        record = json.loads((PROJECT / RECORD).read_text(encoding="utf-8"))
        if isinstance(record["template"], str) and re.fullmatch("[0-9a-f]{7,64}", record["commit"]):
            answers_of(record).items()
            return dict(record)
    except FileNotFoundError:
        raise RefusedError(
            f"{RECORD} is missing, which says where the template is; make it with "
            "`uvx --with 'typer<0.26' cruft link TEMPLATE --checkout COMMIT`, of the commit that "
            "the project was made from"
        ) from None
    except (ValueError, LookupError, TypeError, AttributeError):
        pass
    raise RefusedError(
        f"{RECORD} is broken; take the last one that was right, as `git log {RECORD}` has it"
    )


def answers_of(record: dict[str, Any]) -> dict[str, Any]:
    """Find the answers in a record."""
    answers: dict[str, Any] = record["context"]["cookiecutter"]
    return answers


def parse_answer(text: str) -> tuple[str, str]:
    """Split `option=value`.

    Raises:
        RefusedError: it is something else.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise RefusedError(f"{text!r} is no answer; give one such as database=postgresql")
    return name, value


def refuse_changes() -> None:
    """See that the repository has nothing but what is committed.

    Raises:
        RefusedError: there is something else, or nothing at all.
    """
    try:
        git("rev-parse", "--verify", "HEAD")
    except RefusedError:
        raise RefusedError("nothing is committed yet; commit the project first") from None
    changes = listed("status", "--porcelain", "--untracked-files=normal", "--no-renames", "-z")
    if changes:
        raise RefusedError(
            f"not all is committed, such as {changes[0][3:]}; commit it, or put it aside with "
            "`git stash --include-untracked`"
        )


def refuse_obstacles(update: Update, top: Path) -> None:
    """See that no file which git does not track is where the template's are.

    Raises:
        RefusedError: one is, which a merge would write over.
    """
    for name in update.names and listed("ls-files", "--others", "-z", "--", *update.names, cwd=top):
        raise RefusedError(
            f"{name} is in the way of the template's, and git does not track it; move it, or list "
            "it in pyproject.toml, under [tool.cruft], in skip"
        )


def prepare(record: dict[str, Any], answers: dict[str, str], folder: Path) -> Update:
    """Render the template as it was and as it is, into commits of the project's repository.

    Args:
        record: what `.cruft.json` says.
        answers: the answers that were given.
        folder: for what is needed on the way.

    Raises:
        RefusedError: an answer or the record does not fit the template, or it cannot be had.
    """
    template = folder / "template"
    try:
        git(
            *("clone", "--quiet", "--config", "core.autocrlf=false", "--"),
            *(record["template"], template),
        )
    except RefusedError as error:
        raise RefusedError(
            f"the template cannot be cloned ({error}); see what {RECORD} says of it, and whether "
            "you may read that"
        ) from None
    try:
        git("cat-file", "commit", record["commit"], cwd=template)
    except RefusedError:
        raise RefusedError(
            f"the template has no commit {record['commit']} any more; set `commit` in {RECORD} to "
            "the one that the project was last updated to"
        ) from None
    commit = git("rev-parse", "HEAD", cwd=template).strip()
    inside = record.get("directory") or ""
    try:
        options = json.loads((template / inside / "cookiecutter.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RefusedError(f"the template cannot be read ({error})") from None
    changed = deepcopy(record)
    answers_of(changed).update(answers)
    check_answers(answers_of(changed), answers, options)

    prefix = git("rev-parse", "--show-prefix").rstrip("\n")
    render(template, record, record["commit"], folder / "old" / prefix)
    context = render(template, changed, commit, folder / "new" / prefix)
    old = snapshot(folder / "old", prefix)
    new = snapshot(folder / "new", prefix, "-p", old)
    after = record | {"commit": commit, "checkout": None, "context": context}
    return Update(old, new, record, after, answers)


def check_answers(answers: dict[str, Any], given: dict[str, str], options: dict[str, Any]) -> None:
    """See that the template has the options that were given, and all of the choices.

    Raises:
        RefusedError: it has not.
    """
    public = [name for name in options if not name.startswith("_")]
    for name in given:
        if name not in public:
            raise RefusedError(f"there is no option {name!r}; there are {', '.join(public)}")
    for name in public:
        choices = options[name]
        if isinstance(choices, list) and name in answers and answers[name] not in choices:
            raise RefusedError(
                f"{name}: {answers[name]!r} is no choice; give one of {', '.join(choices)}, such "
                f"as {name}={choices[0]}"
            )


def render(template: Path, record: dict[str, Any], commit: str, folder: Path) -> dict[str, Any]:
    """Render a commit of the template, less what the project has cruft skip.

    Returns:
        The answers, as cruft keeps them.

    Raises:
        RefusedError: it cannot be rendered.
    """
    # Here, since they are slow, and fail where git is missing.
    from click import ClickException  # noqa: PLC0415
    from cookiecutter.exceptions import CookiecutterException  # noqa: PLC0415
    from cruft._commands.utils.generate import cookiecutter_template  # noqa: PLC0415
    from git import Repo  # noqa: PLC0415
    from jinja2 import TemplateError  # noqa: PLC0415

    with tempfile.TemporaryFile() as said, Repo(template) as repository:
        try:
            with silence(said.fileno()):
                return dict(
                    cookiecutter_template(
                        folder, repository, deepcopy(record), PROJECT, checkout=commit
                    )
                )
        except ValueError as error:
            raise RefusedError(
                f"pyproject.toml or {RECORD} cannot be read or does not fit the template ({error})"
            ) from None
        except (ClickException, CookiecutterException, TemplateError) as error:
            said.seek(0)
            hook = said.read().decode("utf-8", "replace")
            reason = (hook or str(error) or type(error).__name__).strip().splitlines()[0]
            raise RefusedError(f"the template cannot be rendered: {reason}") from None


@contextlib.contextmanager
def silence(file: int) -> Iterator[None]:
    """Have what is printed, by the template's hooks too, go to a file."""
    kept = {stream: os.dup(stream) for stream in (1, 2)}
    for stream in kept:
        os.dup2(file, stream)
    try:
        yield
    finally:
        for stream, copy in kept.items():
            os.dup2(copy, stream)
            os.close(copy)


def snapshot(tree: Path, prefix: str, *parent: str) -> str:
    """Commit what the project's last commit has, with a folder's files in place of the project's.

    Args:
        tree: the folder, with the project where it is in the repository.
        prefix: where that is.
        parent: an option of `git commit-tree`.

    Returns:
        The commit, which no branch has.
    """
    place = {
        "GIT_DIR": git("rev-parse", "--absolute-git-dir").rstrip("\n"),
        "GIT_WORK_TREE": str(tree),
        "GIT_INDEX_FILE": f"{tree}.index",
    }
    git("read-tree", "HEAD", cwd=tree, **place)
    git(*LENIENT, "add", "--all", "--force", "--", f"./{prefix}", cwd=tree, **place)
    written = git("write-tree", cwd=tree, **place).strip()
    message = "Update from the template"
    return git("commit-tree", *parent, "-m", message, written, cwd=tree, **place, **AUTHOR).strip()


@contextlib.contextmanager
def worktree(folder: Path) -> Iterator[Path]:
    """Check out the project's last commit into a folder, for the time being."""
    git("-c", "core.hooksPath=/dev/null", "worktree", "add", "--quiet", "--detach", folder, "HEAD")
    try:
        yield folder
    finally:
        git("worktree", "remove", "--force", folder)


def merge(update: Update, tree: Path) -> Outcome:
    """Merge an update into the files of the repository, and record it.

    Args:
        update: what to merge.
        tree: the top of the repository's work tree, or of another one.

    Raises:
        RefusedError: it cannot be; all is as it was.
    """
    prefix = git("rev-parse", "--show-prefix").rstrip("\n")
    try:
        try:
            # It writes no commit, but the message of the next one.
            git(*MERGE, "cherry-pick", "--no-commit", update.new, cwd=tree)
        except RefusedError:
            if not listed("ls-files", "--unmerged", "-z", cwd=tree):
                raise
        stages: dict[str, str] = {}
        for entry in listed("ls-files", "--unmerged", "-z", cwd=tree):
            about, _, name = entry.partition("\t")
            stages[name] = stages.get(name, "") + about[-1]
        outcome: Outcome = {}
        for name, stage in stages.items():
            outcome.setdefault(STAGES.get(stage, "conflict"), []).append(name)
        if "dropped" in outcome:
            git("rm", "--quiet", "--force", "--", *outcome["dropped"], cwd=tree)
        shown = ("--cached", "--no-renames", "--name-status", "-z")
        changes = iter(listed("diff", *shown, "HEAD", cwd=tree))
        for kind, name in zip(changes, changes, strict=True):
            outcome.setdefault(kind, []).append(name)
        written = tree / prefix / RECORD
        text = json.dumps(update.after, ensure_ascii=False, indent=2, separators=(",", ": "))
        written.write_bytes(f"{text}\n".encode())
        git(*LENIENT, "add", "--force", "--", written, cwd=tree)
    except BaseException:
        git("reset", "--hard", "--quiet", cwd=tree)
        raise
    return outcome


if __name__ == "__main__":
    sys.exit(main())
