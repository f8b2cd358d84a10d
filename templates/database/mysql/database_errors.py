# Error numbers of MySQL and MariaDB.
UNIQUE = r"1062|1586"
CHECK = r"3819|4025"
NOT_NULL = r"1048|1364"
OUT_OF_RANGE = r"1264|1406|1690"
MISSING = r"1216|1452"
REFERRED = r"1217|1451"
UNAVAILABLE = (
    # No access, no such database, too many connections, shutting down, out of disk or memory.
    r"1021|1037|104[014579]|1053|1129|1130|1203|1226|1698"
    # Lock timeout, deadlock, read-only, statement timeouts, killed, not reached, gone.
    r"|1205|1213|1290|1317|1792|1836|1927|1969|3024|4031|2002|2003|2006|2013|2055"
)
#: The names of a constraint and of a column in messages.
CONSTRAINT = re.compile(
    r"for key '(?:\w+\.)?(\w+)'$|CONSTRAINT `(\w+)`|[Cc]heck constraint '(\w+)'"
)
COLUMN = re.compile(r"(?:Column|Field) '(\w+)")


def read_code(error: BaseException) -> str:
    """Return the number of the error, or an empty string."""
    args = error.orig.args if isinstance(error, DBAPIError) and error.orig else ()
    return str(args[0]) if args else ""


def find_columns(error: DBAPIError, table: Table) -> set[str]:
    """Find the columns that the violated constraint covers."""
    message = str(error.orig.args[-1]) if error.orig else ""
    found = CONSTRAINT.search(message)
    if found is None:
        return set(COLUMN.findall(message))
    constraint = found[found.lastindex or 0]
    if constraint == "PRIMARY":
        # MySQL has no other name for it.
        return {column.name for column in table.primary_key.columns}
    return _find_covered(table, constraint)
