"""The schema: what Alembic's migrations make of it, and what the app makes at its start."""

from pathlib import Path

import structlog
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, inspect

logger = structlog.stdlib.get_logger(__name__)

#: Alembic's configuration, for its commands: `alembic.command.upgrade(CONFIG, "head")`.
CONFIG = Config(Path(__file__).parents[2] / "alembic.ini")


def create_tables(connection: Connection, metadata: MetaData) -> None:
    """Make the tables of an empty database, and mark it as migrated to the newest migration.

    A database that migrations manage is left alone, and so is one that has some of the tables
    without them; where it is not as the code expects, the log says what to do.
    """
    context = MigrationContext.configure(connection)
    migrations = ScriptDirectory.from_config(CONFIG)
    tables = inspect(connection).get_table_names()
    if context.version_table in tables:
        if set(context.get_current_heads()) != set(migrations.get_heads()):
            logger.warning("The schema is not of this version; run `alembic upgrade head`")
    elif not metadata.tables.keys().isdisjoint(tables):
        logger.warning(
            "The tables were not made by migrations; "
            "run `alembic stamp` with the revision that they are at"
        )
    else:
        metadata.create_all(connection)
        context.stamp(migrations, "heads")


def drop_tables(connection: Connection, metadata: MetaData) -> None:
    """Drop the tables, and the record of their migrations."""
    metadata.drop_all(connection)
    table = Table(MigrationContext.configure(connection).version_table, MetaData())
    table.drop(connection, checkfirst=True)
