"""Reject invalid answers before anything is written: print a line for each, and exit with 1.

Updates run this hook too, with the Python of cookiecutter or cruft, which may be 3.9. So it only
uses the standard library, stays offline and prints nothing on stdout. cookiecutter reports a failed
hook with a traceback below these lines, and a template cannot prevent that.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import unicodedata
from collections.abc import Iterator

TEXTS = ("project_name", "project_slug", "project_description", "author_name", "author_email")

#: `__given_slug` in cookiecutter.json has the same limit.
LONGEST_SLUG = 64

WINDOWS_DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{device}{number}" for device in ("com", "lpt") for number in range(10)
}

# The folders, dependencies and tools of a project. A project with one of these names would shadow
# an import, or depend on itself.
TAKEN = """
    aiomysql aiosqlite alembic annotated-doc annotated-types anyio app arrow ast-serialize astor
    async-timeout asyncpg backports-asyncio-runner binaryornot black certifi cffi cfgv
    charset-normalizer click colorama config cookiecutter core cryptography dateutil detect-secrets
    distlib dotenv examples exceptiongroup execnet fastapi fastapi-swagger filelock google
    googleapis-common-protos greenlet h11 httpcore httptools httpx identify idna iniconfig injector
    jinja2 jwt libcst librt main mako markdown-it-py markupsafe mdurl migrations mypy
    mypy-extensions nest nodeenv opentelemetry opentelemetry-api
    opentelemetry-exporter-http-transport opentelemetry-exporter-otlp-common
    opentelemetry-exporter-otlp-proto-common opentelemetry-exporter-otlp-proto-http
    opentelemetry-proto opentelemetry-sdk opentelemetry-semantic-conventions packaging pathspec pip
    pip-audit platformdirs pluggy pluralizer pre-commit protobuf pycparser pydantic pydantic-core
    pydantic-settings pygments pyjwt pymysql pynest pynest-api pytest pytest-asyncio pytest-xdist
    python-dateutil python-discovery python-dotenv python-slugify pyyaml pyyaml-ft requests rich
    ruff scaffold setuptools six slugify sqlalchemy src starlette structlog templates test tests
    text-unidecode tomli typing-extensions typing-inspection typings tzdata update urllib3 uv
    uvicorn uvloop venv virtualenv watchfiles websockets yaml
"""


def problems(answers: dict[str, str]) -> Iterator[str]:
    """Yield a line for each invalid answer, with the option, the value and the fix."""
    # cookiecutter creates the folder before this hook runs. So cookiecutter.json replaces an unsafe
    # `project_slug`, and keeps the answer in `__given_slug`.
    answers = {**answers, "project_slug": answers["__given_slug"]}
    for option in TEXTS:
        answer = answers[option]
        fix = fix_of_text(answer) or (FIXES[option](answer) if option in FIXES else None)
        if fix:
            # ASCII only, because some terminals and logs show nothing else.
            yield f"invalid {option} {shorten(answer)!a}: {fix}"
    if answers["deploy"] == "kubernetes" and answers["database"] == "sqlite":
        yield (
            "invalid deploy 'kubernetes' with database 'sqlite': use database=postgresql, "
            "database=mysql or deploy=compose, because pods share no file"
        )


def shorten(text: str) -> str:
    return text if len(text) <= LONGEST_SLUG else f"{text[:20]}..."


def fix_of_text(text: str) -> str | None:
    """Return the fix for any text, or None if it is valid."""
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in text):
        return "use one line of text, without control characters or broken Unicode"
    # In an update, cookiecutter renders the recorded answers as Jinja templates.
    if mark := re.search(r"[{][%#{]", text):
        return f"put a space inside '{mark[0]}', because updates would render it"
    return None


def fix_of_name(name: str) -> str | None:
    """Return the fix for a name, or None if it is valid."""
    return None if name.strip() else "use at least one visible character, such as 'My App'"


def fix_of_email(email: str) -> str | None:
    """Return the fix for an email address, or None if it is valid."""
    if not email or re.fullmatch(r"""[^\s@<>()[\],;:\\"]+@[\w-]+(\.[\w-]+)+""", email):
        return None
    return "use an address such as 'me@example.com', or leave it empty"


def fix_of_slug(slug: str) -> str | None:
    """Return the fix for a slug, or None if it is valid."""
    if not re.fullmatch(r"[a-z0-9_-]+", slug):
        return "use lower-case letters, digits, '-' and '_', such as 'my-app'"
    if len(slug) > LONGEST_SLUG:
        return f"use at most {LONGEST_SLUG} characters, such as 'my-app'"
    if not re.fullmatch(r"[a-z](.*[a-z0-9])?", slug):
        return "start with a letter and end with a letter or a digit, such as 'my-app'"
    if slug in WINDOWS_DEVICES:
        return f"choose a name that Windows does not reserve, such as 'my-{slug}'"
    if slug.replace("_", "-") in TAKEN.split():
        return f"choose a name unlike the project's folders and dependencies, such as 'my-{slug}'"
    return None


FIXES = {
    "project_name": fix_of_name,
    "project_slug": fix_of_slug,
    "author_email": fix_of_email,
}

# JSON escapes the quotes in answers, so they cannot end the string.
ANSWERS = json.loads(r"""{{ cookiecutter | jsonify }}""")

if __name__ == "__main__":
    # cookiecutter leaves this rendered hook, with all answers, in the temporary folder.
    with contextlib.suppress(OSError):
        os.unlink(__file__)
    if lines := list(problems(ANSWERS)):
        print("\n".join(lines), file=sys.stderr)
        sys.exit(1)
