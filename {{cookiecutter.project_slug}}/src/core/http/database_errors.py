"""Errors of the database: which of them a client caused, and which mean "try again later"."""

import errno
import re
import socket
import ssl
from typing import Any

from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError

from src.core.database import Base

{% include "database/" ~ cookiecutter.database ~ "/database_errors.py" %}


#: Codes, status, detail, and the reason for each field that the constraint covers.
RULES = (
    (UNIQUE, 409, "A value that must be unique already exists.", "This value already exists."),
    (CHECK, 409, "A value breaks a rule of the database.", "This value breaks a rule."),
    (NOT_NULL, 422, "A required value is missing.", "This value is required."),
    (OUT_OF_RANGE, 422, "A value is out of range.", ""),
    (MISSING, 409, "This refers to something that does not exist.", "This does not exist."),
    (REFERRED, 409, "Something else still refers to this.", ""),
{% if cookiecutter.database != "mysql" %}
    (EITHER, 409, "Something else refers to this, or this to something that does not exist.", ""),
{% endif %}
)
STATEMENT = re.compile(r"(?i)\b(INSERT INTO|UPDATE|DELETE FROM) (?:[`\"\w]+\.)?[`\"]?(\w+)")


def explain(error: BaseException) -> dict[str, Any] | None:
    """Return the arguments of `problem` for an error that a client's values caused."""
    if isinstance(error, StaleDataError):
        return {"status": 409, "detail": "This was changed or removed at the same time."}
    found = STATEMENT.search(getattr(error, "statement", None) or "")
    verb, table = found.groups() if found else ("", "")
    code = f"{read_code(error)} {verb.upper()}"
    for pattern, status, detail, reason in RULES:
        if re.match(rf"({pattern})\b", code):
            names = _find_fields(error, table) if reason and isinstance(error, DBAPIError) else []
            errors = [{"detail": reason, "location": ["body", name]} for name in names]
            return {"status": status, "detail": detail} | ({"errors": errors} if errors else {})
    return None


def is_unavailable(error: BaseException) -> bool:
    """Return whether the database can't be used now, but may be later."""
    # Drivers don't wrap network errors. If a host has several addresses, asyncio joins their errors
    # into one OSError without an errno.
    network = (ConnectionError, TimeoutError, socket.gaierror, ssl.SSLError, PoolTimeoutError)
    return (
        isinstance(error, network)
        or (type(error) is OSError and error.errno in (None, errno.EHOSTUNREACH, errno.ENETUNREACH))
        or (isinstance(error, DBAPIError) and error.connection_invalidated)
        or re.fullmatch(UNAVAILABLE, read_code(error)) is not None
    )


def _find_fields(error: DBAPIError, table_name: str) -> list[str]:
    """Find the attributes of the written entity that the violated constraint covers."""
    for mapper in Base.registry.mappers:
        table = mapper.local_table
        if isinstance(table, Table) and table.name == table_name:
            names = find_columns(error, table)
            if fields := [name for name, each in mapper.columns.items() if each.name in names]:
                return fields
    return []


def _find_covered(table: Table, constraint: str) -> set[str]:
    """Find the columns of a constraint or an index."""
    items: list[Any] = [*table.constraints, *table.indexes]
    found = [item for item in items if item.name == constraint]
    # A CHECK may be text.
    words = (re.findall(r"\w+", str(getattr(item, "sqltext", ""))) for item in found)
    return {column.name for item in found for column in item.columns}.union(*words)
