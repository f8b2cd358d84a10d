"""Remove folders left empty, record the template for updates, and print the next steps on stderr.

Files that some answers don't need have conditional names, which render empty. This hook deletes
no file: an owner may have one of that name.

Runs in every update too, under the Python of cookiecutter or cruft, which may be 3.9. So it uses
the standard library only, stays offline and prints nothing on stdout. It also avoids imports that
are slow, such as pathlib.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys

RECORD = ".cruft.json"
#: The parts of the template that reach a project.
SOURCES = ("cookiecutter.json", "hooks", "templates", "*cookiecutter.project_slug*")
#: The keys in which cookiecutter describes its own run.
OF_THE_RUN = ("_template", "_output_dir", "_repo_dir", "_checkout")


def is_update(answers: dict[str, object]) -> bool:
    """Tell whether an update renders this project, to compare it with another."""
    # A project's update.py sets this variable.
    if "PYNEST_ASYNC_UPDATE" in os.environ:
        return True
    # cruft says nothing about it, but renders updates into a `tempfile.TemporaryDirectory`.
    if "_commit" not in answers:
        return False
    import tempfile  # noqa: PLC0415  # Slow, and only cruft needs it.

    parent, name = os.path.split(os.path.dirname(os.getcwd()))
    return bool(re.fullmatch(r"tmp\w{8}", name)) and os.path.samefile(parent, tempfile.gettempdir())


def remove_empty_folders() -> None:
    """Remove the folders in which every file has a name that rendered empty."""
    if os.path.exists(RECORD):
        return  # The project was created before: its owner may need an empty folder.
    for folder, _, _ in os.walk(".", topdown=False):
        # Git keeps empty folders in a new repository.
        if ".git" not in folder.split(os.sep):
            with contextlib.suppress(OSError):
                os.rmdir(folder)  # Fails if the folder is not empty.


def git(folder: str, *arguments: str) -> str:
    """Run git on the repository that a folder is in, even if a git hook started this process."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}
    }
    command = ["git", "--no-optional-locks", "-C", folder, *arguments]
    output = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    return os.fsdecode(output)


def find_template(run: dict[str, str]) -> str:
    """Find the template's folder, whose path may be relative to cookiecutter's own folder."""
    starts = (run["_output_dir"], os.environ.get("PWD", ""))
    folders = [os.path.join(start, run["_repo_dir"]) for start in starts]
    found = (path for path in folders if os.path.isfile(os.path.join(path, "cookiecutter.json")))
    return next(found, folders[0])


def find_url(folder: str, top: str, run: dict[str, str]) -> str:
    """Find the address that git can clone: an absolute path if the template was given by path."""
    origin = ""
    if not run["_repo_dir"].startswith(run["_template"]):
        # Read from the configuration: `git remote get-url` applies the user's `url.*.insteadOf`.
        origin = git(folder, "config", "--default", "", "remote.origin.url").rstrip("\n")
    if not origin:
        return os.path.normpath(top)
    path = origin.removeprefix("file://")
    # Without a password or a token, since the record is committed. Git asks its credential helper.
    return path if os.path.isdir(path) else re.sub(r"^(https?://)[^/]*@", r"\1", origin)


def make_record(answers: dict[str, object]) -> tuple[dict[str, object], bool]:
    """Make the record that `cruft create` would write.

    Returns:
        The record, and whether its commit holds all that the project was made from.

    Raises:
        OSError: git is not installed.
        subprocess.CalledProcessError: git knows no commit of the template.
    """
    run = {name: answers.pop(name) for name in OF_THE_RUN}
    folder = find_template(run)
    asked = ("--show-toplevel", "--show-prefix", "HEAD", "HEAD:./cookiecutter.json")
    top, prefix, commit, *_ = git(folder, "rev-parse", *asked).split("\n")
    url = find_url(folder, top, run)
    record = {
        "template": url,
        "commit": commit,
        "checkout": run["_checkout"],
        "context": {"cookiecutter": {**answers, "_template": url, "_commit": commit}},
        "directory": prefix.rstrip("/") or None,
    }
    return record, not git(folder, "status", "--porcelain", "--", *SOURCES)


def record_template(answers: dict[str, object]) -> str:
    """Record the template; if that is impossible, return the reason and the command for later."""
    record: dict[str, object] = {}
    try:
        record, clean = make_record(answers)
    except OSError:
        return advice(answers, "git is not installed", record)
    except subprocess.CalledProcessError:
        return advice(answers, "git knows no commit of it", record)
    if not clean:
        return advice(answers, "it has changes that are not committed", record)
    text = json.dumps(record, indent=2) + "\n"
    # In ASCII, because cruft reads the file in the encoding of the system.
    with open(RECORD, "wb") as file:
        file.write(text.encode("ascii"))
    return ""


def advice(answers: dict[str, object], reason: str, record: dict[str, object]) -> str:
    """Say why the template is not recorded, and which command records it later."""
    given = {name: answer for name, answer in answers.items() if not name.startswith("_")}
    command = ["uvx", "cruft", "link", record.get("template", "URL"), "--checkout", "COMMIT"]
    if record.get("directory"):
        command += ["--directory", record["directory"]]
    command += ["--no-input", "--extra-context", json.dumps(given)]
    known = "COMMIT with" if record else "URL and COMMIT with the template's address and"
    return f"""
The template is not recorded for updates: {reason}. To link it later,
replace {known} the commit you used, and run in the project:

    {shlex.join(command)}
"""


def next_steps() -> str:
    """Say what to do first in the new project."""
    project = os.getcwd()
    parent, name = os.path.split(project)
    folder = name if parent == os.environ.get("PWD") else project
    return f"""
Your project is in {folder}.
Commit it before you edit it, so that updates from the template can be merged:

    cd {shlex.quote(folder)}
    git init
    git add .
    git commit -m "Start from the template"

Then run it and its tests. README.md has the commands without make:

    make run
    make test
"""


def main(answers: dict[str, object]) -> None:
    """Complete a new project; an update needs no record of its own and no next steps."""
    remove_empty_folders()
    if is_update(answers):
        return
    # Under cruft, which writes the record itself, `_commit` is defined.
    unrecorded = "" if "_commit" in answers else record_template(answers)
    print(next_steps() + unrecorded, file=sys.stderr)


# JSON escapes the quotes in an answer, so that three in a row cannot end the string. The list of
# pairs keeps the order of the options, which `jsonify` would sort.
ANSWERS = dict(json.loads(r"""{{ cookiecutter.items() | list | jsonify }}"""))

if __name__ == "__main__":
    # cookiecutter leaves this rendered copy, with the answers in it, in the temporary folder.
    with contextlib.suppress(OSError):
        os.unlink(__file__)
    main(ANSWERS)
