"""A database of a run's own, on the server that is here, and what is in its table."""

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
    """A database of this run's own."""

    #: `sqlite`, `postgresql` or `mysql`.
    kind: str
    #: The variables with which a service reaches it.
    settings: dict[str, str]

    @property
    def name(self) -> str:
        """Its name on the server; for SQLite, the path of the file without `.db`."""
        return self.settings[f"{self.kind.upper()}_DB_NAME"]

    def migrate(self, project: Path) -> None:
        """Make the tables, by the migrations of a rendered project."""
        run([str(PYTHON), "-m", "alembic", "upgrade", "head"], project, **self.settings)

    def fill(self, rows: int) -> None:
        """Have the table hold that many rows, with keys from 1 on, and nothing else."""
        values = ", ".join(f"('example {number}')" for number in range(1, rows + 1))
        insert = f"INSERT INTO examples (name) VALUES {values}"  # noqa: S608  # ours
        if self.kind == "sqlite":
            self._execute("DELETE FROM examples", "DELETE FROM sqlite_sequence", insert)
            # Nobody inherits a log that another has filled.
            self._execute("PRAGMA wal_checkpoint(TRUNCATE)")
        elif self.kind == "postgresql":
            self._execute("TRUNCATE examples RESTART IDENTITY", insert, "ANALYZE examples")
        else:
            self._execute("TRUNCATE examples", insert, "ANALYZE TABLE examples")

    def version(self) -> str:
        """Name the server and its version."""
        if self.kind == "sqlite":
            code = "import sqlite3; print(sqlite3.sqlite_version)"
            return f"SQLite {run([str(PYTHON), '-c', code], BUILD).strip()}"
        if self.kind == "postgresql":
            return f"PostgreSQL {self._execute('SHOW server_version').split()[0]}"
        number, _, more = self._execute("SELECT version()").partition("-")
        return f"{'MariaDB' if 'MariaDB' in more else 'MySQL'} {number}"

    def _execute(self, *statements: str) -> str:
        """Run statements, and return the first value of what the last one finds."""
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
    """Make a database; drop it afterwards.

    Args:
        kind: `sqlite`, `postgresql` or `mysql`.
        settings: the variables with which a service reaches the server.
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
