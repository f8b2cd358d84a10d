{% set mysql = cookiecutter.database == "mysql" %}
"""Keyset pagination: the last page of a large table is as fast as the first."""

import datetime as dt
import json
import operator
import re
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Generic, Self, TypeVar, get_args

import sqlalchemy as sa
from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationInfo, field_validator
from pydantic_core import to_json

from .errors import ProblemError
from .models import MAX_INTEGER, OMITTED, Before, BigInteger, DateTime, Double, check, check_digits

Item = TypeVar("Item", bound=BaseModel)

#: For your own integers in a path or a query: pydantic alone reads " 1_0.0" as 10.
DIGITS = Before(check_digits)

_LIMIT = Query(description="The maximum number of items to return.")
_OF_AFTER = "The `next` of the previous page, or 0 for the first page."
_AFTER64 = Query(description=_OF_AFTER, json_schema_extra={"format": "int64"})
_CURSOR = Query(description="The `next` of the previous page. `sort` must be the same again.")

Limit = Annotated[int, _LIMIT, check(ge=1, le=100), DIGITS]
#: The id of the item before the page: 32 or 64 bits.
After = Annotated[int, Query(description=_OF_AFTER), check(ge=0, le=MAX_INTEGER), DIGITS]
After64 = Annotated[int, _AFTER64, check(ge=0, lt=2**63), DIGITS]
#: The place before the page. The longest value that MySQL can index fits.
Cursor = Annotated[str, _CURSOR, check(pattern=r"^[A-Za-z0-9_-]{0,5000}$")]

#: The ends of the names of filters, how each compares, and its description.
FILTERS: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "_min": (operator.ge, "Only items with at least this `{}`."),
    "_max": (operator.le, "Only items with at most this `{}`."),
    "": (operator.eq, "Only items with this `{}`."),
}
#: The largest float has 309 digits. Python converts at most 4300.
_INTEGER = r"-?(0|[1-9][0-9]{0,308})"
_NUMBER = _INTEGER + r"(\.[0-9]+)?([eE][+-]?[0-9]+)?"
#: Text that is read as JSON, because a query has no other types.
_JSON: dict[Any, str] = {int: _INTEGER, float: _NUMBER, bool: "true|false"}
#: A cursor: the sort, the value in the last row, and the last id.
_PLACE = TypeAdapter(tuple[str, Any, BigInteger])
#: The values that a cursor can contain, by the type of the column.
_VALUES: dict[type[Any], TypeAdapter[Any]] = {
    int: TypeAdapter(BigInteger),
    float: TypeAdapter(Double),
    Decimal: TypeAdapter(Annotated[Decimal, Field(max_digits=65, decimal_places=30)]),
    str: TypeAdapter(Annotated[str, Field(pattern=r"^[^\x00]*$")]),
    dt.date: TypeAdapter(dt.date),
    dt.datetime: TypeAdapter(DateTime),
    uuid.UUID: TypeAdapter(uuid.UUID),
}


class Page(BaseModel, Generic[Item]):
    """A page of a list, ordered by id."""

    items: list[Item]
    next: int | None = Field(description="The `after` of the next page, or null on the last page.")

    @classmethod
    def of(cls, rows: Sequence[Any], limit: int) -> Self:
        """Create a page.

        Args:
            rows: rows or entities, ordered by `id`. Select up to `limit + 1`: an extra row means
                that there is a next page.
            limit: the maximum number of items.
        """
        following = rows[limit - 1].id if len(rows) > limit else None
        return cls.model_validate({"items": rows[:limit], "next": following}, from_attributes=True)


class ListQuery(BaseModel):
    """The base class for the query parameters of a list, which rejects unknown parameters.

    A subclass declares `sort: Literal["id", "-id"] = "id"` with all orders, and a field for each
    filter: `total: Decimal = OMITTED` selects the rows with this `total`, and `total_min` and
    `total_max` select a range.
    """

    model_config = ConfigDict(extra="forbid")

    sort: str = "id"
    limit: Limit = 20
    cursor: Cursor = OMITTED

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Describe the parameters in the OpenAPI schema."""
        cls.model_fields["sort"].description = "The order of the items; `-` means descending."
        for name, field in cls.model_fields.items():
            attribute, end = _split(name)
            field.description = field.description or FILTERS[end][1].format(attribute)

    @field_validator("*", mode="before")
    @classmethod
    def _read_text(cls, value: Any, info: ValidationInfo) -> Any:
        kind: Any = cls.model_fields[str(info.field_name)].annotation
        while arguments := get_args(kind):
            kind = arguments[0]
        is_json = isinstance(value, str) and kind in _JSON and re.fullmatch(_JSON[kind], value)
        return json.loads(value) if is_json else value


class CursorPage(BaseModel, Generic[Item]):
    """A page of a list in the order of its query."""

    items: list[Item]
    next: str | None = Field(description="The `cursor` of the next page, or null on the last page.")

    @classmethod
    def of(cls, rows: Sequence[Any], query: ListQuery) -> Self:
        """Create a page.

        Args:
            rows: the rows of `select_page`. Each has an `id` and the attribute that sorts them.
            query: the parameters of the list.
        """
        following = None
        if len(rows) > query.limit:
            last = rows[query.limit - 1]
            place = [query.sort, getattr(last, query.sort.removeprefix("-")), last.id]
            following = urlsafe_b64encode(to_json(place)).decode().rstrip("=")
        content = {"items": rows[: query.limit], "next": following}
        return cls.model_validate(content, from_attributes=True)


def select_page(
    statement: sa.Select[Any], entity: type[Any], query: ListQuery
) -> tuple[sa.Select[Any], dict[str, Any]]:
    """Return the statement of a page and its parameters, for `reader.execute`.

    Args:
        statement: selects all rows. Build it once, because its pages are cached.
        entity: the entity that has the attributes named in the query. An attribute needs a unique
            index, or one on `(attribute, id)`: without it, the database reads all rows.
        query: the parameters of the list.

    Raises:
        ProblemError: the cursor is invalid.
    """
    mapper = sa.inspect(entity)
    filters = query.model_dump(exclude=set(ListQuery.model_fields), exclude_none=True)
    place = _read_cursor(query, mapper.columns) if "cursor" in query.model_fields_set else {}
    value = filters.get(query.sort.removeprefix("-"))
    # After another filter, the rows of this value may be on either side of the place.
    is_same = value is not None and place.get("_value", value) == value
    built = _build_page(statement, mapper, query.sort, bool(place), is_same, *filters)
    return built, {**filters, **place, "_limit": query.limit + 1}


# Clients choose the combinations, so keep a limited number.
@lru_cache(maxsize=512)
def _build_page(
    statement: sa.Select[Any], mapper: Any, sort: str, is_after: bool, is_same: bool, *filters: str
) -> sa.Select[Any]:
    columns = mapper.columns
    column, key = columns[sort.removeprefix("-")], columns["id"]
    if column.nullable or _kind(column) not in _VALUES:
        message = f"cannot sort by {column}: it may be NULL, or its type has no order"
        raise ValueError(message)
    # Rows with the same value are ordered by id.
    keys = [(column, _bind("_value", column)), (key, _bind("_id", key))]
    if column.unique or column.primary_key:
        del keys[1]
    elif is_same:
        del keys[0]
    order = [column for column, _ in keys]
    for name in filters:
        attribute, end = _split(name)
        column, value = columns[attribute], _bind(name, columns[attribute])
{% if mysql %}
        if not end:
            # For `column = value`, MariaDB reads all of these rows again for each page.
            statement = statement.where(column >= value, column <= value)
            order = [column, key] if keys[0][0] is key else order
            continue
{% endif %}
        statement = statement.where(FILTERS[end][0](column, value))
    is_descending = sort.startswith("-")
    compare = operator.lt if is_descending else operator.gt
    if is_after:
{% if mysql %}
        # For `(column, id) > (value, last)`, MariaDB reads an index from its start.
        (column, value), *others = keys
        ties = (sa.and_(column == value, compare(key, last)) for key, last in others)
        statement = statement.where(sa.or_(compare(column, value), *ties))
{% else %}
        place = sa.tuple_(*(value for _, value in keys))
        statement = statement.where(compare(sa.tuple_(*(column for column, _ in keys)), place))
{% endif %}
    statement = statement.order_by(*(each.desc() if is_descending else each for each in order))
    return statement.limit(_bind("_limit", columns["id"]))


def _split(name: str) -> tuple[str, str]:
    """Split the name of a filter: `total_min` into `total` and `_min`."""
    end = next(end for end in FILTERS if name.endswith(end))
    return name.removesuffix(end), end


def _bind(name: str, column: sa.Column[Any]) -> sa.BindParameter[Any]:
    """Create a parameter. PostgreSQL would reject a cursor's 64-bit integer for a 32-bit column."""
    return sa.bindparam(name, type_=sa.BigInteger() if _kind(column) is int else column.type)


def _kind(column: sa.Column[Any]) -> Any:
    """Return the Python type of a column's values. A TypeDecorator doesn't know it."""
    return getattr(column.type, "impl", column.type).python_type


def _read_cursor(query: ListQuery, columns: Any) -> dict[str, Any]:
    try:
        text = urlsafe_b64decode(query.cursor + "=" * (-len(query.cursor) % 4))
        sort, value, key = _PLACE.validate_json(text)
        if sort == query.sort:
            values = _VALUES[_kind(columns[sort.removeprefix("-")])]
            return {"_value": values.validate_python(value), "_id": key}
    except ValueError:
        pass
    reason = "Input should be the `next` of a page with the same `sort`"
    errors = [{"detail": reason, "location": ["query", "cursor"]}]
    raise ProblemError(422, "The request is invalid.", errors=errors)
