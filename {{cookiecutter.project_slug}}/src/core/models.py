"""Field types and base classes for the models of all modules.

A type accepts exactly the values that the OpenAPI schema describes; pydantic alone would convert
many others. Each value is normalized to the one that every database returns. So the response to a
POST equals the response to a later GET.
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

#: The largest 32-bit integer.
MAX_INTEGER = 2**31 - 1
#: The earliest and the latest timestamp that MySQL supports.
MIN_TIME = dt.datetime(1000, 1, 1, tzinfo=dt.UTC)
MAX_TIME = dt.datetime.max.replace(tzinfo=dt.UTC)
#: MariaDB's JSON functions accept 32 levels.
MAX_DEPTH = 30
JSON_RULE = f"JSON object or array of Unicode and finite numbers, up to {MAX_DEPTH} levels deep"
#: The bounds that pydantic checks with a function, and their names in JSON Schema.
LOWER = {"ge": "minimum", "gt": "exclusiveMinimum"}
UPPER = {"le": "maximum", "lt": "exclusiveMaximum", "multiple_of": "multipleOf"}


class Check(GetPydanticSchema):
    """A constraint on input. An `OutputModel` omits it."""


class Before(BeforeValidator):
    """A validator that runs before pydantic's own. An `OutputModel` omits it."""


def check(**constraints: Any) -> Check:
    """Constrain a type, like `Field`.

    A field can override these constraints, as in `x: Integer = Field(ge=1)`. If the type itself had
    a `Field`, pydantic would ignore the field's constraints.
    """
    return Check(lambda source, handler: {**constraints, **handler(source)})


def form(pattern: str, example: str, **keywords: str) -> Check:
    """Read a value from text, because JSON has no type for it.

    Args:
        pattern: the regular expression that the text must match.
        example: a valid text, for the OpenAPI schema and for error messages.
        keywords: additional JSON Schema keywords, such as `format`.
    """
    text = {"type": "string", "pattern": pattern, "examples": [example], **keywords}

    def read(value: Any) -> Any:
        is_text = isinstance(value, str) and re.fullmatch(pattern, value)
        # A value of the Python type, such as a date, is valid too.
        if isinstance(value, str | float | int) and not is_text:
            raise PydanticCustomError("form", f'Input should be text such as "{example}"')
        return value

    def document(schema: Any, handler: Any) -> Any:
        """Document the text format, and the bounds that a field adds."""
        found = handler(schema)
        # For a Decimal, pydantic documents a number too, and the bounds are there.
        return found.pop("anyOf", [{}])[0] | found | text

    return Check(BeforeValidator(read).__get_pydantic_core_schema__, document)


def name_bounds(schema: Any) -> None:
    """Rename the bounds in a JSON schema to JSON Schema keywords, at any depth."""
    if isinstance(schema, dict):
        for key, name in (LOWER | UPPER).items():
            # A property may be named like a bound, but its value is a schema.
            if isinstance(schema.get(key), int | float | str):
                # JSON Schema has no bounds for dates: float() raises, and the key is dropped.
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
    """Reject text such as " 1_0.0" in a path or a query, which pydantic reads as 10."""
    if isinstance(value, str) and not re.fullmatch(r"-?(0|[1-9][0-9]*)", value):
        raise PydanticKnownError("int_parsing")
    return value


def _read_whole(value: Any) -> Any:
    """Read 5.0 as an integer, as JSON Schema does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _round(value: decimal.Decimal) -> decimal.Decimal:
    """Round to two decimal places like the column, and turn -0.00 into 0.00."""
    with suppress(decimal.InvalidOperation):
        value = value.quantize(decimal.Decimal("0.01"), decimal.ROUND_HALF_UP) + 0
    return value


def _to_utc(value: dt.datetime) -> dt.datetime:
    return value.astimezone(dt.UTC) if value.tzinfo else value


def _depth(value: Any) -> int:
    """Return the nesting depth of objects and arrays."""
    parts = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_depth, parts), default=0) if isinstance(value, dict | list) else 0


def _check_json(value: Any) -> Any:
    # Python's JSON parser accepts NaN, 1e400 and lone surrogates. Values that are nested hundreds
    # of levels deep raise RecursionError.
    with suppress(ValueError, RecursionError):
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        if 1 <= _depth(value) <= MAX_DEPTH:
            return value
    raise PydanticCustomError("json", f"Input should be a {JSON_RULE}")


#: 64-bit integers. FastAPI documents bounds as floats: 2**63 is exact as a float, 2**63 - 1 is not.
_INT64 = Field(json_schema_extra={"format": "int64"})

#: The primary key of a row, in a path: 32 or 64 bits.
Id = Annotated[int, check(ge=1, le=MAX_INTEGER), Before(check_digits)]
Id64 = Annotated[int, _INT64, check(ge=1, lt=2**63), Before(check_digits)]

#: The primary key of another row, in a body: 32 or 64 bits.
Reference = Annotated[int, check(strict=True, ge=1, le=MAX_INTEGER), Before(_read_whole)]
Reference64 = Annotated[int, _INT64, check(strict=True, ge=1, lt=2**63), Before(_read_whole)]

_NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*$"
#: Otherwise the documentation page invents an example that matches the pattern.
_EXAMPLE = Field(examples=["text"])
#: Text that every database can store. PostgreSQL rejects NUL, and MySQL ignores trailing spaces in
#: comparisons. Give it a length: `Annotated[Text, Field(max_length=200)]`.
Text = Annotated[str, _EXAMPLE, check(strip_whitespace=True, min_length=1, pattern=_NOT_BLANK)]

#: For a `String(100)` column.
ShortText = Annotated[Text, check(max_length=100)]

_LINE = _NOT_BLANK.replace(r"\x00", r"\x00-\x1f\x7f-\x9f")
_IN_LINE = check(strip_whitespace=True, min_length=1, max_length=100, pattern=_LINE)
#: For a `String(100)` column of `src.core.columns`: text without control characters, which MySQL
#: would not sort by code point.
ShortLine = Annotated[str, _EXAMPLE, _IN_LINE]

#: For a `Text` column. MySQL can store this many characters of any kind.
LongText = Annotated[Text, check(max_length=16_383)]

#: For an `Integer` column: 32 bits.
Integer = Annotated[int, check(strict=True, ge=-(2**31), le=MAX_INTEGER), Before(_read_whole)]

#: For a `BigInteger` column: 64 bits. JavaScript clients lose digits beyond 2**53, since their
#: numbers are floats.
BigInteger = Annotated[int, _INT64, check(strict=True, ge=-(2**63), lt=2**63), Before(_read_whole)]

_MAX_FLOAT = 1.7976931348623157e308
_FINITE = check(strict=True, ge=-_MAX_FLOAT, le=_MAX_FLOAT, allow_inf_nan=False)
#: For a `Double` column: a finite number; -0.0 becomes 0.0.
Double = Annotated[float, _FINITE, AfterValidator(lambda value: value + 0.0)]

_DECIMAL = r"^-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?$"
#: For a `Numeric(12, 2)` column. It is text in JSON, because many clients read numbers as floats.
Decimal = Annotated[decimal.Decimal, form(_DECIMAL, "12.50"), AfterValidator(_round)]

#: For a `Boolean` column.
Boolean = Annotated[bool, Strict()]

_DAY = r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
#: For a `Date` column, from the year 1000.
Date = Annotated[dt.date, form(f"^{_DAY}$", "2026-11-23", format="date")]

_RANGE = check(tz_constraint="aware", ge=MIN_TIME, le=MAX_TIME)
_TIME = form(f"^{_DAY}T{_CLOCK}$", "2026-11-23T12:30:00Z", format="date-time")
#: For a `DateTime` column: a timestamp with an offset (RFC 3339), from the year 1000.
DateTime = Annotated[dt.datetime, _RANGE, _TIME, AfterValidator(_to_utc)]

_HEX = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
#: For a `Uuid` column.
Uuid = Annotated[uuid.UUID, form(_HEX, "a59d6f1e-6b3c-4b0e-9d5b-0f6c1d2e3f40", format="uuid")]

#: For a `JSON` column.
Json = Annotated[dict[str, Any] | list[Any], Field(description=JSON_RULE), Before(_check_json)]

#: The default of a field that a PATCH may omit. The factory keeps it out of the OpenAPI schema.
#: `model_dump(exclude_unset=True)` returns only the fields that the client sent.
OMITTED: Any = Field(default_factory=lambda: None)


class InputModel(BaseModel):
    """The base class of request bodies, which rejects unknown fields."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any, /) -> Any:
        """Document the bounds that fields add to their types."""
        document = handler(schema)
        name_bounds(handler.resolve_ref_schema(document))
        return document


class OutputModel(BaseModel):
    """The base class of response bodies. `model_validate` creates one from an entity or a row.

    Fields keep the shape of their types but omit the checks. Otherwise one invalid row, stored by
    another program, would make a whole list fail.
    """

    model_config = ConfigDict(from_attributes=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Remove the checks before pydantic reads the types."""
        super().__init_subclass__(**kwargs)
        # If a type is not defined yet, the class keeps its checks.
        with suppress(NameError):
            hints = inspect.get_annotations(cls, eval_str=True)
            cls.__annotations__ = {name: _strip(hint) for name, hint in hints.items()}


CHECKS = (Check, Before, Strict, StringConstraints)


def _strip(hint: Any) -> Any:
    """Remove the checks from a type and from its arguments."""
    if isinstance(hint, FieldInfo):
        attributes = hint.asdict()["attributes"]
        return Field(**{name: value for name, value in attributes.items() if value is not None})
    arguments = tuple(_strip(part) for part in get_args(hint) if not isinstance(part, CHECKS))
    if arguments == get_args(hint):
        return hint
    origin = Union if isinstance(hint, types.UnionType) else get_origin(hint)
    return arguments[0] if (origin, len(arguments)) == (Annotated, 1) else origin[arguments]


def columns_of(entity: type[Any], model: type[BaseModel]) -> list[Any]:
    """Return the columns for the fields of a model: `select(*columns_of(ExampleEntity, Example))`.

    Rows have the names of the entity's attributes, so renamed columns and hybrid properties work.

    Raises:
        ValueError: a field is a relationship, which only a session can load.
    """
    if related := model.model_fields.keys() & sa.inspect(entity).relationships.keys():
        message = f"{entity.__name__}.{min(related)} is a relationship: load it in a session"
        raise ValueError(message)
    return [getattr(entity, name).label(name) for name in model.model_fields]
