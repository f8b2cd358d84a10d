"""The page about each file of a project."""

from fnmatch import fnmatchcase
from pathlib import PurePosixPath

#: The page about each file of a project. The first pattern that matches the file's path counts.
PAGES = [
    ("docs/README.md", "how-to/index"),
    ("docs/*.md", "how-to/{stem}"),
    ("README.md", "how-to/readme"),
    ("AGENTS.md", "how-to/readme"),
    ("LICENSE", "options"),
    ("*auth*", "how-to/authentication"),
    ("*issuer*", "how-to/authentication"),
    ("*tokens*", "how-to/authentication"),
    ("deploy/*", "how-to/kubernetes"),
    ("*telemetry*", "how-to/telemetry"),
    ("*/exporters.py", "how-to/telemetry"),
    ("*/dashboard*", "how-to/telemetry"),
    ("Dockerfile", "how-to/deployment"),
    (".dockerignore", "how-to/deployment"),
    ("compose.yaml", "how-to/deployment"),
    (".env.example", "how-to/configuration"),
    ("*/config.py", "how-to/configuration"),
    ("*settings.py", "how-to/configuration"),
    ("tests/test_config.py", "how-to/configuration"),
    ("pyproject.toml", "how-to/dependencies"),
    ("requirements.txt", "how-to/dependencies"),
    ("tests/test_requirements.py", "how-to/dependencies"),
    ("*openapi.py", "how-to/clients"),
    ("openapi.json", "how-to/clients"),
    ("*migrations*", "how-to/migrations"),
    ("alembic.ini", "how-to/migrations"),
    ("*/schema.py", "how-to/migrations"),
    ("update.py", "how-to/updating"),
    (".cruft.json", "how-to/updating"),
    (".github/workflows/update.yml", "how-to/updating"),
    ("scaffold/*", "how-to/modules"),
    ("*/examples/*", "how-to/modules"),
    ("src/app_*.py", "how-to/growing"),
    ("*/columns.py", "how-to/modules"),
    ("*/test_columns.py", "how-to/modules"),
    ("*/models.py", "how-to/modules"),
    ("*/test_models.py", "how-to/modules"),
    ("*/paging.py", "how-to/modules"),
    ("*/routing.py", "how-to/modules"),
    ("*errors.py", "how-to/errors"),
    ("tests/problems.py", "how-to/errors"),
    ("*/logs.py", "how-to/logging"),
    ("*/core/http/*", "how-to/logging"),
    ("tests/core/test_requests.py", "how-to/logging"),
    ("*/core/database/*", "how-to/sessions"),
    ("tests/core/test_database.py", "how-to/sessions"),
    ("*/core/*", "how-it-works"),
    ("src/__init__.py", "how-it-works"),
    ("typings/*", "how-it-works"),
    # The owner's modules, as in the worked example.
    ("src/*/*", "how-to/modules"),
    ("tests/*", "how-to/testing"),
    (".github/*", "how-to/testing"),
    (".pre-commit-config.yaml", "how-to/testing"),
    (".editorconfig", "how-to/testing"),
    ("app.py", "how-to/readme"),
    ("main.py", "how-to/readme"),
    ("Makefile", "how-to/readme"),
    (".gitignore", "how-to/readme"),
]


class NoPageError(Exception):
    """No page of the guide is about a file."""

    def __str__(self) -> str:
        return f"no page about {self.args[0]}: add a pattern to PAGES in tools/site/guide.py"


def find_page(path: str) -> str:
    """Return the name of the page about a file of a project.

    Raises:
        NoPageError: there is none.
    """
    for pattern, page in PAGES:
        if fnmatchcase(path, pattern):
            return page.format(stem=PurePosixPath(path).stem)
    raise NoPageError(path)
