"""Column types that are the same on every database, where SQLAlchemy's own are not.

Its String, Text, Integer, BigInteger, Double, Boolean and Date are. In a migration,
SQLAlchemy's own types stand for these as well; `database.py` says what MySQL makes of them.
"""

import datetime as dt
import decimal
import json
import sys
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine


class DateTime(sa.TypeDecorator[dt.datetime]):
    """A moment, to the microsecond: aware in, of any time zone; aware out, in UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, _: sa.Dialect) -> dt.datetime | None:
        """Make it UTC, which is all that SQLite and MySQL can hold."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = f"{value!r} has no time zone"
            raise ValueError(message)
        return value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, _: sa.Dialect) -> dt.datetime | None:
        """Say that it is UTC."""
        return value and value.replace(tzinfo=dt.UTC)


class Numeric(sa.TypeDecorator[decimal.Decimal]):
    """A decimal number of at most 15 digits, exact: `Numeric(12, 2)` has 10 before the point."""

    impl = sa.Numeric
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        if precision > sys.float_info.dig:
            message = f"precision: SQLite keeps no more than {sys.float_info.dig} digits"
            raise ValueError(message)
        super().__init__(precision, scale)
        self.precision = precision
        self.scale = scale

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        """Let SQLite have floats, of which 15 digits are exact; it has no decimal numbers."""
        if dialect.name == "sqlite":
            return sa.Numeric(self.precision, self.scale, asdecimal=False)
        return super().load_dialect_impl(dialect)

    def process_result_value(self, value: Any, _: sa.Dialect) -> decimal.Decimal | None:
        """Make a float the decimal number that it was."""
        if value is None:
            return None
        step = decimal.Decimal(1).scaleb(-self.scale)
        return decimal.Decimal(str(value)).quantize(step, decimal.ROUND_HALF_UP)


class Uuid(sa.TypeDecorator[uuid.UUID]):
    """A UUID; on MariaDB text, as on MySQL, whatever the version of SQLAlchemy."""

    impl = sa.Uuid
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        """Leave MariaDB's own type alone: SQLAlchemy 2.0 does, and 2.1 does not."""
        return sa.Uuid(native_uuid=dialect.name != "mysql")


class JSON(sa.JSON):
    """What JSON can say; None is SQL's NULL. Assign a new value: a change within is not seen."""

    def __init__(self) -> None:
        super().__init__(none_as_null=True)

    def compare_values(self, x: Any, y: Any) -> bool:
        """Tell 1 from true and from 1.0, as Python's `==` does not."""
        return bool(x == y) and json.dumps(x) == json.dumps(y)
