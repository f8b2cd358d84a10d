"""Errors of databases: which of them a client caused, and which mean "try again later"."""

import errno
import re
import socket
import ssl
from typing import Any

from sqlalchemy import CheckConstraint, Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError

from src.core.database import Base

# Codes are PostgreSQL's SQLSTATEs, the error numbers of MySQL and MariaDB, and SQLite's names.
UNIQUE = r"23505|23P01|1062|1586|SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY|ROWID)"
CHECK = r"23514|3819|4025|SQLITE_CONSTRAINT_CHECK"
NOT_NULL = r"23502|1048|1364|SQLITE_CONSTRAINT_NOTNULL"
OUT_OF_RANGE = r"2200[138]|1264|1406|1690"
# MySQL has a number for each side of a reference. Others have one code, and the statement tells.
MISSING = r"1452|1216|(23503|SQLITE_CONSTRAINT_FOREIGNKEY) (INSERT INTO|UPDATE)"
REFERRED = r"1451|1217|23001|(23503|SQLITE_CONSTRAINT_FOREIGNKEY) DELETE FROM"
# A deferred constraint fails at COMMIT.
EITHER = r"23503|SQLITE_CONSTRAINT_FOREIGNKEY"
#: Codes, status, detail, and the reason for each field that the constraint covers.
RULES = (
    (UNIQUE, 409, "A value that must be unique already exists.", "This value already exists."),
    (CHECK, 409, "A value breaks a rule of the database.", "This value breaks a rule."),
    (NOT_NULL, 422, "A required value is missing.", "This value is required."),
    (OUT_OF_RANGE, 422, "A value is out of range.", ""),
    (MISSING, 409, "This refers to something that does not exist.", "This does not exist."),
    (REFERRED, 409, "Something else still refers to this.", ""),
    (EITHER, 409, "Something else refers to this, or this to something that does not exist.", ""),
)
UNAVAILABLE = (
    # Connection, authorization, rollback, resources, intervention (a timeout, a shutdown), system.
    r"(08|28|40|53|57|58)\w{3}"
    # Read-only, idle and transaction timeouts, no such database, lock timeout.
    r"|25006|25P03|25P04|3D000|55P03"
    # No access, no such database, too many connections, shutting down, out of disk or memory.
    r"|1021|1037|104[014579]|1053|1129|1130|1203|1226|1698"
    # Lock timeout, deadlock, read-only, statement timeouts, killed, not reached, gone.
    r"|1205|1213|1290|1317|1792|1836|1927|1969|3024|4031|2002|2003|2006|2013|2055"
    r"|SQLITE_(BUSY|LOCKED|CANTOPEN|READONLY|FULL|IOERR|PROTOCOL)\w*"
)
#: Messages of asyncpg and sqlite3, which check parameters themselves.
REJECTED = re.compile(r"value out of \w+ range|too large to convert to SQLite")
#: asyncpg's message after an ALTER TABLE: only a new transaction can prepare the statement again.
STALE = "cached statement plan is invalid"
# How messages name a constraint, and a column. SQLite names all columns of a key.
CONSTRAINT = re.compile(
    r"for key '(?:\w+\.)?(\w+)'$|CONSTRAINT `(\w+)`|[Cc]heck constraint '(\w+)'"
    r"|CHECK constraint failed: (\w+)$|index '(\w+)'$"
)
COLUMN = re.compile(r"(?:(?:Column|Field) '|failed: \w+\.|, \w+\.)(\w+)")
STATEMENT = re.compile(
    r"\s*(INSERT INTO|UPDATE|DELETE FROM) (?:[`\"\w]+\.)?[`\"]?(\w+)", re.IGNORECASE
)


def explain(error: BaseException) -> dict[str, Any] | None:
    """Return the arguments of `problem` for an error that a client's values caused."""
    if isinstance(error, StaleDataError):
        return {"status": 409, "detail": "This was changed or removed at the same time."}
    codes = _codes(error)
    if isinstance(error, (DBAPIError, OverflowError)) and REJECTED.search(str(_origin(error))):
        codes = ["22003"]
    for pattern, status, detail, reason in RULES:
        if any(re.fullmatch(pattern, code) for code in codes):
            names = _fields(error) if reason and isinstance(error, DBAPIError) else []
            errors = [{"detail": reason, "location": ["body", name]} for name in names]
            return {"status": status, "detail": detail} | ({"errors": errors} if errors else {})
    return None


def is_unavailable(error: BaseException) -> bool:
    """Tell whether the database can't be used now, but may be later."""
    # Drivers don't wrap errors of the network. asyncio joins those of several addresses into an
    # OSError without a number.
    network = (ConnectionError, TimeoutError, socket.gaierror, ssl.SSLError)
    unreached = (None, errno.EHOSTUNREACH, errno.ENETUNREACH)
    return (
        isinstance(error, (PoolTimeoutError, *network))
        or (type(error) is OSError and error.errno in unreached)
        or (isinstance(error, DBAPIError) and error.connection_invalidated)
        or (isinstance(error, DBAPIError) and STALE in str(error.orig))
        or any(re.fullmatch(UNAVAILABLE, code) for code in _codes(error))
    )


def _origin(error: BaseException) -> BaseException:
    """Return the driver's error, which SQLAlchemy's asyncpg dialect wraps twice."""
    origin = error.orig if isinstance(error, DBAPIError) and error.orig else error
    cause = origin.__cause__
    return cause if cause and hasattr(cause, "sqlstate") else origin


def _codes(error: BaseException) -> list[str]:
    """List the codes of a driver's error, alone and followed by the statement's verb."""
    origin = _origin(error)
    codes = [getattr(origin, "sqlstate", None), getattr(origin, "sqlite_errorname", None)]
    if isinstance(error, DBAPIError):
        codes += origin.args[:1]
        if statement := STATEMENT.match(error.statement or ""):
            codes += [f"{code} {statement[1].upper()}" for code in codes]
    return [str(code) for code in codes]


def _fields(error: DBAPIError) -> list[str]:
    """Find the attributes of the entity that the violated constraint covers."""
    origin = _origin(error)
    message = str(origin.args[-1])
    statement = STATEMENT.match(error.statement or "")
    # asyncpg has names as attributes, because PostgreSQL's messages are translated.
    constraint = getattr(origin, "constraint_name", None)
    if found := CONSTRAINT.search(message):
        constraint = found[found.lastindex or 0]
    column = getattr(origin, "column_name", None)
    columns = {column} if column else set() if constraint else set(COLUMN.findall(message))
    for mapper in Base.registry.mappers:
        table = mapper.local_table
        if not isinstance(table, Table):
            continue
        items: list[Any] = [*table.constraints, *table.indexes]
        items = [item for item in items if constraint and item.name == constraint]
        is_written = statement is not None and statement[2] == table.name
        if is_written and constraint == "PRIMARY":
            items = [table.primary_key]  # MySQL has no other name for it.
        keys = [*table.foreign_key_constraints]
        if is_written and message.startswith("FOREIGN KEY") and len(keys) == 1:
            items = keys  # SQLite doesn't name it.
        names = columns if is_written else set()
        for item in items:
            rule = str(item.sqltext) if isinstance(item, CheckConstraint) else ""
            names = {*names, *re.findall(r"\w+", rule), *(each.name for each in item.columns)}
        if fields := [name for name, each in mapper.columns.items() if each.name in names]:
            return fields
    return []
