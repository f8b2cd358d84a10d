"""Reads without a session: execute one statement, fetch its rows, return the connection."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Executable, Result
from sqlalchemy.exc import NotSupportedError
from sqlalchemy.ext.asyncio import AsyncEngine

from .sessions import Places


class Reader:
    """Executes statements that only read, each in a separate transaction.

    Without a session, there is no BEGIN and ROLLBACK, and no entity. Use a session instead if
    several statements must see the same data, or if you change the rows.

    Args:
        engine: an engine in AUTOCOMMIT.
        places: limits the number of connections in use.
    """

    def __init__(self, engine: AsyncEngine, places: Places) -> None:
        self._engine = engine
        self._places = places

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Result[Any]:
        """Execute a statement and return its buffered result.

        Args:
            statement: such as `select(Example.id, Example.name)`. Build it once, at the top of
                the module, with `bindparam` for values: building takes longer than executing.
                Label an attribute whose column has another name.
            parameters: the values of the statement's `bindparam`s.

        Raises:
            sqlalchemy.exc.DBAPIError: the database rejected the statement.
            sqlalchemy.exc.TimeoutError: no connection became free in time.
        """
        async with self._places:
            try:
                return await self._execute(statement, parameters)
            except NotSupportedError:
                # PostgreSQL rejects a prepared statement once its tables have changed. By now the
                # driver has dropped the statement, so this prepares it again.
                return await self._execute(statement, parameters)

    async def _execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None
    ) -> Result[Any]:
        async with self._engine.connect() as connection:
            return await connection.execute(statement, parameters)
