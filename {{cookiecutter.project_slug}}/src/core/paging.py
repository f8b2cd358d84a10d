"""Paging by key: a page costs the same however far into the table it lies."""

from collections.abc import Sequence
from typing import Annotated, Any, Generic, Self, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from .models import MAX_INTEGER, Before, check, check_digits

Item = TypeVar("Item", bound=BaseModel)

_LIMIT = Query(description="The largest number of items.")
_AFTER = Query(description="The `next` of the page before; 0 for the first page.")

Limit = Annotated[int, _LIMIT, check(ge=1, le=100), Before(check_digits)]
#: The key that a page starts after: 32 bits, or 64.
After = Annotated[int, _AFTER, check(ge=0, le=MAX_INTEGER), Before(check_digits)]
After64 = Annotated[int, _AFTER, check(ge=0, lt=2**63), Before(check_digits)]


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
