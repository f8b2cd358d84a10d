"""The schema: the base class of all entities, and the migrations at startup."""

from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, MetaData, Table, event, inspect
from sqlalchemy.orm import DeclarativeBase

logger = structlog.stdlib.get_logger(__name__)

ALEMBIC_INI = Path(__file__).parents[3] / "alembic.ini"


class Base(DeclarativeBase):
    """The base class of all entities."""

    # Migrations refer to constraints by name, and each database would choose other names.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )

    # Load generated values with each write: an async session can't load them later. Don't warn if
    # two requests delete a row at the same time.
    __mapper_args__: Any = {"confirm_deleted_rows": False, "eager_defaults": True}  # noqa: RUF012


def set_table_options(table: Table, *_: Any, **__: Any) -> None:
    """Make a new table behave the same on every database.

    Comparisons of text are case-sensitive, and the id of a deleted row is never reused.
    """
    table.dialect_kwargs["mysql_charset"] = "utf8mb4"
    table.dialect_kwargs["mysql_collate"] = "utf8mb4_bin"
    # SQLite supports AUTOINCREMENT only for a key of one column.
    table.dialect_kwargs["sqlite_autoincrement"] = len(table.primary_key) == 1


@event.listens_for(Base.metadata, "before_create")
def _set_options_of_tables(*_: Any, tables: list[Table], **__: Any) -> None:
    for table in tables:
        set_table_options(table)


def migrate_if_empty(connection: Connection, metadata: MetaData) -> None:
    """Run the migrations on an empty database. Never change any other database.

    If the schema doesn't match the code, log the command to run.
    """
    # Imported lazily: Alembic costs 8 MiB that a production worker never uses.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    alembic = Config(ALEMBIC_INI, attributes={"connection": connection})
    context = MigrationContext.configure(connection)
    tables = inspect(connection).get_table_names()
    heads = set(context.get_current_heads())
    connection.rollback()
    if context.version_table in tables:
        if heads != set(ScriptDirectory.from_config(alembic).get_heads()):
            logger.warning("The schema is from another version: run `alembic upgrade head`")
    elif not metadata.tables.keys().isdisjoint(tables):
        logger.warning("No migration created the tables: run `alembic stamp` with their revision")
    else:
        command.upgrade(alembic, "head")
