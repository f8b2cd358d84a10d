"""The schema: the entities' base, and how a start and Alembic bring the database up to date."""

from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, MetaData, Table, event, inspect
from sqlalchemy.orm import DeclarativeBase

logger = structlog.stdlib.get_logger(__name__)

ALEMBIC_INI = Path(__file__).parents[3] / "alembic.ini"


class Base(DeclarativeBase):
    """The parent of all entities."""

    # Each database would name constraints in its own way, but migrations need one name.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )

    # Entities need no later query for values that the database has made, and two requests may
    # delete a row at the same time: SQLAlchemy would warn.
    __mapper_args__: Any = {"confirm_deleted_rows": False, "eager_defaults": True}  # noqa: RUF012


def set_table_options(table: Table, *_: Any, **__: Any) -> None:
    """Make a new table behave the same on every database.

    Text differs by case, and the id of a deleted row is never used again.
    """
    table.dialect_kwargs["mysql_charset"] = "utf8mb4"
    table.dialect_kwargs["mysql_collate"] = "utf8mb4_bin"
    # SQLite only has it for a key of one column.
    table.dialect_kwargs["sqlite_autoincrement"] = len(table.primary_key) == 1


@event.listens_for(Base.metadata, "before_create")
def _set_options_of_tables(*_: Any, tables: list[Table], **__: Any) -> None:
    for table in tables:
        set_table_options(table)


def migrate_if_empty(connection: Connection, metadata: MetaData) -> None:
    """Run the migrations on an empty database, and leave any other database alone.

    If its schema isn't the one that the code expects, log the command that helps.
    """
    # Imported here: Alembic takes 8 MiB, which a worker in production never needs.
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
            logger.warning("The schema is another version's; run `alembic upgrade head`")
    elif not metadata.tables.keys().isdisjoint(tables):
        logger.warning("No migration made the tables; run `alembic stamp` with their revision")
    else:
        command.upgrade(alembic, "head")
