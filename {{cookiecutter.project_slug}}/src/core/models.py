"""What the models of all modules share: their parents, and a type for each type of column.

A type takes from a body what the OpenAPI document says, and nothing that pydantic would turn
into it; from an entity it takes the value of the column. Either way it makes the one value that
every database gives back, so that an answer to a POST is what a GET answers later.
"""

import datetime as dt
import decimal
import json
import re
import sys
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from .paging import DIGITS, MAX_INTEGER

#: MySQL promises no years before it.
EARLIEST = dt.datetime(1000, 1, 1, tzinfo=dt.UTC)
#: How deep JSON may be nested; MariaDB's functions take 32.
MAX_DEPTH = 30


@dataclass(frozen=True)
class _Written:
    """How a body writes a value for which JSON has no type; pydantic alone reads numbers too."""

    #: The type of the value, as an entity has it.
    kind: type
    pattern: str
    example: str
    #: What the text has to be beside what the pattern says, as JSON Schema names it.
    format: str | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, *_: Any) -> dict[str, Any]:
        schema = {"type": "string", "pattern": f"^{self.pattern}$", "examples": [self.example]}
        return schema | ({"format": self.format} if self.format else {})

    def _check(self, value: Any) -> Any:
        written = isinstance(value, str) and re.fullmatch(self.pattern, value)
        if not written and not isinstance(value, self.kind):
            raise PydanticCustomError(
                "form", 'Input should be text such as "{example}"', {"example": self.example}
            )
        return value


def _read_whole(value: Any) -> Any:
    """JSON Schema has it that 5.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _round(value: decimal.Decimal) -> decimal.Decimal:
    """Have two digits after the point, as the column has, and no minus before a zero."""
    return value.quantize(decimal.Decimal("0.01"), decimal.ROUND_HALF_UP) + 0


def _to_utc(value: dt.datetime) -> dt.datetime:
    with suppress(OverflowError):
        value = value.astimezone(dt.UTC)
        if value >= EARLIEST:
            return value
    raise PydanticCustomError("range", "Input should be in the years 1000 to 9999 in UTC")


def _check_json(value: Any) -> Any:
    if not isinstance(value, (dict, list)):
        raise PydanticCustomError("json", "Input should be an object or an array")
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            part
            for whole in level
            for part in (whole.values() if isinstance(whole, dict) else whole)
            if isinstance(part, (dict, list))
        ]
    if level:
        raise PydanticCustomError(
            "depth", "Input should be nested {depth} deep at the most", {"depth": MAX_DEPTH}
        )
    # Python's parser takes "NaN", "1e400" and half of a surrogate pair.
    with suppress(ValueError):
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        return value
    raise PydanticCustomError("json", "Input should have finite numbers and whole characters")


#: A row's key.
Id = Annotated[int, Field(ge=1, le=MAX_INTEGER), DIGITS]

#: Text as every database stores it: PostgreSQL takes no NUL, and MySQL ignores blanks at the
#: end when it compares. Bound its length: `Annotated[Text, Field(max_length=100)]`.
Text = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        # The document has to say that blanks alone are too short.
        pattern=r"^[^\x00]*[^\s\x00][^\x00]*$",
    ),
    # Else the page of the document makes one up from the pattern.
    Field(examples=["text"]),
]

#: For a column of `String(100)`.
ShortText = Annotated[Text, Field(max_length=100)]

#: For a column of `Text`: as much as MySQL holds, whatever the characters.
LongText = Annotated[Text, Field(max_length=16_383)]

#: For a column of `Integer`: 32 bits.
Integer = Annotated[
    int, Field(strict=True, ge=-MAX_INTEGER - 1, le=MAX_INTEGER), BeforeValidator(_read_whole)
]

#: For a foreign key: the `Id` of another row.
Reference = Annotated[int, Field(strict=True, ge=1, le=MAX_INTEGER), BeforeValidator(_read_whole)]

#: For a column of `BigInteger`: 64 bits. Clients whose numbers are floats, as JavaScript's, lose
#: digits beyond 2**53; so does FastAPI, which is why the document has no bounds but a format.
BigInteger = Annotated[
    int,
    Field(strict=True, ge=-(2**63), le=2**63 - 1),
    BeforeValidator(_read_whole),
    WithJsonSchema({"type": "integer", "format": "int64"}),
]

#: For a column of `Double`: a finite number; -0.0 is 0.0.
Double = Annotated[
    float,
    Field(strict=True, ge=-sys.float_info.max, le=sys.float_info.max, allow_inf_nan=False),
    AfterValidator(lambda value: value + 0.0),
]

#: For a column of `Numeric(12, 2)`: text, as a number of JSON's is a float to most who read it.
Decimal = Annotated[
    decimal.Decimal,
    _Written(decimal.Decimal, r"-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?", "12.50"),
    AfterValidator(_round),
]

#: For a column of `Boolean`.
Boolean = StrictBool

#: For a column of `Date`, from the year 1000 on, as MySQL has it.
Date = Annotated[
    dt.date,
    _Written(dt.date, r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}", "2026-11-23", "date"),
]

#: For a column of `DateTime`: a time with its offset (RFC 3339), from the year 1000 on.
DateTime = Annotated[
    AwareDatetime,
    _Written(
        dt.datetime,
        r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]{1,9})?"
        r"(Z|[+-][0-9]{2}:[0-9]{2})",
        "2026-11-23T12:30:00Z",
        "date-time",
    ),
    AfterValidator(_to_utc),
]

#: For a column of `Uuid`.
Uuid = Annotated[
    uuid.UUID,
    _Written(
        uuid.UUID,
        r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
        "a59d6f1e-6b3c-4b0e-9d5b-0f6c1d2e3f40",
        "uuid",
    ),
]

#: For a column of `JSON`.
Json = Annotated[
    dict[str, Any] | list[Any],
    Field(description=f"JSON, nested {MAX_DEPTH} deep at the most."),
    BeforeValidator(_check_json),
]

#: The default of a field that a PATCH may leave out; `model_dump(exclude_unset=True)` has
#: only those that were given. Made by a factory, it is not in the document.
OMITTED: Any = Field(default_factory=lambda: None)


class InputModel(BaseModel):
    """A body that a client sends; a field it does not know is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class OutputModel(BaseModel):
    """A body that the app sends, made from an entity by `model_validate`."""

    model_config = ConfigDict(from_attributes=True)
