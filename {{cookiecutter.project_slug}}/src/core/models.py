"""The types of all modules' models, and the models' base classes.

A type accepts the values that the OpenAPI schema shows, and nothing else that pydantic could
convert. It makes of each the value that every database returns, so that the response to a POST is
also the response to a later GET.
"""

import datetime as dt
import decimal
import inspect
import json
import re
import types
import uuid
from contextlib import suppress
from typing import Annotated, Any, Union, get_args, get_origin

import sqlalchemy as sa
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo
from pydantic.types import GetPydanticSchema, Strict, StringConstraints
from pydantic_core import PydanticCustomError, PydanticKnownError

#: The largest value of 32 bits.
MAX_INTEGER = 2**31 - 1
#: The earliest time that MySQL supports, and the last one.
MIN_TIME = dt.datetime(1000, 1, 1, tzinfo=dt.UTC)
MAX_TIME = dt.datetime.max.replace(tzinfo=dt.UTC)
#: MariaDB's functions accept JSON that is nested 32 levels deep.
MAX_DEPTH = 30
JSON_RULE = f"JSON: an object or array, {MAX_DEPTH} deep at most, of finite numbers and Unicode"
#: JSON Schema's names of bounds, by pydantic's for those that it checks with a function.
LOWER = {"ge": "minimum", "gt": "exclusiveMinimum"}
UPPER = {"le": "maximum", "lt": "exclusiveMaximum", "multiple_of": "multipleOf"}


class Check(GetPydanticSchema):
    """A part of a type that an `OutputModel` leaves out."""


class Before(BeforeValidator):
    """Read the value of a body before pydantic does; an `OutputModel` leaves this out."""


def check(**constraints: Any) -> Check:
    """Constrain a type as `Field` does.

    The constraints of a field itself win, as in `x: Integer = Field(ge=1)`. If the type had a
    `Field`, pydantic would ignore the field's constraints.
    """
    return Check(lambda source, handler: {**constraints, **handler(source)})


def form(pattern: str, example: str, **keywords: str) -> Check:
    """Read a value of which JSON has no type from text.

    Args:
        pattern: the regular expression of the text.
        example: a text, for the documentation and for error messages.
        keywords: more keywords of JSON Schema, such as `format`.
    """
    text = {"type": "string", "pattern": pattern, "examples": [example], **keywords}

    def read(value: Any) -> Any:
        is_text = isinstance(value, str) and re.fullmatch(pattern, value)
        # Python's own types, such as a date, need no text.
        if isinstance(value, str | float | int) and not is_text:
            raise PydanticCustomError("form", f'Input should be text such as "{example}"')
        return value

    def document(schema: Any, handler: Any) -> Any:
        """Document the text, and the bounds that a field adds."""
        found = handler(schema)
        # pydantic would accept a number as a Decimal too, and documents bounds there.
        return found.pop("anyOf", [{}])[0] | found | text

    return Check(BeforeValidator(read).__get_pydantic_core_schema__, document)


def name_bounds(schema: Any) -> None:
    """Give the bounds in a JSON schema their names, wherever in it they are."""
    if isinstance(schema, dict):
        for key, name in (LOWER | UPPER).items():
            # A property may have the name of a bound; its value is a schema.
            if isinstance(schema.get(key), int | float | str):
                # JSON Schema has no bounds of dates.
                with suppress(ValueError):
                    bound = float(schema.pop(key))
                    bounds = (bound, schema.get(name, bound))
                    schema[name] = max(bounds) if key in LOWER else min(bounds)
        is_decimal = schema.get("pattern") == _DECIMAL
        if is_decimal and any(schema.get(name, -1) >= 0 for name in LOWER.values()):
            schema["pattern"] = _DECIMAL.replace("-?", "")
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            name_bounds(part)


def check_digits(value: Any) -> Any:
    """Reject an integer in a path or a query such as " 1_0.0", which pydantic reads as 10."""
    if isinstance(value, str) and not re.fullmatch(r"-?(0|[1-9][0-9]*)", value):
        raise PydanticKnownError("int_parsing")
    return value


def _read_whole(value: Any) -> Any:
    """Read 5.0 as an integer, as JSON Schema does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _round(value: decimal.Decimal) -> decimal.Decimal:
    """Keep two digits after the point, as the column does, and no minus before a zero."""
    with suppress(decimal.InvalidOperation):
        value = value.quantize(decimal.Decimal("0.01"), decimal.ROUND_HALF_UP) + 0
    return value


def _to_utc(value: dt.datetime) -> dt.datetime:
    return value.astimezone(dt.UTC) if value.tzinfo else value


def _depth(value: Any) -> int:
    """Count the levels of objects and arrays."""
    parts = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_depth, parts), default=0) if isinstance(value, dict | list) else 0


def _check_json(value: Any) -> Any:
    # Python's parser accepts "NaN", "1e400" and half of a surrogate pair. Python raises
    # RecursionError if a value is nested hundreds of levels deep.
    with suppress(ValueError, RecursionError):
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        if 1 <= _depth(value) <= MAX_DEPTH:
            return value
    raise PydanticCustomError("json", f"Input should be {JSON_RULE}")


#: 64 bits. As a float, which is how FastAPI writes bounds, 2**63 is exact and 2**63 - 1 is not.
_INT64 = Field(json_schema_extra={"format": "int64"})

#: The key of a row, in a path: 32 bits, or 64.
Id = Annotated[int, check(ge=1, le=MAX_INTEGER), Before(check_digits)]
Id64 = Annotated[int, _INT64, check(ge=1, lt=2**63), Before(check_digits)]

#: The key of another row, in a body: 32 bits, or 64.
Reference = Annotated[int, check(strict=True, ge=1, le=MAX_INTEGER), Before(_read_whole)]
Reference64 = Annotated[int, _INT64, check(strict=True, ge=1, lt=2**63), Before(_read_whole)]

_NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*$"
#: The documentation page would make up an example from the pattern.
_EXAMPLE = Field(examples=["text"])
#: Text that every database stores: PostgreSQL accepts no NUL, and MySQL ignores spaces at the end
#: when it compares. Give it a length: `Annotated[Text, Field(max_length=200)]`.
Text = Annotated[str, _EXAMPLE, check(strip_whitespace=True, min_length=1, pattern=_NOT_BLANK)]

#: For a column of `String(100)`.
ShortText = Annotated[Text, check(max_length=100)]

#: For a column of `Text`: MySQL holds this many characters of any kind.
LongText = Annotated[Text, check(max_length=16_383)]

#: For a column of `Integer`: 32 bits.
Integer = Annotated[int, check(strict=True, ge=-(2**31), le=MAX_INTEGER), Before(_read_whole)]

#: For a column of `BigInteger`: 64 bits. Clients whose numbers are floats, as JavaScript's are,
#: lose digits beyond 2**53.
BigInteger = Annotated[int, _INT64, check(strict=True, ge=-(2**63), lt=2**63), Before(_read_whole)]

_MAX_FLOAT = 1.7976931348623157e308
_FINITE = check(strict=True, ge=-_MAX_FLOAT, le=_MAX_FLOAT, allow_inf_nan=False)
#: For a column of `Double`: a finite number; -0.0 becomes 0.0.
Double = Annotated[float, _FINITE, AfterValidator(lambda value: value + 0.0)]

_DECIMAL = r"^-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?$"
#: For a column of `Numeric(12, 2)`: text, because many clients read numbers as floats.
Decimal = Annotated[decimal.Decimal, form(_DECIMAL, "12.50"), AfterValidator(_round)]

#: For a column of `Boolean`.
Boolean = Annotated[bool, Strict()]

_DAY = r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
#: For a column of `Date`, from the year 1000 on.
Date = Annotated[dt.date, form(f"^{_DAY}$", "2026-11-23", format="date")]

_RANGE = check(tz_constraint="aware", ge=MIN_TIME, le=MAX_TIME)
_TIME = form(f"^{_DAY}T{_CLOCK}$", "2026-11-23T12:30:00Z", format="date-time")
#: For a column of `DateTime`: a time with its offset (RFC 3339), from the year 1000 on.
DateTime = Annotated[dt.datetime, _RANGE, _TIME, AfterValidator(_to_utc)]

_HEX = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
#: For a column of `Uuid`.
Uuid = Annotated[uuid.UUID, form(_HEX, "a59d6f1e-6b3c-4b0e-9d5b-0f6c1d2e3f40", format="uuid")]

#: For a column of `JSON`.
Json = Annotated[dict[str, Any] | list[Any], Field(description=JSON_RULE), Before(_check_json)]

#: The default of a field that a PATCH may leave out. The factory keeps it out of the schema.
#: `model_dump(exclude_unset=True)` has only the fields that a client gave.
OMITTED: Any = Field(default_factory=lambda: None)


class InputModel(BaseModel):
    """A body that a client sends; unknown fields are rejected, not ignored."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any, /) -> Any:
        """Document the bounds that its fields add to those of their types."""
        document = handler(schema)
        name_bounds(handler.resolve_ref_schema(document))
        return document


class OutputModel(BaseModel):
    """A body that the app sends, made from an entity or a row by `model_validate`.

    Its fields have the shapes of their types and none of the checks: one row that another program
    has stored must not make a whole list fail.
    """

    model_config = ConfigDict(from_attributes=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Change the types before pydantic reads them."""
        super().__init_subclass__(**kwargs)
        # If a type is only defined later, the class keeps its checks.
        with suppress(NameError):
            hints = inspect.get_annotations(cls, eval_str=True)
            cls.__annotations__ = {name: _strip(hint) for name, hint in hints.items()}


CHECKS = (Check, Before, Strict, StringConstraints)


def _strip(hint: Any) -> Any:
    """Take the checks out of a type, and out of the types that it is made of."""
    if isinstance(hint, FieldInfo):
        attributes = hint.asdict()["attributes"]
        return Field(**{name: value for name, value in attributes.items() if value is not None})
    arguments = tuple(_strip(part) for part in get_args(hint) if not isinstance(part, CHECKS))
    if arguments == get_args(hint):
        return hint
    origin = Union if isinstance(hint, types.UnionType) else get_origin(hint)
    return arguments[0] if (origin, len(arguments)) == (Annotated, 1) else origin[arguments]


def columns_of(entity: type[Any], model: type[BaseModel]) -> list[Any]:
    """Return the columns that a model shows, for `select(*columns_of(ExampleEntity, Example))`.

    Rows have them by the names of the entity's attributes, which may be columns of another name or
    hybrids.

    Raises:
        ValueError: an attribute is a relationship, which needs a session.
    """
    if related := model.model_fields.keys() & sa.inspect(entity).relationships.keys():
        message = f"{min(related)} of {entity.__name__}: load it in a session, not as a column"
        raise ValueError(message)
    return [getattr(entity, name).label(name) for name in model.model_fields]
