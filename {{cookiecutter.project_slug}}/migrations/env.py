"""What Alembic runs for each of its commands: on the app's database, for the app's entities."""

import asyncio
import logging
from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import TEXT, VARCHAR, Connection

import src.app_module  # noqa: F401  # its modules import the entities
from src.config import config

# The app is silent about migrations; who runs them wants to see them.
logging.getLogger("alembic").setLevel(logging.NOTSET)


def render_item(kind: str, item: object, _: AutogenContext) -> str | Literal[False]:
    """Write a column's old type as every database has it: MySQL's would name its collation."""
    if kind == "type" and isinstance(item, VARCHAR):
        return f"sa.String(length={item.length})"
    if kind == "type" and isinstance(item, TEXT):
        return "sa.Text()"
    return False


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=config.Base.metadata,
        render_item=render_item,
        # SQLite copies a table where others alter it; one text does both.
        render_as_batch=True,
        # Here SQLite's is too; MySQL commits with each statement.
        transactional_ddl=connection.dialect.name != "mysql",
    )
    with context.begin_transaction():
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


if context.is_offline_mode():
    print_sql()
else:
    asyncio.run(migrate_online())
