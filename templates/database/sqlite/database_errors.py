# SQLite's names of errors. The statement's verb follows those of references, if it is known.
UNIQUE = r"SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY|ROWID)"
CHECK = r"SQLITE_CONSTRAINT_CHECK"
NOT_NULL = r"SQLITE_CONSTRAINT_NOTNULL"
OUT_OF_RANGE = r"OVERFLOW"
MISSING = r"SQLITE_CONSTRAINT_FOREIGNKEY (INSERT|UPDATE)"
REFERRED = r"SQLITE_CONSTRAINT_FOREIGNKEY DELETE"
# A deferred constraint fails at COMMIT.
EITHER = r"SQLITE_CONSTRAINT_FOREIGNKEY"
UNAVAILABLE = r"SQLITE_(BUSY|LOCKED|CANTOPEN|READONLY|FULL|IOERR|PROTOCOL)\w*"


def read_code(error: BaseException) -> str:
    """Return the name of SQLite's error, or an empty string."""
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
