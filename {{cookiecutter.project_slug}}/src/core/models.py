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
import sys
import types
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, Union, get_args, get_origin

import sqlalchemy as sa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, StringConstraints
from pydantic import GetCoreSchemaHandler as CoreHandler
from pydantic import GetJsonSchemaHandler as JsonHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

#: The largest value of 32 bits.
MAX_INTEGER = 2**31 - 1
#: The earliest time that MySQL supports, and the last one.
MIN_TIME = dt.datetime(1000, 1, 1, tzinfo=dt.UTC)
MAX_TIME = dt.datetime.max.replace(tzinfo=dt.UTC)
#: MariaDB's functions accept JSON that is nested 32 deep.
MAX_DEPTH = 30
#: JSON Schema's names of bounds, by pydantic's for those that it checks with a function.
BOUNDS: dict[str, tuple[str, Callable[..., Any]]] = {
    "ge": ("minimum", max),
    "gt": ("exclusiveMinimum", max),
    "le": ("maximum", min),
    "lt": ("exclusiveMaximum", min),
    "multiple_of": ("multipleOf", max),
}


class Check:
    """A part of a type that input passes, and that an `OutputModel` leaves out.

    Args:
        before: reads the value of a body before pydantic does.
        constraints: as `Field` takes them. Those of a field itself win, as in
            `x: Integer = Field(ge=1)`; with a `Field` here, pydantic would ignore the field's.
    """

    def __init__(self, before: Callable[[Any], Any] | None = None, **constraints: Any) -> None:
        self.before = before
        self.constraints = constraints

    def __get_pydantic_core_schema__(self, source: Any, handler: CoreHandler) -> CoreSchema:
        schema: Any = {**self.constraints, **handler(source)}
        if self.before:
            schema = core_schema.no_info_before_validator_function(self.before, schema)
        return schema  # type: ignore[no-any-return]


class Form(Check):
    """The text in a body for a value that JSON has no type for.

    Args:
        kind: the type of the value in Python.
        document: the text in JSON Schema, with a `pattern` and `examples`.
        constraints: as for a `Check`.
    """

    def __init__(self, kind: type, document: dict[str, Any], **constraints: Any) -> None:
        super().__init__(self._read, **constraints)
        self.kind = kind
        self.document = {"type": "string", **document}

    def _read(self, value: Any) -> Any:
        text = value if isinstance(value, str) else ""
        if not isinstance(value, self.kind) and not re.fullmatch(self.document["pattern"], text):
            example = {"example": self.document["examples"][0]}
            raise PydanticCustomError("form", 'Input should be text such as "{example}"', example)
        return value

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: JsonHandler
    ) -> dict[str, Any]:
        """Document the text, and the bounds of a number in it."""
        if self.kind is not decimal.Decimal:
            return dict(self.document)
        found = handler(schema)
        # pydantic itself would accept a number too, and documents its bounds there.
        found |= next(iter(found.get("anyOf", ())), {})
        names = (name for key, bound in BOUNDS.items() for name in (key, bound[0]))
        return self.document | {name: float(found[name]) for name in names if name in found}


def name_bounds(schema: Any) -> None:
    """Give the bounds in a JSON schema their names, wherever in it they are."""
    if isinstance(schema, list):
        for part in schema:
            name_bounds(part)
    elif isinstance(schema, dict):
        for key, (name, tighter) in BOUNDS.items():
            # A property may have the name of a bound; its value is a schema.
            if isinstance(schema.get(key), int | float | str):
                # JSON Schema has no bounds of dates.
                with suppress(ValueError):
                    bound = float(schema.pop(key))
                    schema[name] = tighter(bound, schema.get(name, bound))
        is_decimal = schema.get("pattern") == _DECIMAL["pattern"]
        if is_decimal and max(schema.get("minimum", -1), schema.get("exclusiveMinimum", -1)) >= 0:
            schema["pattern"] = schema["pattern"].replace("-?", "")
        for part in schema.values():
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


def _check_json(value: Any) -> Any:
    if not isinstance(value, (dict, list)):
        raise PydanticCustomError("json", "Input should be an object or an array")
    level = [value]
    for _ in range(MAX_DEPTH):
        parts = [each.values() if isinstance(each, dict) else each for each in level]
        level = [part for each in parts for part in each if isinstance(part, (dict, list))]
    if level:
        raise PydanticCustomError("depth", f"Input should be nested {MAX_DEPTH} deep at most")
    # Python's parser accepts "NaN", "1e400" and half of a surrogate pair.
    with suppress(ValueError):
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        return value
    raise PydanticCustomError("json", "Input should have finite numbers and whole characters")


#: 64 bits. As a float, which is how FastAPI writes bounds, 2**63 is exact and 2**63 - 1 is not.
_INT64 = Field(json_schema_extra={"format": "int64"})

#: The key of a row, in a path: 32 bits, or 64.
Id = Annotated[int, Check(check_digits, ge=1, le=MAX_INTEGER)]
Id64 = Annotated[int, _INT64, Check(check_digits, ge=1, lt=2**63)]

#: The key of another row, in a body: 32 bits, or 64.
Reference = Annotated[int, Check(_read_whole, strict=True, ge=1, le=MAX_INTEGER)]
Reference64 = Annotated[int, _INT64, Check(_read_whole, strict=True, ge=1, lt=2**63)]

#: Text that every database stores: PostgreSQL accepts no NUL, and MySQL ignores spaces at the end
#: when it compares. Give it a length: `Annotated[Text, Field(max_length=200)]`.
Text = Annotated[
    str,
    # The schema has to say that whitespace alone is too short.
    Check(strip_whitespace=True, min_length=1, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$"),
    # The documentation page would make up an example from the pattern.
    Field(examples=["text"]),
]

#: For a column of `String(100)`.
ShortText = Annotated[Text, Check(max_length=100)]

#: For a column of `Text`: MySQL holds this many characters of any kind.
LongText = Annotated[Text, Check(max_length=16_383)]

#: For a column of `Integer`: 32 bits.
Integer = Annotated[int, Check(_read_whole, strict=True, ge=-(2**31), le=MAX_INTEGER)]

#: For a column of `BigInteger`: 64 bits. Clients whose numbers are floats, as JavaScript's are,
#: lose digits beyond 2**53.
BigInteger = Annotated[int, _INT64, Check(_read_whole, strict=True, ge=-(2**63), lt=2**63)]

_MAX_FLOAT = sys.float_info.max
#: For a column of `Double`: a finite number; -0.0 becomes 0.0.
Double = Annotated[
    float,
    Check(strict=True, ge=-_MAX_FLOAT, le=_MAX_FLOAT, allow_inf_nan=False),
    AfterValidator(lambda value: value + 0.0),
]

#: For a column of `Numeric(12, 2)`: text, because many clients read numbers as floats.
_DECIMAL = {"pattern": r"^-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?$", "examples": ["12.50"]}
Decimal = Annotated[decimal.Decimal, Form(decimal.Decimal, _DECIMAL), AfterValidator(_round)]

#: For a column of `Boolean`.
Boolean = Annotated[bool, Strict()]

#: For a column of `Date`, from the year 1000 on.
_DATE = {"pattern": r"^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}$", "examples": ["2026-11-23"]}
Date = Annotated[dt.date, Form(dt.date, {"format": "date", **_DATE})]

#: For a column of `DateTime`: a time with its offset (RFC 3339), from the year 1000 on.
_TIME = {
    "format": "date-time",
    "pattern": r"^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})$",
    "examples": ["2026-11-23T12:30:00Z"],
}
DateTime = Annotated[
    dt.datetime,
    Form(dt.datetime, _TIME, tz_constraint="aware", ge=MIN_TIME, le=MAX_TIME),
    AfterValidator(lambda value: value.astimezone(dt.UTC) if value.tzinfo else value),
]

#: For a column of `Uuid`.
_UUID = {
    "format": "uuid",
    "pattern": r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
    "examples": ["a59d6f1e-6b3c-4b0e-9d5b-0f6c1d2e3f40"],
}
Uuid = Annotated[uuid.UUID, Form(uuid.UUID, _UUID)]

#: For a column of `JSON`.
_JSON = Field(description=f"JSON, nested {MAX_DEPTH} deep at most.")
Json = Annotated[dict[str, Any] | list[Any], _JSON, Check(_check_json)]

#: The default of a field that a PATCH may leave out. The factory keeps it out of the schema.
#: `model_dump(exclude_unset=True)` has only the fields that a client gave.
OMITTED: Any = Field(default_factory=lambda: None)


class InputModel(BaseModel):
    """A body that a client sends; unknown fields are rejected, not ignored."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: JsonHandler, /
    ) -> dict[str, Any]:
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
            for name, hint in inspect.get_annotations(cls, eval_str=True).items():
                cls.__annotations__[name] = _without_checks(hint)


def _without_checks(hint: Any) -> Any:
    """Take the checks out of a type, and out of the types that it is made of."""
    if isinstance(hint, FieldInfo):
        attributes = hint.asdict()["attributes"]
        return Field(**{name: value for name, value in attributes.items() if value is not None})
    origin, arguments = get_origin(hint), tuple(map(_without_checks, get_args(hint)))
    if origin is Annotated:
        checks = (Check, Strict, StringConstraints)
        kept = tuple(each for each in arguments if not isinstance(each, checks))
        return Annotated[kept] if len(kept) > 1 else kept[0]
    if arguments == get_args(hint):
        return hint
    is_union = origin is types.UnionType
    return Union[arguments] if is_union else origin[arguments]  # noqa: UP007  # a tuple


def columns_of(entity: type[Any], model: type[BaseModel]) -> list[Any]:
    """Return the columns that a model shows, for `select(*columns_of(ExampleEntity, Example))`.

    Rows have them by the names of the entity's attributes, which may be columns of another name or
    hybrids.

    Raises:
        ValueError: an attribute is a relationship, which needs a session.
    """
    if related := model.model_fields.keys() & sa.inspect(entity).relationships.keys():
        names = ", ".join(sorted(related))
        message = f"{names} of {entity.__name__}: load relationships in a session, not as columns"
        raise ValueError(message)
    return [getattr(entity, name).label(name) for name in model.model_fields]
