"""Reads without a session: one statement, its rows, and the connection is free again."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Executable, Result
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

#: Whether each statement on a connection taken from the pool is a transaction of its own.
autocommit = ContextVar("autocommit", default=False)


class Reader:
    """Executes statements that only read, each as a transaction of its own.

    That saves the database BEGIN and ROLLBACK, and Python the entities. Use a session instead if
    several statements must see the same data, or if you change what you read.

    Args:
        engine: where the connections come from.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.sync_engine

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Result[Any]:
        """Execute a statement and return its buffered result.

        Args:
            statement: such as `select(Example)`, whose rows have the table's columns. Build it
                once, at the top of the module, with `bindparam` for values: building takes longer
                than executing.
            parameters: the values of the statement's `bindparam`s.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database rejected the statement, or no connection
                came free in time.
        """
        return await greenlet_spawn(self._execute, statement, parameters)

    def _execute(self, statement: Executable, parameters: Mapping[str, Any] | None) -> Result[Any]:
        token = autocommit.set(True)
        try:
            connection = self._engine.connect()
        finally:
            autocommit.reset(token)
        with connection:
            return connection.execute(statement, parameters).freeze()()
