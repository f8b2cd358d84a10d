"""Remove empty folders, record the template for updates, and print the next steps on stderr.

Files that some answers don't need have conditional names, which render empty. This hook deletes no
file, because a project's owner may have one with that name.

Updates run this hook too, with the Python of cookiecutter or cruft, which may be 3.9. So it only
uses the standard library, stays offline and prints nothing on stdout. It also avoids slow imports,
such as pathlib.
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
#: The parts of the template that are rendered into a project.
SOURCES = ("cookiecutter.json", "hooks", "templates", "*cookiecutter.project_slug*")
#: The keys in which cookiecutter describes its own run.
OF_THE_RUN = ("_template", "_output_dir", "_repo_dir", "_checkout")


def is_update(answers: dict[str, object]) -> bool:
    """Return whether this run is part of an update."""
    # update.py sets this variable.
    if "PYNEST_ASYNC_UPDATE" in os.environ:
        return True
    # cruft sets no variable, but renders updates into a `tempfile.TemporaryDirectory`.
    if "_commit" not in answers:
        return False
    import tempfile  # noqa: PLC0415  # Slow, and only cruft needs it.

    parent, name = os.path.split(os.path.dirname(os.getcwd()))
    return bool(re.fullmatch(r"tmp\w{8}", name)) and os.path.samefile(parent, tempfile.gettempdir())


def remove_empty_folders() -> None:
    """Remove folders that are empty because the names of all their files rendered empty."""
    if os.path.exists(RECORD):
        return  # In an existing project, the owner may need an empty folder.
    for folder, _, _ in os.walk(".", topdown=False):
        # Keep the empty folders of git itself, such as .git/refs.
        if ".git" not in folder.split(os.sep):
            with contextlib.suppress(OSError):
                os.rmdir(folder)  # Fails if the folder is not empty.


def git(folder: str, *arguments: str) -> str:
    """Run git in a folder's own repository, even if a git hook started this process."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}
    }
    command = ["git", "--no-optional-locks", "-C", folder, *arguments]
    output = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    return os.fsdecode(output)


def find_template(run: dict[str, str]) -> str:
    """Find the template's folder. Its path may be relative to cookiecutter's working directory."""
    starts = (run["_output_dir"], os.environ.get("PWD", ""))
    folders = [os.path.join(start, run["_repo_dir"]) for start in starts]
    found = (path for path in folders if os.path.isfile(os.path.join(path, "cookiecutter.json")))
    return next(found, folders[0])


def find_url(folder: str, top: str, run: dict[str, str]) -> str:
    """Find the URL for `git clone`. It is an absolute path if the template was given by path."""
    origin = ""
    if not run["_repo_dir"].startswith(run["_template"]):
        # Read from the configuration: `git remote get-url` applies the user's `url.*.insteadOf`.
        origin = git(folder, "config", "--default", "", "remote.origin.url").rstrip("\n")
    if not origin:
        return os.path.normpath(top)
    path = origin.removeprefix("file://")
    # Remove any password or token, because the record gets committed.
    return path if os.path.isdir(path) else re.sub(r"^(https?://)[^/]*@", r"\1", origin)


def make_record(answers: dict[str, object]) -> tuple[dict[str, object], bool]:
    """Create the record that `cruft create` would write.

    Returns:
        The record, and whether the template has no uncommitted changes.

    Raises:
        OSError: git is not installed.
        subprocess.CalledProcessError: the template is not in a git repository, or not committed.
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
    """Record the template. If that is impossible, return advice for recording it later."""
    record: dict[str, object] = {}
    try:
        record, clean = make_record(answers)
    except OSError:
        return advice(answers, "git is not installed", record)
    except subprocess.CalledProcessError:
        return advice(answers, "git has no commit of it", record)
    if not clean:
        return advice(answers, "it has uncommitted changes", record)
    text = json.dumps(record, indent=2) + "\n"
    # ASCII only, because cruft reads the file with the system's encoding.
    with open(RECORD, "wb") as file:
        file.write(text.encode("ascii"))
    return ""


def advice(answers: dict[str, object], reason: str, record: dict[str, object]) -> str:
    """Return the reason why the template isn't recorded, and a command that records it later."""
    given = {name: answer for name, answer in answers.items() if not name.startswith("_")}
    command = ["uvx", "cruft", "link", record.get("template", "URL"), "--checkout", "COMMIT"]
    if record.get("directory"):
        command += ["--directory", record["directory"]]
    command += ["--no-input", "--extra-context", json.dumps(given)]
    known = "COMMIT with" if record else "URL and COMMIT with the template's URL and"
    return f"""
The template is not recorded for updates: {reason}. To link it later,
replace {known} the commit that you used, and run this in the project:

    {shlex.join(command)}
"""


def next_steps(answers: dict[str, object]) -> str:
    """Return the first steps in a new project."""
    database = "" if answers.get("database") == "sqlite" else "    make database\n"
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

Then run the service and its tests. README.md also has the commands without make:

{database}    make run
    make test
"""


def main(answers: dict[str, object]) -> None:
    """Complete a new project. In an update, only remove empty folders."""
    remove_empty_folders()
    if is_update(answers):
        return
    # cruft defines `_commit`, and writes the record itself.
    unrecorded = "" if "_commit" in answers else record_template(answers)
    print(next_steps(answers) + unrecorded, file=sys.stderr)


# JSON escapes the quotes in answers, so they cannot end the string. A list of pairs keeps the order
# of the options, because `jsonify` sorts the keys of a mapping.
ANSWERS = dict(json.loads(r"""{{ cookiecutter.items() | list | jsonify }}"""))

if __name__ == "__main__":
    # cookiecutter leaves this rendered hook, with all answers, in the temporary folder.
    with contextlib.suppress(OSError):
        os.unlink(__file__)
    main(ANSWERS)
