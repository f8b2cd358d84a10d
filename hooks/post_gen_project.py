"""Record the template in the project, for its updates; say on stderr what comes next.

cruft records it itself, and runs this hook in every update too: then nothing is written. Runs under
the Python of cookiecutter or cruft: standard library only, offline, the same result every time,
nothing on stdout.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

#: What of the template reaches a project.
SOURCES = ("cookiecutter.json", "hooks", "templates", "*cookiecutter.project_slug*")
#: What cookiecutter says of its own run.
OF_THE_RUN = ("_template", "_output_dir", "_repo_dir", "_checkout")


def git(folder: Path, *arguments: str) -> str:
    """Ask git about the repository that a folder is in, whatever one git itself is at work on."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}
    }
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    output = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    return os.fsdecode(output)


def find_template(run: dict[str, str]) -> Path:
    """Find the folder of the template, which may be relative to where cookiecutter was started."""
    starts = (run["_output_dir"], os.environ.get("PWD", ""))
    folders = [Path(start, run["_repo_dir"]) for start in starts]
    return next((path for path in folders if (path / "cookiecutter.json").is_file()), folders[0])


def find_url(folder: Path, top: str, run: dict[str, str]) -> str:
    """Find what git can clone: the absolute path of a template that was given by its path."""
    origin = ""
    if not Path(run["_repo_dir"]).is_relative_to(run["_template"]):
        # As it was given: `git remote get-url` would apply the user's own rewriting of URLs.
        origin = git(folder, "config", "--default", "", "remote.origin.url").rstrip("\n")
    if not origin:
        return str(Path(top))
    path = origin.removeprefix("file://")
    # Never with a password or a token: git knows those, or asks for them.
    return path if Path(path).is_dir() else re.sub(r"^(https?://)[^/]*@", r"\1", origin)


def make_record(answers: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Make what `cruft create` would record; say whether it is what the project was made from.

    Raises:
        OSError: there is no git.
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
        "context": {"cookiecutter": answers | {"_template": url, "_commit": commit}},
        "directory": prefix.rstrip("/") or None,
    }
    return record, not git(folder, "status", "--porcelain", "--", *SOURCES)


def advice(answers: dict[str, Any], reason: str, record: dict[str, Any]) -> str:
    """Say why the template is not recorded, and the command that does it later."""
    given = {name: answer for name, answer in answers.items() if not name.startswith("_")}
    command = ["uvx", "cruft", "link", record.get("template", "URL"), "--checkout", "COMMIT"]
    if record.get("directory"):
        command += ["--directory", record["directory"]]
    command += ["--no-input", "--extra-context", json.dumps(given)]
    where = "" if record else "the template's address for URL and "
    return f"""
The template is not recorded for updates: {reason}. To link it later,
run in the project, with {where}the commit that it was made from for COMMIT:

    {shlex.join(command)}
"""


def main(answers: dict[str, Any]) -> None:
    """Record the template unless cruft does, and say what comes next unless this is an update."""
    record: dict[str, Any] = {}
    reason = ""
    if "_commit" not in answers:
        try:
            record, clean = make_record(answers)
        except OSError:
            reason = "git is not installed"
        except subprocess.CalledProcessError:
            reason = "git knows no commit of it"
        else:
            reason = "" if clean else "it has changes that are not committed"
        if not reason:
            # In ASCII, which cruft reads aright whatever the system's encoding is.
            text = json.dumps(record, indent=2) + "\n"
            Path(".cruft.json").write_bytes(text.encode("ascii"))
    elif re.fullmatch(r"tmp\w{8}", Path.cwd().parent.name):
        return  # In an update, cruft makes projects in temporary folders, to compare them.

    name = answers["project_slug"]
    print(
        f"""
Your project is in {name}. Commit it before you edit anything, so that
later updates of the template can be merged:

    cd {name}
    git init
    git add .
    git commit -m "Start from the template"

Run it, and its tests (README.md shows how without make):

    make run
    make test
{advice(answers, reason, record) if reason else ""}""",
        file=sys.stderr,
    )


# JSON has no three quotes in a row, which would end the string; pairs keep their order.
main(dict(json.loads(r"""{{ cookiecutter.items() | list | jsonify }}""")))

# cookiecutter leaves behind what it ran, with the answers in it.
with contextlib.suppress(OSError):
    Path(__file__).unlink()
