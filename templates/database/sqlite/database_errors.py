#: SQLite's names of errors, some followed by the statement's verb.
RULES = {
    "SQLITE_CONSTRAINT_UNIQUE": UNIQUE,
    "SQLITE_CONSTRAINT_PRIMARYKEY": UNIQUE,
    "SQLITE_CONSTRAINT_ROWID": UNIQUE,
    "SQLITE_CONSTRAINT_CHECK": CHECK,
    "SQLITE_CONSTRAINT_NOTNULL": NOT_NULL,
    "SQLITE_CONSTRAINT_FOREIGNKEY": EITHER,
    "SQLITE_CONSTRAINT_FOREIGNKEY INSERT INTO": MISSING,
    "SQLITE_CONSTRAINT_FOREIGNKEY UPDATE": MISSING,
    "SQLITE_CONSTRAINT_FOREIGNKEY DELETE FROM": REFERRED,
    "OVERFLOW": OUT_OF_RANGE,
}
UNAVAILABLE = r"SQLITE_(BUSY|LOCKED|CANTOPEN|READONLY|FULL|IOERR|PROTOCOL)\w*"


def read_code(error: BaseException) -> str:
    """Return the name of SQLite's error, or nothing."""
    # sqlite3 checks integers itself.
    if isinstance(error, OverflowError) and "too large to convert to SQLite" in str(error):
        return "OVERFLOW"
    return str(getattr(getattr(error, "orig", error), "sqlite_errorname", ""))


def find_columns(error: DBAPIError, table: Table) -> set[str]:
    """Find the columns that the violated constraint covers."""
    message = str(error.orig)
    if message.startswith("FOREIGN KEY"):
        # SQLite doesn't name the key.
        keys = list(table.foreign_key_constraints)
        return {column.name for column in keys[0].columns} if len(keys) == 1 else set()
    # SQLite names the columns of a key, but a CHECK by its own name.
    names = set(re.findall(r"\w+\.(\w+)", message))
    return names or _find_covered(table, re.findall(r"\w+", message)[-1])
