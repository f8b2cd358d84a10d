import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    Double,
    ForeignKey,
    Integer,
    String,
    Text
)
from sqlalchemy.orm import Mapped, mapped_column

from src.config import config
from src.core.columns import JSON, DateTime, Numeric, Uuid


# mypy does not follow a base class through an instance.
class [[ cookiecutter.singular_class ]](config.Base):  # type: ignore[misc, name-defined]
    __tablename__ = "[[ cookiecutter.module_name ]]"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
[% for field in cookiecutter.fields %]
    [[ field.name ]]: Mapped[ [[ field.python ]] ] = mapped_column([[ field.column ]])
[% endfor %]
