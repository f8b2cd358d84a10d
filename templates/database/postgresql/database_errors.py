# PostgreSQL's SQLSTATEs. The statement's verb follows those of references, if it is known.
UNIQUE = r"23505|23P01"
CHECK = r"23514"
NOT_NULL = r"23502"
OUT_OF_RANGE = r"2200[138]"
MISSING = r"23503 (INSERT|UPDATE)"
REFERRED = r"23001|23503 DELETE"
# A deferred constraint fails at COMMIT.
EITHER = r"23503"
UNAVAILABLE = (
    # Connection, authorization, rollback, resources, intervention (a timeout, a shutdown), system.
    r"(08|28|40|53|57|58)\w{3}"
    # Read-only, idle and transaction timeouts, no such database, lock timeout.
    r"|25006|25P03|25P04|3D000|55P03|STALE"
)


def read_code(error: BaseException) -> str:
    """Return the SQLSTATE, or an empty string."""
    if isinstance(error, DBAPIError):
        # asyncpg checks parameters itself.
        if re.search(r"value out of \w+ range", str(error.orig)):
            return "22003"
        # After an ALTER TABLE, only a new transaction can prepare the statement again.
        if "cached statement plan is invalid" in str(error.orig):
            return "STALE"
    return str(getattr(getattr(error, "orig", error), "sqlstate", ""))


def find_columns(error: DBAPIError, table: Table) -> set[str]:
    """Find the columns that the violated constraint covers."""
    # asyncpg has names as attributes, because PostgreSQL's messages are translated. SQLAlchemy
    # wraps its errors.
    origin = error.orig.__cause__ if error.orig else None
    column = getattr(origin, "column_name", None)
    return {column} if column else _find_covered(table, getattr(origin, "constraint_name", ""))
