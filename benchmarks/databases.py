"""Create the temporary database of a run, and fill its table."""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import pymysql

from tools import servers
from tools.template import run

from .contenders import BUILD, PYTHON


@dataclass(frozen=True)
class Database:
    """A temporary database."""

    #: `sqlite`, `postgresql` or `mysql`.
    kind: str
    #: The environment variables for a service on this database.
    settings: dict[str, str]

    @property
    def name(self) -> str:
        """Return the database's name; for SQLite, the path of the file without `.db`."""
        return self.settings[f"{self.kind.upper()}_DB_NAME"]

    def migrate(self, project: Path) -> None:
        """Create the tables with the migrations of a rendered project."""
        run([str(PYTHON), "-m", "alembic", "upgrade", "head"], project, **self.settings)

    def fill(self, rows: int) -> None:
        """Replace the tables' rows with a number of new ones, with keys from 1."""
        numbers = range(1, rows + 1)
        names = ", ".join(f"('example {number}')" for number in numbers)
        # Every status has all totals, in no order.
        orders = ", ".join(
            f"('{('new', 'paid', 'sent')[number % 3]}', {number * 7919 % 1000})"
            for number in numbers
        )
        # No part of these statements comes from outside.
        inserts = {
            "examples": f"INSERT INTO examples (name) VALUES {names}",  # noqa: S608
            "orders": f"INSERT INTO orders (status, total) VALUES {orders}",  # noqa: S608
        }
        for table, insert in inserts.items():
            if self.kind == "sqlite":
                self._execute(f"DELETE FROM {table}", "DELETE FROM sqlite_sequence", insert)  # noqa: S608
            elif self.kind == "postgresql":
                self._execute(f"TRUNCATE {table} RESTART IDENTITY", insert, f"ANALYZE {table}")
            else:
                self._execute(f"TRUNCATE {table}", insert, f"ANALYZE TABLE {table}")
        if self.kind == "sqlite":
            # Each contender starts with an empty write-ahead log.
            self._execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def version(self) -> str:
        """Return the server's name and version."""
        if self.kind == "sqlite":
            code = "import sqlite3; print(sqlite3.sqlite_version)"
            return f"SQLite {run([str(PYTHON), '-c', code], BUILD).strip()}"
        if self.kind == "postgresql":
            return f"PostgreSQL {self._execute('SHOW server_version').split()[0]}"
        number, _, more = self._execute("SELECT version()").partition("-")
        return f"{'MariaDB' if 'MariaDB' in more else 'MySQL'} {number}"

    def _execute(self, *statements: str) -> str:
        """Execute statements; return the first value of the last one's result."""
        if self.kind == "postgresql":
            return asyncio.run(self._execute_on_postgresql(*statements))
        connection: sqlite3.Connection | pymysql.Connection
        if self.kind == "sqlite":
            connection = sqlite3.connect(f"{self.name}.db", timeout=10, isolation_level=None)
        else:
            connection = pymysql.connect(
                host=self.settings["MYSQL_HOST"],
                port=int(self.settings["MYSQL_PORT"]),
                user=self.settings["MYSQL_USER"],
                password=self.settings["MYSQL_PASSWORD"],
                database=self.name,
                autocommit=True,
            )
        with contextlib.closing(connection), contextlib.closing(connection.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)
            return str((cursor.fetchone() or [""])[0])

    async def _execute_on_postgresql(self, *statements: str) -> str:
        connection = await asyncpg.connect(
            host=self.settings["POSTGRESQL_HOST"],
            port=self.settings["POSTGRESQL_PORT"],
            user=self.settings["POSTGRESQL_USER"],
            password=self.settings["POSTGRESQL_PASSWORD"],
            database=self.name,
        )
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return str(await connection.fetchval(statements[-1]))
        finally:
            await connection.close()


@contextlib.contextmanager
def temporary_database(kind: str, settings: dict[str, str]) -> Iterator[Database]:
    """Create a database, and drop it afterwards.

    Args:
        kind: `sqlite`, `postgresql` or `mysql`.
        settings: the environment variables for a service on this server.
    """
    name = f"bench_{uuid4().hex}"
    folder = BUILD / "data"
    folder.mkdir(exist_ok=True)
    where = str(folder / name) if kind == "sqlite" else name
    database = Database(kind, settings | {f"{kind.upper()}_DB_NAME": where})
    servers.execute(kind, settings, f"CREATE DATABASE {name}")
    try:
        yield database
    finally:
        servers.drop(kind, settings, name)
        shutil.rmtree(folder)
