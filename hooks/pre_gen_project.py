"""Refuse answers that cannot make a good project: a line for each on stderr, and exit code 1.

Runs under the Python of cookiecutter or cruft: standard library only.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Iterator

TEXTS = ("project_name", "project_slug", "project_description", "author_name", "author_email")

WINDOWS_DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{device}{number}" for device in ("com", "lpt") for number in range(10)
}

# What the app, its tests and tools import or depend on: a project of that name would shadow
# the package, or depend on itself.
TAKEN = """
    aiomysql aiosqlite alembic annotated-types anyio app asyncpg black click config core
    cryptography dotenv examples fastapi greenlet httpx httptools injector main migrations mypy
    nest packaging pip pydantic pydantic-core pymysql pynest pynest-api pytest pytest-asyncio
    pytest-xdist python-dotenv pyyaml ruff scaffold setuptools sqlalchemy src starlette templates
    test tests typing-extensions typings uv uvicorn uvloop venv watchfiles websockets yaml
"""


def problems(answers: dict[str, str]) -> Iterator[str]:
    """Yield a line for each answer that is refused: what is wrong, and what would work."""
    for option in TEXTS:
        if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in answers[option]):
            yield (
                f"{option}: holds a line break, a control character or broken Unicode; "
                "give one line of plain text, such as 'My App'"
            )
    if not answers["project_name"].strip():
        yield "project_name: is empty; give a name, such as 'My App'"
    slug_problem = problem_of_slug(answers["project_slug"])
    if slug_problem:
        yield f"project_slug: {slug_problem}"
    email = answers["author_email"]
    if email and not re.fullmatch(r"""[^\s@<>()[\],;:\\"']+@[\w-]+(\.[\w-]+)+""", email):
        yield (
            f"author_email: {email!a} is not an e-mail address; "
            "give one such as 'me@example.com', or leave it empty"
        )


def problem_of_slug(slug: str) -> str | None:
    """Say what is wrong with the slug and what would work; None where it is right."""
    # An empty one comes as "_" (`__folder` in cookiecutter.json): a project needs a folder
    # before this hook is run, and an empty name would be the folder it is to lie in.
    if not slug.strip("_"):
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
    if slug.replace("_", "-") in TAKEN.split() or slug.replace("-", "_") in sys.stdlib_module_names:
        return f"{slug!a} would hide a package of that name; give another, such as 'my-{slug}'"
    return None


# JSON in a raw string: of its characters, only "'" could end the string.
found = list(problems(json.loads(r"""{{ cookiecutter | jsonify | replace("'", "\\u0027") }}""")))
if found:
    print("\n".join(found), file=sys.stderr)
    sys.exit(1)
