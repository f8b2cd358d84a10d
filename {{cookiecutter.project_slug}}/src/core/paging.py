"""Paging by key: a page costs the same however far into the table it lies."""

from collections.abc import Sequence
from typing import Annotated, Any, Generic, Self, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from .models import MAX_INTEGER, Before, check, check_digits

Item = TypeVar("Item", bound=BaseModel)

#: For an integer of your own in a path or a query: pydantic alone reads " 1_0.0" as 10.
DIGITS = Before(check_digits)

_LIMIT = Query(description="The largest number of items.")
_OF_AFTER = "The `next` of the page before; 0 for the first page."
_AFTER64 = Query(description=_OF_AFTER, json_schema_extra={"format": "int64"})

Limit = Annotated[int, _LIMIT, check(ge=1, le=100), DIGITS]
#: The key that a page starts after: 32 bits, or 64.
After = Annotated[int, Query(description=_OF_AFTER), check(ge=0, le=MAX_INTEGER), DIGITS]
After64 = Annotated[int, _AFTER64, check(ge=0, lt=2**63), DIGITS]


class Page(BaseModel, Generic[Item]):
    """A part of a list, in the order of the key."""

    items: list[Item]
    next: int | None = Field(description="The `after` of the next page, if there is one.")

    @classmethod
    def of(cls, rows: Sequence[Any], limit: int) -> Self:
        """Make a page.

        Args:
            rows: a reader's rows, or entities, in the order of their `id`: one more than `limit`
                if there is a next page.
            limit: the largest number of items.
        """
        following = rows[limit - 1].id if len(rows) > limit else None
        return cls.model_validate({"items": rows[:limit], "next": following}, from_attributes=True)
