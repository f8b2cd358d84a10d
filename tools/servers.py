"""Find the database servers for tests, benchmarks and `make app`.

`python -m tools.servers postgresql` prints the settings of a server that responds. It also creates
a project's configured database if it doesn't exist.
"""

import asyncio
import os
import sys
from typing import Any

import asyncpg
import pymysql

# The defaults of a rendered project. Local MySQL servers often have an empty root password.
DEFAULTS: dict[str, dict[str, list[str]]] = {
    "sqlite": {},
    "postgresql": {
        "POSTGRESQL_HOST": ["localhost"],
        "POSTGRESQL_PORT": ["5432"],
        "POSTGRESQL_USER": ["postgres"],
        "POSTGRESQL_PASSWORD": ["postgres"],
    },
    "mysql": {
        "MYSQL_HOST": ["localhost"],
        "MYSQL_PORT": ["3306"],
        "MYSQL_USER": ["root"],
        "MYSQL_PASSWORD": ["root", ""],
    },
}


class ServerError(Exception):
    """A database server doesn't respond. The message has its address and how to start it."""


def find(database: str) -> dict[str, str]:
    """Return the environment variables that select a project's server; for SQLite, none.

    Raises:
        ServerError: the server doesn't respond.
    """
    reasons = []
    settings = {name: values[0] for name, values in DEFAULTS[database].items()}
    for password in DEFAULTS[database].get(f"{database.upper()}_PASSWORD", [""]):
        settings |= {name: password for name in settings if name.endswith("_PASSWORD")}
        settings |= {name: os.environ[name] for name in settings if name in os.environ}
        try:
            execute(database, settings, "SELECT 1")
        except (OSError, asyncpg.PostgresError, pymysql.Error) as error:
            reasons.append(str(error))
        else:
            return settings
    address = ":".join(settings[f"{database.upper()}_{part}"] for part in ("HOST", "PORT"))
    message = (
        f"no {database} server responds at {address} ({reasons[-1]}): start one with "
        f"`docker compose up --detach {database}`, or set {', '.join(settings)}"
    )
    raise ServerError(message)


def execute(database: str, settings: dict[str, str], statement: str) -> Any:
    """Run a statement on the server, outside a project's database. SQLite ignores it."""
    if database == "sqlite":
        return None
    if database == "postgresql":
        return asyncio.run(_execute_on_postgresql(settings, statement))
    connection = pymysql.connect(
        host=settings["MYSQL_HOST"],
        port=int(settings["MYSQL_PORT"]),
        user=settings["MYSQL_USER"],
        password=settings["MYSQL_PASSWORD"],
    )
    with connection, connection.cursor() as cursor:
        return cursor.execute(statement)


def exists(database: str, settings: dict[str, str], name: str) -> bool:
    """Return whether the server has a database with this name."""
    catalog = {
        "sqlite": "",
        "postgresql": "SELECT count(*) FROM pg_database WHERE datname = ",
        "mysql": "SHOW DATABASES LIKE ",
    }
    return bool(execute(database, settings, f"{catalog[database]}'{name}'"))


def make(database: str, settings: dict[str, str], name: str, password: str) -> None:
    """Create a database that belongs to a new user with the same name."""
    if database == "postgresql":
        execute(database, settings, f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
        execute(database, settings, f"CREATE DATABASE {name} OWNER {name}")
    elif database == "mysql":
        execute(database, settings, f"CREATE DATABASE {name}")
        execute(database, settings, f"CREATE USER {name} IDENTIFIED BY '{password}'")
        execute(database, settings, f"GRANT ALL ON {name}.* TO {name}")


def drop(database: str, settings: dict[str, str], name: str) -> None:
    """Drop the database and the user, and close their connections."""
    if database == "postgresql":
        execute(database, settings, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        execute(database, settings, f"DROP ROLE IF EXISTS {name}")
    elif database == "mysql":
        execute(database, settings, f"DROP DATABASE IF EXISTS {name}")
        execute(database, settings, f"DROP USER IF EXISTS {name}")


async def _execute_on_postgresql(settings: dict[str, str], statement: str) -> Any:
    connection = await asyncpg.connect(
        host=settings["POSTGRESQL_HOST"],
        port=settings["POSTGRESQL_PORT"],
        user=settings["POSTGRESQL_USER"],
        password=settings["POSTGRESQL_PASSWORD"],
        database="postgres",
    )
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def main() -> None:
    """Print the settings of the server in `sys.argv`."""
    database = sys.argv[1]
    try:
        settings = find(database)
    except ServerError as error:
        sys.exit(str(error))
    name = os.environ.get(f"{database.upper()}_DB_NAME", "default_nest_db")
    if not exists(database, settings, name):
        execute(database, settings, f"CREATE DATABASE {name}")
    sys.stdout.write(" ".join(f"{name}={value}" for name, value in settings.items()))


if __name__ == "__main__":
    main()
