"""Refuse answers that cannot make a good project: a line for each on stderr, and exit code 1.

Runs under the Python of cookiecutter or cruft: standard library only.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

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

# JSON has no three quotes in a row, which would end the string: it escapes those of a text.
found = list(problems(json.loads(r"""{{ cookiecutter | jsonify }}""")))
# cookiecutter leaves behind what it ran, with the answers in it.
with contextlib.suppress(OSError):
    Path(__file__).unlink()
if found:
    print("\n".join(found), file=sys.stderr)
    sys.exit(1)
