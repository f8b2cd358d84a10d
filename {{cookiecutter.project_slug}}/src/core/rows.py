"""Rows without entities: the quick way to read what is not changed, and to add."""

from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from typing import Any, cast

from sqlalchemy import Connection, Engine, Insert, Select, Table, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.util import greenlet_spawn

#: Whether on a connection that is taken from the pool each statement is a transaction of its own.
autocommit = ContextVar("autocommit", default=False)


class Reader:
    """Reads rows, each statement in a transaction of its own.

    Beside a session it spares the server BEGIN and ROLLBACK, and the process the entities; the
    connection is back in the pool when the rows are there. Where several statements have to see
    the same, or what is read is changed, use a session.

    A statement is best built once, in the module, with `bindparam` for what changes: to build
    one costs more than to run it.

    Args:
        engine: where the connections come from.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.sync_engine

    async def fetch_all(
        self, statement: Select[Any], parameters: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows as dictionaries, by the names of the columns.

        Args:
            statement: what to select; of an entity, all columns.
            parameters: the values of the statement's `bindparam`s.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database refused, or the pool is exhausted.
        """
        return await greenlet_spawn(self._fetch, statement, parameters)

    async def fetch_one(
        self, statement: Select[Any], parameters: Mapping[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """Return the first row, or None; otherwise as `fetch_all`."""
        return next(iter(await self.fetch_all(statement, parameters)), None)

    def _fetch(
        self, statement: Select[Any], parameters: Mapping[str, Any] | None
    ) -> list[dict[str, Any]]:
        with _connect(self._engine) as connection:
            result = connection.execute(statement, parameters)
            keys = tuple(result.keys())
            return [dict(zip(keys, row, strict=True)) for row in result.all()]


async def add_row(
    session: AsyncSession, entity: type[Any], values: Mapping[str, Any], *, commit: bool = False
) -> dict[str, Any]:
    """Add a row to the table of an entity, in the session's transaction.

    Args:
        session: what commits, or does not.
        entity: the entity; nothing of it but its table has a part in this.
        values: what the row has, by the names of the columns.
        commit: whether to commit as well, with all that the session has done so far. Where that
            is nothing, the database commits by itself, and is not sent BEGIN and COMMIT.

    Returns:
        The whole row, with what defaults and the database have put in.

    Raises:
        sqlalchemy.exc.DBAPIError: the database refused.
    """
    add = _add_and_commit if commit else _add
    return await greenlet_spawn(add, session.sync_session, entity.__table__, values)


def _add(session: Session, table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    return _insert(session.connection(), table, values)


def _add_and_commit(session: Session, table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    bind = session.get_bind()
    if isinstance(bind, Engine) and not session.in_transaction():
        with _connect(bind) as connection:
            return _insert(connection, table, values)
    row = _add(session, table, values)
    session.commit()
    return row


def _insert(connection: Connection, table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    result = connection.execute(_statement(table), values)
    names = table.primary_key.columns.keys()
    key = dict(zip(names, result.inserted_primary_key or (), strict=True))
    # Of one row, as these are, they are no list.
    row = {**cast("Mapping[str, Any]", result.last_inserted_params()), **key}
    if len(row) < len(table.columns):
        # Not every database returns what it has put in.
        same = (table.c[name] == value for name, value in key.items())
        row = dict(connection.execute(select(table).where(*same)).mappings().one())
    return row


@cache
def _statement(table: Table) -> Insert:
    """Build the statement once."""
    return insert(table)


def _connect(engine: Engine) -> Connection:
    """Take a connection on which each statement is a transaction of its own."""
    token = autocommit.set(True)
    try:
        return engine.connect()
    finally:
        autocommit.reset(token)
