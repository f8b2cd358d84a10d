"""Paging by key: a page costs the same however far into the table it lies."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Generic, Self, TypeVar

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticKnownError

Item = TypeVar("Item", bound=BaseModel)

#: The largest value of an INTEGER column, on every database.
MAX_INTEGER = 2**31 - 1


def _check_digits(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"-?(0|[1-9][0-9]*)", value):
        raise PydanticKnownError("int_parsing")
    return value


#: For an integer of a path or a query, behind its bounds: digits, as documented, and nothing
#: else; pydantic alone reads " 1_0.0" as 10 too.
DIGITS = BeforeValidator(_check_digits)

Limit = Annotated[int, Query(ge=1, le=100, description="How many items at the most."), DIGITS]
After = Annotated[
    int,
    Query(ge=0, le=MAX_INTEGER, description="The `next` of the page before; 0 to begin."),
    DIGITS,
]


class Page(BaseModel, Generic[Item]):
    """A part of a list, in the order of the key."""

    items: list[Item]
    next: int | None = Field(description="What to give as `after` for the next page, if any.")

    @classmethod
    def of(cls, rows: Sequence[Any], limit: int) -> Self:
        """Make a page.

        Args:
            rows: a `Reader`'s rows, or entities, in the order of their `id`; one more than
                `limit` where there is a next page.
            limit: how many items the page has at the most.
        """
        following = rows[limit - 1].id if len(rows) > limit else None
        return cls.model_validate({"items": rows[:limit], "next": following}, from_attributes=True)
