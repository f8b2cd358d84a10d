{% set postgresql = cookiecutter.database == "postgresql" %}
"""{{ "PostgreSQL, by asyncpg" if postgresql else "MySQL or MariaDB, by aiomysql" }}: everything that differs from other databases."""

import asyncio
import math
import ssl
import time
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from sqlalchemy import URL, {{ "Connection, " if postgresql }}event, text
from sqlalchemy.engine import ExceptionContext
{% if not postgresql %}
from sqlalchemy.engine.interfaces import DBAPIConnection
{% endif %}
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

DB_TYPE = "{{ cookiecutter.database }}"
{% if postgresql %}
#: The isolation of transactions: PostgreSQL's own default.
ISOLATION_LEVEL: str | None = None
{% else %}
#: The isolation of transactions. MySQL's own default locks gaps, which causes more deadlocks.
ISOLATION_LEVEL: str | None = "READ COMMITTED"
{% endif %}
SCHEMES = ({{ '"postgresql", "postgres"' if postgresql else '"mysql", "mariadb"' }})
#: Parameters of a URL that are about TLS, in libpq's words.
TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey")
SSL_MODES = ({{ '"disable", "prefer", ' if postgresql else '"disable", ' }}"require", "verify-ca", "verify-full")
{% if postgresql %}
PARAMETERS = ("host", "target_session_attrs", *TLS)
SESSION_ATTRS = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")
{% else %}
PARAMETERS = TLS
{% endif %}
#: Seconds for which an idle connection is trusted without a test.
MAX_IDLE = 0.5
#: Seconds to wait for another process that changes the schema, and between two tries.
SCHEMA_TIMEOUT = 300
SCHEMA_INTERVAL = 0.2
{% if postgresql %}
TRY_LOCK = "SELECT pg_try_advisory_lock(hashtext('schema'))"
LOCK_TRANSACTION = (
    f"SET LOCAL lock_timeout = '{SCHEMA_TIMEOUT}s'",
    "SELECT pg_advisory_xact_lock(hashtext('schema'))",
    "SET LOCAL lock_timeout = DEFAULT",
)
{% else %}
#: Named locks are global to the server, so the name is made from the database's.
TRY_LOCK = "SELECT GET_LOCK(SHA1(DATABASE()), 0)"
#: The codes of a write on a read-only server, and of a Galera node that has lost the others.
READ_ONLY = (1047, 1290, 1792, 1836)
{% endif %}


def make_url(
    db_name: str,
    user: str | None,
    password: str | None,
    host: str | None,
    port: int | None,
    query: Mapping[str, Any] | None = None,
) -> URL:
    """Make the URL of a database, with any character in the user's name and password."""
{% if postgresql %}
    return URL.create("postgresql+asyncpg", user, password, host, port, db_name, query or {})
{% else %}
    query = {"charset": "utf8mb4", **(query or {})}
    return URL.create("mysql+aiomysql", user, password, host, port, db_name, query)
{% endif %}


def parse_url(given: str) -> URL:
    """Read a URL whose parts are percent-encoded.

    Raises:
        ValueError: it can't be used. The message never quotes it, since any part may be secret.
    """
    malformed = ValueError(
        f"Input should be a URL such as {DB_TYPE}://localhost:{{ 5432 if postgresql else 3306 }}/name, percent-encoded"
    )
    try:
        parts = urlsplit(given)
        login, _, hosts = parts.netloc.rpartition("@")
        several = hosts.split(",") if "," in hosts else []
        host, port = (None, None) if several else (parts.hostname, parts.port)
    except ValueError:
        raise malformed from None
    if parts.scheme.partition("+")[0] not in SCHEMES:
        raise ValueError(f"Input should start with {SCHEMES[0]}://, as this project's database")
    user, _, password = login.partition(":")
    name = unquote(parts.path[1:])
    if not name or parts.fragment or "[" in "".join(several):
        raise malformed
    values = parse_qs(parts.query, keep_blank_values=True)
    if values.keys() - set(PARAMETERS):
        raise ValueError(f"Input should have no parameters but {', '.join(PARAMETERS)}")
    query: dict[str, Any] = {key: each if each[1:] else each[0] for key, each in values.items()}
{% if postgresql %}
    if query.get("target_session_attrs", "any") not in SESSION_ATTRS:
        raise ValueError(f"target_session_attrs should be one of {', '.join(SESSION_ATTRS)}")
    if several:
        # SQLAlchemy takes several hosts as parameters, each with its port.
        query["host"] = [each if ":" in each else f"{each}:5432" for each in several]
{% else %}
    if several:
        raise ValueError("Input should have one host: aiomysql takes no list of them")
{% endif %}
    return make_url(name, unquote(user) or None, unquote(password) or None, host, port, query)


@cache
def make_tls(mode: str, root_cert: str, cert: str, key: str) -> ssl.SSLContext | str | None:
    """Return the driver's argument `ssl`; None leaves TLS to the driver's default.

    Args:
        mode: libpq's `sslmode`, or nothing.
        root_cert: the file of the authorities to trust, or nothing for the system's.
        cert: the file of the client's certificate, or nothing.
        key: the file of its private key, unless `cert` has that too.

    Raises:
        ValueError: a file can't be read, or the arguments don't fit. The message names a variable.
    """
    if mode not in ("", *SSL_MODES):
        raise ValueError(f"DB_SSLMODE: Input should be one of {', '.join(SSL_MODES)}")
    if mode in ("", "disable", "prefer"):
        if root_cert or cert or key:
            raise ValueError("DB_SSLMODE: Input should be require or verify-full with DB_SSL files")
        return {{ "mode or None" if postgresql else "None" }}
    # Not create_default_context: since Python 3.13, it rejects authorities that libpq accepts.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full"
    if mode == "require" and not root_cert:
        context.verify_mode = ssl.CERT_NONE
    variable, path = "DB_SSLROOTCERT", root_cert
    try:
        if root_cert:
            context.load_verify_locations(root_cert)
        else:
            context.load_default_certs()
        variable, path = "DB_SSLCERT", cert
        if cert or key:
            # Without a password, OpenSSL would ask for that of an encrypted key on the terminal.
            context.load_cert_chain(cert, key or None, password="")
    except OSError as error:
        raise ValueError(f"{variable}: cannot use the file {path!r} ({error.strerror})") from None
    return context


def make_connect_args(
    url: URL,
    connect_timeout: float,
    lock_timeout: float | None,
    *,
    statement_timeout: float = 0,
    transaction_pooler: bool = False,
{% if postgresql %}
    application_name: str = "",
{% endif %}
) -> dict[str, Any]:
    """Set TLS, and the limits for a connection, statements and locks; a lock's None is for migrations."""
    tls = make_tls(*(str(url.query.get(name, "")) for name in TLS))
{% if postgresql %}
    arguments: dict[str, Any] = {"timeout": connect_timeout} | ({"ssl": tls} if tls else {})
    session = {"application_name": application_name} if application_name else {}
    if transaction_pooler:
        # Each transaction may have another connection of the server, which knows neither settings
        # nor statements of this one.
        arguments |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
        arguments["prepared_statement_name_func"] = lambda: ""
    elif lock_timeout is not None:
        # Milliseconds; 0 is no limit. PostgreSQL's own default is to wait forever.
        session["lock_timeout"] = str(math.ceil(lock_timeout * 1000))
        session["statement_timeout"] = str(math.ceil(statement_timeout * 1000))
    return arguments | {"server_settings": session}
{% else %}
    arguments: dict[str, Any] = {"connect_timeout": connect_timeout} | ({"ssl": tls} if tls else {})
    # A transaction pooler keeps no settings for a connection.
    if lock_timeout is not None and not transaction_pooler:
        # A statement that waits longer than its client would still be executed later.
        seconds = math.ceil(lock_timeout)
        command = f"SET innodb_lock_wait_timeout = {seconds}, lock_wait_timeout = {seconds}"
        if statement_timeout:
            # The comments are code: the first one for MySQL, the other one for MariaDB.
            command += f" /*!50708 , max_execution_time = {math.ceil(statement_timeout * 1000)} */"
            command += f" /*M! , max_statement_time = {statement_timeout} */"
        arguments["init_command"] = command
    return arguments
{% endif %}


def count_writers(connections: int) -> int:
    """Return how many of the connections are for transactions; the others are for reads."""
    return connections // 2


def prepare(engine: AsyncEngine, connect_args: Mapping[str, Any]) -> None:
{% if postgresql %}
    """Set up new connections. asyncpg needs nothing: it never falls back to plain text."""
{% else %}
    """Check that new connections are encrypted, if they have to be."""
    if connect_args.get("ssl"):
        # Before SQLAlchemy's own first statements.
        event.listen(engine.sync_engine, "connect", _check_encryption, insert=True)


def _check_encryption(connection: DBAPIConnection, _: object) -> None:
    """Reject plain text, which aiomysql falls back to if the server has no TLS."""
    cursor = connection.cursor()
    cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
    _, cipher = cursor.fetchone() or ("", "")
    cursor.close()
    if not cipher:
        connection.close()
        raise ssl.SSLError("the server has no TLS (DB_SSLMODE)")
{% endif %}


async def ping(connection: Any) -> None:
    """Ask the server to respond, on a connection of {{ "asyncpg" if postgresql else "aiomysql" }}."""
{% if postgresql %}
    await connection.execute("SELECT 1")
{% else %}
    await connection.ping(reconnect=False)
{% endif %}


def watch(*engines: AsyncEngine, ping_timeout: float | None) -> None:
    """Replace connections that are broken, or that lead to a primary that is one no more.

    A failover shows in a write, which the old primary rejects because it only reads. Reads would
    never fail there, so that write outdates the connections of all the engines.

    Args:
        engines: those of one database.
        ping_timeout: seconds to wait for the response to a ping, which tests a connection that was
            idle; None for no test. SQLAlchemy's own pre-ping tests before each use, without a limit.
    """
    outdated = 0.0

    def note_failover(context: ExceptionContext) -> None:
        nonlocal outdated
        error = context.original_exception
{% if postgresql %}
        if getattr(error, "sqlstate", None) == "25006":
{% else %}
        if error.args and error.args[0] in READ_ONLY:
{% endif %}
            # This makes SQLAlchemy close the connection, and open new ones for the engine.
            context.is_disconnect = True
            outdated = time.monotonic()

    def check(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        if record.info["opened"] <= outdated:
            raise DisconnectionError
        now = time.monotonic()
        if ping_timeout and now - record.info.get("returned", now) > MAX_IDLE:
            try:
                connection.run_async(lambda each: asyncio.wait_for(ping(each), ping_timeout))
            except Exception as error:
                # The pool drops its connections and tries a new one.
                raise InvalidatePoolError from error

    for engine in engines:
        event.listen(engine.sync_engine, "connect", _note_opening)
        event.listen(engine.sync_engine, "checkin", _note_return)
        event.listen(engine.sync_engine, "checkout", check)
        event.listen(engine.sync_engine, "handle_error", note_failover)


def _note_opening(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info["opened"] = time.monotonic()


def _note_return(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info["returned"] = time.monotonic()


async def lock_schema(connection: AsyncConnection, {{ "*, transaction_pooler" if postgresql else "**_" }}: bool) -> None:
    """Wait until no other connection holds the lock, and take it until this one is closed.
{% if postgresql %}

    Poll for it, since a statement that waits would hold a transaction open: CREATE INDEX
    CONCURRENTLY waits for all of them. A transaction pooler would keep such a lock forever, so take
    one for each transaction instead.
{% endif %}

    Raises:
        TimeoutError: another process has been changing the schema for too long.
    """
{% if postgresql %}
    if transaction_pooler:
        event.listen(connection.sync_connection, "begin", _lock_transaction)
        return
{% endif %}
    try:
        async with asyncio.timeout(SCHEMA_TIMEOUT):
            while not await connection.scalar(text(TRY_LOCK)):
                await connection.rollback()
                await asyncio.sleep(SCHEMA_INTERVAL)
            await connection.rollback()
    except TimeoutError:
        message = f"another process has been changing the schema for {SCHEMA_TIMEOUT} seconds"
        raise TimeoutError(message) from None
{% if postgresql %}


def _lock_transaction(connection: Connection) -> None:
    for statement in LOCK_TRANSACTION:
        connection.exec_driver_sql(statement)
{% endif %}
