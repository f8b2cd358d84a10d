"""What Alembic runs for each of its commands: on the app's database, for the app's entities."""

import asyncio
import logging

from alembic import context
from sqlalchemy import Connection

import src.app_module  # noqa: F401  # its modules import the entities
from src.config import config

logging.getLogger("alembic").setLevel(logging.INFO)


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=config.Base.metadata,
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
