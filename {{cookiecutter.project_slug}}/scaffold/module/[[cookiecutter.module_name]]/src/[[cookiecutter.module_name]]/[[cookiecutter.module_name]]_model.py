[% set inputs = cookiecutter.fields | rejectattr("type.set_by_app") | list %]
[% set filtered = cookiecutter.fields | selectattr("filters") | list %]
import decimal
from enum import StrEnum
from typing import Literal

from src.core.models import (
    OMITTED,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Decimal,
    Double,
    Id64,
    InputModel,
    Integer,
    Json,
    LongText,
    OutputModel,
    Reference,
    Reference64,
    ShortLine,
    Uuid
)
from src.core.paging import ListQuery


[% for enum in cookiecutter.fields | selectattr("enum") | map(attribute="enum") %]
class [[ enum.name ]](StrEnum):
[% for name, value in enum.members.items() %]
    [[ name ]] = "[[ value ]]"
[% endfor %]


[% endfor %]
class [[ cookiecutter.singular_class ]]Create(InputModel):
[% for field in inputs %]
    [[ field.name ]]: [[ field.model ]][[ " = " ~ field.optional.code if field.optional ]]
[% endfor %]


class [[ cookiecutter.singular_class ]]Update(InputModel):
[% for field in inputs %]
    [[ field.name ]]: [[ field.model ]] = OMITTED
[% endfor %]


class [[ cookiecutter.singular_class ]](OutputModel):
    id: Id64
[% for field in cookiecutter.fields %]
    [[ field.name ]]: [[ field.output ]]
[% endfor %]


class [[ cookiecutter.plural_class ]]Query(ListQuery):
    sort: Literal["id", "-id"[% for field in filtered if field.sorts %], "[[ field.name ]]", "-[[ field.name ]]"[% endfor %]] = "id"
[% for field in filtered %]
[% for name in field.filters %]
    [[ name ]]: [[ field.type.model ]] = OMITTED
[% endfor %]
[% endfor %]
