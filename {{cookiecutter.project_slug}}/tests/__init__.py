"""Tests. They use a temporary database and never the configured one."""

import os
{% if cookiecutter.database == "sqlite" %}
import tempfile
{% else %}
from uuid import uuid4
{% endif %}

# Importing `src` reads the settings, so set them first.
{% if cookiecutter.database == "sqlite" %}
os.environ["SQLITE_DB_NAME"] = f"{tempfile.mkdtemp()}/test"
{% else %}
os.environ["{{ cookiecutter.database | upper }}_DB_NAME"] = f"test_{uuid4().hex}"
{% endif %}
os.environ |= {
    "DB_CREATE_ALL": "true",
    "DB_ECHO": "false",
    "LOG_FORMAT": "text",
    "LOG_LEVEL": "INFO",
}
