{% set sqlite, mysql = cookiecutter.database == "sqlite", cookiecutter.database == "mysql" %}
"""Column types that behave the same on every database; SQLAlchemy's own of these don't.

SQLAlchemy's String, Text, Integer, BigInteger, Double, Boolean and Date do.
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

#: A key of 64 bits. SQLite counts up an INTEGER alone, whose size is 64 bits there.
Id64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class DateTime(sa.TypeDecorator[dt.datetime]):
    """A time to the microsecond: from any time zone, and returned in UTC."""

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
            message = f"{value!r} has no time zone"
            raise ValueError(message)
        return value and value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, _: sa.Dialect) -> dt.datetime | None:
        """Add the time zone that SQLite and MySQL don't store."""
        return value and value.replace(tzinfo=dt.UTC)


class Numeric(sa.TypeDecorator[Decimal]):
    """An exact decimal number of at most 15 digits: `Numeric(12, 2)` has 10 before the point."""

    impl = sa.Numeric
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        if precision > sys.float_info.dig:
            message = f"precision {precision}: SQLite keeps no more than 15 digits"
            raise ValueError(message)
        super().__init__(precision, scale)
{% if sqlite %}

    def load_dialect_impl(self, _: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Read floats from SQLite, which has no decimal numbers: 15 of their digits are exact."""
        return sa.Numeric(self.precision, self.scale, asdecimal=False)
{% endif %}

    def process_result_value(self, value: Any, _: sa.Dialect) -> Decimal | None:
        """{{ "Convert SQLite's float back to a Decimal" if sqlite else "Round a calculated value to the digits of the column" }}."""
        step = Decimal(1).scaleb(-self.scale)
        return None if value is None else Decimal(str(value)).quantize(step, ROUND_HALF_UP)


{% if mysql %}
class Uuid(sa.TypeDecorator[uuid.UUID]):
    """A UUID. On MariaDB it is text, as on MySQL, with every version of SQLAlchemy."""

    impl = sa.Uuid().with_variant(sa.Uuid(native_uuid=False), *MYSQL)
    cache_ok = True
{% else %}
Uuid = sa.Uuid
{% endif %}


class JSON(sa.JSON):
    """An object or an array; None is NULL. Assign a new value: SQLAlchemy sees no change inside."""

    def __init__(self) -> None:
        super().__init__(none_as_null=True)

    def compare_values(self, x: Any, y: Any) -> bool:
        """Tell 1 from true and from 1.0, unlike Python's `==`."""
        return bool(x == y) and json.dumps(x) == json.dumps(y)
{% if mysql %}


@compiles(JSON, *MYSQL)
def compile_json(*_: Any, **__: Any) -> str:
    """Keep JSON as it was written: MySQL's own type sorts keys and rounds numbers."""
    return "LONGTEXT"
{% endif %}
