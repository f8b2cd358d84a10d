"""Keyset pagination: the last page of a large table is as fast as the first."""

from collections.abc import Sequence
from typing import Annotated, Any, Generic, Self, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from .models import MAX_INTEGER, Before, check, check_digits

Item = TypeVar("Item", bound=BaseModel)

#: For your own integers in a path or a query: pydantic alone reads " 1_0.0" as 10.
DIGITS = Before(check_digits)

_LIMIT = Query(description="The maximum number of items to return.")
_OF_AFTER = "The `next` of the previous page, or 0 for the first page."
_AFTER64 = Query(description=_OF_AFTER, json_schema_extra={"format": "int64"})

Limit = Annotated[int, _LIMIT, check(ge=1, le=100), DIGITS]
#: The id of the item before the page: 32 or 64 bits.
After = Annotated[int, Query(description=_OF_AFTER), check(ge=0, le=MAX_INTEGER), DIGITS]
After64 = Annotated[int, _AFTER64, check(ge=0, lt=2**63), DIGITS]


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
