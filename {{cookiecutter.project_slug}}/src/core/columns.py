{% set sqlite, mysql = cookiecutter.database == "sqlite", cookiecutter.database == "mysql" %}
"""Column types that behave the same on every database, unlike SQLAlchemy's types of these names.

SQLAlchemy's Text, Integer, BigInteger, Double, Boolean and Date already behave the same.
"""

import datetime as dt
import json
import sys
{% if mysql %}
import uuid
{% endif %}
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import sqlalchemy as sa
{% if mysql %}
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles

MYSQL = ("mysql", "mariadb")
{% endif %}

#: A 64-bit primary key. SQLite only auto-increments INTEGER, which has 64 bits there.
Id64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def utc_now() -> dt.datetime:
    """Return the current time in UTC, as a `default` or `onupdate` of a `DateTime` column."""
    return dt.datetime.now(dt.UTC)


def String(length: int) -> sa.String:  # noqa: N802  # it reads like SQLAlchemy's type
    """Return a type for text that sorts by code point: `B` before `a`, and `z` before `é`."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


class DateTime(sa.TypeDecorator[dt.datetime]):
    """A timestamp with microseconds. Accepts any time zone and returns UTC."""

{% if mysql %}
    # MySQL drops fractions of a second by default.
    impl = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), *MYSQL)
{% else %}
    impl = sa.DateTime(timezone=True)
{% endif %}
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, _: sa.Dialect) -> dt.datetime | None:
        """Convert to UTC: SQLite and MySQL store no offset."""
        if value and not value.tzinfo:
            message = f"{value!r} has no time zone; use an aware datetime"
            raise ValueError(message)
        return value and value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, _: sa.Dialect) -> dt.datetime | None:
        """Add the time zone that SQLite and MySQL don't store."""
        return value and value.replace(tzinfo=dt.UTC)


class Numeric(sa.TypeDecorator[Decimal]):
    """An exact decimal number. `Numeric(12, 2)` has 12 digits, two of them after the point."""

    impl = sa.Numeric
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        if precision > sys.float_info.dig:
            message = f"invalid precision {precision}: use at most 15 digits, as SQLite does"
            raise ValueError(message)
        super().__init__(precision, scale)
{% if sqlite %}

    def load_dialect_impl(self, _: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Read floats, since SQLite has no decimal type. Their first 15 digits are exact."""
        return sa.Numeric(self.precision, self.scale, asdecimal=False)
{% endif %}

    def process_result_value(self, value: Any, _: sa.Dialect) -> Decimal | None:
        """{{ "Convert SQLite's float back to a Decimal" if sqlite else "Round a computed value, such as an average, to the column's scale" }}."""
        step = Decimal(1).scaleb(-self.scale)
        return None if value is None else Decimal(str(value)).quantize(step, ROUND_HALF_UP)


{% if mysql %}
class Uuid(sa.TypeDecorator[uuid.UUID]):
    """A UUID, stored as text on MySQL and MariaDB with every version of SQLAlchemy."""

    impl = sa.Uuid().with_variant(sa.Uuid(native_uuid=False), *MYSQL)
    cache_ok = True
{% else %}
Uuid = sa.Uuid
{% endif %}


class JSON(sa.JSON):
    """An object or an array; None is stored as NULL.

    To change a value, assign a new one: SQLAlchemy doesn't notice changes inside it.
    """

    def __init__(self) -> None:
        super().__init__(none_as_null=True)

    def compare_values(self, x: Any, y: Any) -> bool:
        """Distinguish 1, 1.0 and true, which are equal in Python."""
        return bool(x == y) and json.dumps(x) == json.dumps(y)
{% if mysql %}


@compiles(JSON, *MYSQL)
def compile_json(*_: Any, **__: Any) -> str:
    """Store JSON as text: MySQL's JSON type sorts keys and rounds numbers."""
    return "LONGTEXT"
{% endif %}
