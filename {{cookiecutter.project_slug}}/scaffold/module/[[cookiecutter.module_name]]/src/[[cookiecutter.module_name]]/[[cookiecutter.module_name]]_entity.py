[% set indexed = cookiecutter.fields | selectattr("index") | list %]
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
    Index,
    Integer,
    Text
)
from sqlalchemy.orm import Mapped, mapped_column

from src.core.columns import JSON, DateTime, Id64, Numeric, String, Uuid, utc_now
from src.core.database import Base


class [[ cookiecutter.singular_class ]](Base):
    __tablename__ = "[[ cookiecutter.module_name ]]"
[% if indexed %]
    __table_args__ = (
[% for field in indexed %]
        Index("ix_[[ cookiecutter.module_name ]]_[[ field.name ]]", "[[ field.name ]]", "id"),
[% endfor %]
    )
[% endif %]

    id: Mapped[int] = mapped_column(Id64, primary_key=True, autoincrement=True)
[% for field in cookiecutter.fields %]
    [[ field.name ]]: Mapped[ [[ field.python ]] ] = mapped_column([[ field.column ]])
[% endfor %]
