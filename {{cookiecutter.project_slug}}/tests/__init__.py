"""Tests. They use a temporary database and never the configured one."""

import os
{% if cookiecutter.database == "sqlite" %}
import tempfile
{% else %}
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from dotenv import load_dotenv
{% endif %}
{% if cookiecutter.auth == "oidc" %}

from . import tokens
{% endif %}

# Importing `src` reads the settings, so set them first.
{% if cookiecutter.database == "sqlite" %}
FOLDER = tempfile.mkdtemp()
DATABASE = f"{FOLDER}/test.db"
os.environ["SQLITE_DB_NAME"] = DATABASE
# An empty variable also wins over `.env`.
os.environ["DATABASE_URL"] = ""
{% else %}
DATABASE = f"test_{uuid4().hex}"
os.environ["{{ cookiecutter.database | upper }}_DB_NAME"] = DATABASE
# The server stays the configured one, so a URL in `.env` counts, but not for the database's name.
with suppress(UnicodeDecodeError):  # The settings have a message for it.
    load_dotenv(Path(__file__).parents[1] / ".env", encoding="utf-8-sig", interpolate=False)
for variable in ("DATABASE_URL", "DB_MIGRATION_URL"):
    if os.environ.get(variable):
        url = urlsplit(os.environ[variable])
        os.environ[variable] = url._replace(path=f"/{DATABASE}").geturl()
# An empty variable also wins over `.env`.
os.environ["DB_READ_URL"] = ""
{% endif %}
os.environ |= {
    "DB_CREATE_ALL": "true",
    "DB_ECHO": "false",
    "LOG_FORMAT": "text",
    "LOG_LEVEL": "INFO",
{% if cookiecutter.telemetry == "opentelemetry" %}
    "OTEL_SDK_DISABLED": "true",
{% endif %}
}
{% if cookiecutter.auth == "oidc" %}
os.environ |= tokens.VARIABLES
{% endif %}
