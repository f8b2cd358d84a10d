"""Refuse answers that cannot make a good project: a line for each on stderr, and exit code 1.

Else record the template in the project, for its updates, and say on stderr what comes next. cruft
records it itself, and runs this in every update too: then nothing is written.

All of it is one hook, which runs before the files are written: another would be another Python to
start. Runs under the Python of cookiecutter or cruft: standard library only, offline, the same
result every time, nothing on stdout; and without what is slow to import, such as pathlib.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
import unicodedata
from collections.abc import Iterator

TEXTS = ("project_name", "project_slug", "project_description", "author_name", "author_email")

WINDOWS_DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{device}{number}" for device in ("com", "lpt") for number in range(10)
}

# What the app, its dependencies and its tools are called: a project of that name would stand in
# the way of an import, or depend on itself.
TAKEN = """
    aiomysql aiosqlite alembic annotated-doc annotated-types anyio app arrow ast-serialize astor
    async-timeout asyncpg backports-asyncio-runner binaryornot black certifi cffi cfgv
    charset-normalizer click colorama config cookiecutter core cryptography dateutil detect-secrets
    distlib dotenv examples exceptiongroup execnet fastapi filelock greenlet h11 httpcore httptools
    httpx identify idna iniconfig injector jinja2 libcst librt main mako markdown-it-py markupsafe
    mdurl migrations mypy mypy-extensions nest nodeenv packaging pathspec pip pip-audit platformdirs
    pluggy pluralizer pre-commit pycparser pydantic pydantic-core pygments pymysql pynest pynest-api
    pytest pytest-asyncio pytest-xdist python-dateutil python-discovery python-dotenv python-slugify
    pyyaml pyyaml-ft requests rich ruff scaffold setuptools six slugify sqlalchemy src starlette
    structlog templates test tests text-unidecode tomli typing-extensions typing-inspection typings
    tzdata update urllib3 uv uvicorn uvloop venv virtualenv watchfiles websockets yaml
"""


def problems(answers: dict[str, str]) -> Iterator[str]:
    """Yield a line for each answer that is refused: what is wrong, and what would work."""
    # Where it is no name for a folder, `__folder` in cookiecutter.json has put another in its
    # place: this hook is run in the project's folder, which comes first.
    answers = answers | {"project_slug": answers["__given_slug"]}
    for option in TEXTS:
        problem = problem_of_text(answers[option])
        if not problem and option in CHECKS:
            problem = CHECKS[option](answers[option])
        if problem:
            yield f"{option}: {problem}"


def problem_of_text(text: str) -> str | None:
    """Say what is wrong with any text and what would work; None where it is right."""
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in text):
        return "holds a line break, a control character or broken Unicode; give one line of text"
    # An update renders the recorded answers. The marks themselves would be rendered here.
    if re.search(r"[{][%#{]", text):
        return (
            "holds '{' before '{', '%' or '#', which updates take for a mark; put a space between"
        )
    return None


def problem_of_name(name: str) -> str | None:
    """Say what is wrong with the name and what would work; None where it is right."""
    return None if name.strip() else "is empty; give a name, such as 'My App'"


def problem_of_email(email: str) -> str | None:
    """Say what is wrong with the address and what would work; None where it is right."""
    if not email or re.fullmatch(r"""[^\s@<>()[\],;:\\"]+@[\w-]+(\.[\w-]+)+""", email):
        return None
    return (
        f"{email!a} is not an e-mail address; give one such as 'me@example.com', or leave it empty"
    )


def problem_of_slug(slug: str) -> str | None:
    """Say what is wrong with the slug and what would work; None where it is right."""
    if not slug:
        return "is empty; give a name such as 'my-app'"
    if len(slug) > 64:
        return f"{slug!a} is over 64 characters long; give a shorter name, such as 'my-app'"
    if not re.fullmatch(r"[a-z]([a-z0-9_-]*[a-z0-9])?", slug):
        return (
            f"{slug!a} is not made of lower-case letters, digits, '-' and '_', from a letter to "
            "a letter or digit; give a name such as 'my-app'"
        )
    if slug in WINDOWS_DEVICES:
        return f"{slug!a} is the name of a device on Windows; give another, such as 'my-{slug}'"
    if slug.replace("_", "-") in TAKEN.split():
        return f"{slug!a} is the name of a part of the app; give another, such as 'my-{slug}'"
    return None


CHECKS = {
    "project_name": problem_of_name,
    "project_slug": problem_of_slug,
    "author_email": problem_of_email,
}

#: What of the template reaches a project.
SOURCES = ("cookiecutter.json", "hooks", "templates", "*cookiecutter.project_slug*")
#: What cookiecutter says of its own run.
OF_THE_RUN = ("_template", "_output_dir", "_repo_dir", "_checkout")


def git(folder: str, *arguments: str) -> str:
    """Ask git about the repository that a folder is in, whatever one git itself is at work on."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}
    }
    command = ["git", "--no-optional-locks", "-C", folder, *arguments]
    output = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    return os.fsdecode(output)


def find_template(run: dict[str, str]) -> str:
    """Find the folder of the template, which may be relative to where cookiecutter was started."""
    starts = (run["_output_dir"], os.environ.get("PWD", ""))
    folders = [os.path.join(start, run["_repo_dir"]) for start in starts]
    found = (path for path in folders if os.path.isfile(os.path.join(path, "cookiecutter.json")))
    return next(found, folders[0])


def find_url(folder: str, top: str, run: dict[str, str]) -> str:
    """Find what git can clone: the absolute path of a template that was given by its path."""
    origin = ""
    if not run["_repo_dir"].startswith(run["_template"]):
        # As it was given: `git remote get-url` would apply the user's own rewriting of URLs.
        origin = git(folder, "config", "--default", "", "remote.origin.url").rstrip("\n")
    if not origin:
        return os.path.normpath(top)
    path = origin.removeprefix("file://")
    # Never with a password or a token: git knows those, or asks for them.
    return path if os.path.isdir(path) else re.sub(r"^(https?://)[^/]*@", r"\1", origin)


def make_record(answers: dict[str, object]) -> tuple[dict[str, object], bool]:
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


def advice(answers: dict[str, object], reason: str, record: dict[str, object]) -> str:
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


def main(answers: dict[str, object]) -> None:
    """Refuse answers, or record the template unless cruft does, and say what comes next."""
    if found := list(problems(answers)):
        print("\n".join(found), file=sys.stderr)
        sys.exit(1)

    record: dict[str, object] = {}
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
            with open(".cruft.json", "wb") as file:
                file.write(text.encode("ascii"))
    elif re.fullmatch(r"tmp\w{8}", os.path.basename(os.path.dirname(os.getcwd()))):
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


# JSON has no three quotes in a row, which would end the string: it escapes those of a text. Pairs
# keep their order.
ANSWERS = dict(json.loads(r"""{{ cookiecutter.items() | list | jsonify }}"""))

if __name__ == "__main__":
    # cookiecutter leaves behind what it runs, with the answers in it.
    with contextlib.suppress(OSError):
        os.unlink(__file__)
    main(ANSWERS)
