"""Alembic's environment: it connects to the app's database, and compares it with the entities."""

import asyncio
import logging
import re
import sys
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import DropTableOp, MigrationScript, ModifyTableOps
from sqlalchemy import JSON, Connection, DateTime, Table, TypeDecorator, Uuid, event
from sqlalchemy.ext.compiler import compiles

import src.app_module  # noqa: F401  # its modules import the entities
from src.config import config
from src.core.database.schema import set_table_options

# The app hides Alembic's log entries, but a person who runs a migration wants to see them.
logging.getLogger("alembic").setLevel(logging.NOTSET)

# Migrations use SQLAlchemy's own types. On MySQL, these hooks compile them like the types of
# `src.core.columns`. Every table gets the same options as at startup.
event.listen(Table, "before_create", set_table_options)


@compiles(DateTime, "mysql")
def compile_datetime(*_: Any, **__: Any) -> str:
    """Keep fractions of a second, which MySQL drops by default."""
    return "DATETIME(6)"


@compiles(JSON, "mysql")
def compile_json(*_: Any, **__: Any) -> str:
    """Keep JSON as it was written: MySQL's own type sorts keys and rounds numbers."""
    return "LONGTEXT"


@compiles(Uuid, "mysql")
def compile_uuid(*_: Any, **__: Any) -> str:
    """Use the same type on MariaDB as on MySQL."""
    return "CHAR(32)"


#: A database's name of a type, and the type that a migration uses.
TYPES = {
    r"VARCHAR\((\d+)\)": r"sa.String(length=\1)",
    r"TEXT": "sa.Text()",
    r"INTEGER(\(\d+\))?": "sa.Integer()",
    r"BIGINT(\(\d+\))?": "sa.BigInteger()",
    r"DOUBLE( PRECISION)?": "sa.Double()",
    r"(?:DECIMAL|NUMERIC)\((\d+), (\d+)\)": r"sa.Numeric(precision=\1, scale=\2)",
    r"BOOL(EAN)?|TINYINT\(1\)": "sa.Boolean()",
    r"DATE": "sa.Date()",
    r"DATETIME(\(6\))?|TIMESTAMP WITH TIME ZONE": "sa.DateTime(timezone=True)",
    r"CHAR\(32\)|UUID": "sa.Uuid()",
    r"JSON|LONGTEXT": "sa.JSON()",
}


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write a type without its dialect, so that the migration works on every database."""
    if isinstance(item, TypeDecorator):
        return render_item(kind, item.impl, autogen) or f"sa.{item.impl!r}"
    # SQLAlchemy's own names for neutral types are in lower case.
    if kind == "type" and item.__visit_name__.isupper():
        # MySQL names the collation too.
        name = re.sub(r" (CHARACTER SET|COLLATE) .*", "", item.compile(autogen.dialect))
        for pattern, written in TYPES.items():
            if match := re.fullmatch(pattern, name):
                return match.expand(written)
    return False


def order_drops(_context: Any, _revision: Any, scripts: list[MigrationScript]) -> None:
    """Drop a table after those that refer to it, and its indexes with it: MySQL needs them."""
    for script in scripts:
        if not script.upgrade_ops or not script.downgrade_ops:
            continue
        operations = script.upgrade_ops.ops
        drops = {each.table_name: each for each in operations if isinstance(each, DropTableOp)}
        referring: dict[str, set[str]] = {name: set() for name in drops}
        for name, drop in drops.items():
            for key in drop.to_table().foreign_keys:
                referring.setdefault(key.target_fullname.rpartition(".")[0], set()).add(name)
        with suppress(CycleError):
            order = [name for name in TopologicalSorter(referring).static_order() if name in drops]
            others = [each for each in operations if each not in drops.values()]
            operations[:] = [*others, *(drops[name] for name in order)]
        script.upgrade_ops.reverse_into(script.downgrade_ops)
        for directives in (operations, script.downgrade_ops.ops):
            dropped = {each.table_name for each in directives if isinstance(each, DropTableOp)}
            directives[:] = [
                each
                for each in directives
                if not isinstance(each, ModifyTableOps) or each.table_name not in dropped
            ]


{% if cookiecutter.deploy == "kubernetes" %}
def is_newer() -> bool:
    """Return whether the database has a revision that this version of the code doesn't know."""
    known = {revision.revision for revision in context.script.walk_revisions()}
    return not known.issuperset(context.get_context().get_current_heads())


{% endif %}
def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=config.Base.metadata,
        render_item=render_item,
        process_revision_directives=order_drops,
        # SQLite can alter few columns, so Alembic copies the table there. Others alter it.
        render_as_batch=True,
        # MySQL commits after each statement. DDL in SQLite is transactional, as in PostgreSQL.
        transactional_ddl=connection.dialect.name != "mysql",
    )
    with context.begin_transaction():
{% if cookiecutter.deploy == "kubernetes" %}
        # After a rollback, the schema stays. `-x newer=skip` lets the earlier version start.
        if context.get_x_argument(as_dictionary=True).get("newer") == "skip" and is_newer():
            logging.getLogger("alembic").warning("The schema is newer than the code, so it stays")
            return
{% endif %}
        context.run_migrations()


async def migrate_online() -> None:
    async with config.schema_connection() as connection:
        await connection.run_sync(migrate)


def print_sql() -> None:
    context.configure(
        dialect_name=config.engine.dialect.name,
        target_metadata=config.Base.metadata,
        literal_binds=True,
    )
    with context.begin_transaction():
        context.run_migrations()


connection = context.config.attributes.get("connection")
if context.is_offline_mode():
    print_sql()
elif connection is not None:
    # The app hands over its own connection at startup.
    migrate(connection)
else:
    try:
        asyncio.run(migrate_online())
    except (ConnectionError, TimeoutError) as error:
        sys.exit(str(error))
