"""Bounds that a field adds to one of the template's types are checked and documented."""

import datetime as dt
from decimal import Decimal as Number
from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError
from src.core.models import (
    BigInteger,
    Date,
    Decimal,
    Double,
    InputModel,
    Integer,
    LongText,
    ShortText,
    Text,
)


class Bounded(InputModel):
    annotated: Annotated[Integer, Field(ge=1, lt=5)] = 1
    assigned: Integer = Field(default=1, ge=1, lt=5)
    nullable: Annotated[Integer, Field(ge=1, lt=5)] | None = None
    nullable_assigned: Integer | None = Field(default=None, ge=1, lt=5)
    even: Annotated[Integer, Field(multiple_of=2)] = 2
    big: BigInteger = Field(default=1, ge=1)
    ratio: Double = Field(default=1, ge=0)
    price: Annotated[Decimal, Field(ge=0)] = Number(0)
    price_assigned: Decimal = Field(default=Number(1), gt=0)
    price_nullable: Decimal | None = Field(default=None, ge=Number("0.5"))
    name: ShortText = Field(default="xxx", min_length=3, max_length=5)
    title: Annotated[Text, Field(max_length=5)] = "x"
    code: LongText = Field(default="AB", pattern="^[A-Z]+$")
    since: Annotated[Date, Field(ge=dt.date(2020, 1, 1))] = dt.date(2020, 1, 1)
    until: Date | None = Field(default=None, le=dt.date(2020, 1, 1))
    many: list[Annotated[Integer, Field(ge=1)]] = Field(default=[1], max_length=2)
    # A field that is named like a bound.
    ge: Annotated[Integer, Field(ge=1)] = 1


@pytest.mark.parametrize(
    ("name", "valid", "invalid"),
    [
        *[
            (name, [1, 4], [0, 5, 2**40])
            for name in ("annotated", "assigned", "nullable", "nullable_assigned")
        ],
        ("even", [0, 2], [1]),
        ("big", [1, 2**63 - 1], [0, 2**63]),
        ("ratio", [0, 0.5], [-0.5]),
        ("price", ["0", "0.01"], ["-0.01", "0.001"]),
        ("price_assigned", ["0.01"], ["0.00", "-1"]),
        ("price_nullable", ["0.50", None], ["0.49"]),
        ("name", ["xxx", "xxxxx"], ["xx", "xxxxxx", "  x  "]),
        ("title", ["xxxxx"], ["xxxxxx", "", " "]),
        ("code", ["ABC"], ["abc"]),
        ("since", ["2020-01-01"], ["2019-12-31"]),
        ("until", ["2020-01-01"], ["2020-01-02"]),
        ("many", [[1, 2]], [[0], [1, 2, 3]]),
        ("ge", [1], [0]),
    ],
)
def test_bounds_of_fields_are_checked(name: str, valid: list[Any], invalid: list[Any]) -> None:
    for value in valid:
        Bounded.model_validate({name: value})
    for value in invalid:
        with pytest.raises(ValidationError, match=name):
            Bounded.model_validate({name: value})


#: The JSON Schema keywords of each field. Nullable fields have them inside `anyOf`.
DOCUMENTED: dict[str, dict[str, Any]] = {
    "annotated": {"minimum": 1, "exclusiveMaximum": 5, "maximum": 2**31 - 1},
    "assigned": {"minimum": 1, "exclusiveMaximum": 5, "maximum": 2**31 - 1},
    "nullable": {"minimum": 1, "exclusiveMaximum": 5, "maximum": 2**31 - 1},
    "nullable_assigned": {"minimum": 1, "exclusiveMaximum": 5, "maximum": 2**31 - 1},
    "even": {"multipleOf": 2, "minimum": -(2**31), "maximum": 2**31 - 1},
    "big": {"minimum": 1, "exclusiveMaximum": 2**63, "format": "int64"},
    "ratio": {"minimum": 0, "maximum": 1.7976931348623157e308},
    "price": {"minimum": 0, "pattern": r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?$"},
    "price_assigned": {"exclusiveMinimum": 0, "pattern": r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?$"},
    "price_nullable": {"pattern": r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?$", "minimum": 0.5},
    "name": {"minLength": 3, "maxLength": 5},
    "title": {"minLength": 1, "maxLength": 5},
    "code": {"minLength": 1, "maxLength": 16_383, "pattern": "^[A-Z]+$"},
    "ge": {"minimum": 1, "maximum": 2**31 - 1},
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_bounds_of_fields_are_documented(name: str) -> None:
    schema = Bounded.model_json_schema()["properties"][name]
    schema = schema.get("anyOf", [schema])[0]

    others = {"type", "title", "default", "examples"}
    if "pattern" not in DOCUMENTED[name]:
        others.add("pattern")
    assert {key: schema[key] for key in schema.keys() - others} == DOCUMENTED[name]


def test_schema_has_no_pydantic_keywords() -> None:
    def keys(schema: Any) -> set[str]:
        if isinstance(schema, dict):
            # Names of properties are not keywords.
            own = {key for key, value in schema.items() if not isinstance(value, dict)}
            return own.union(*map(keys, schema.values()))
        return set().union(*map(keys, schema)) if isinstance(schema, list) else set()

    found = keys(Bounded.model_json_schema())

    assert found.isdisjoint({"ge", "gt", "le", "lt", "multiple_of"})


def test_fields_of_one_type_have_separate_schemas() -> None:
    class Days(InputModel):
        first: Annotated[Date, Field(title="One", description="The first.")]
        last: Date

    properties = Days.model_json_schema()["properties"]

    assert properties["first"]["title"] == "One"
    assert properties["last"].keys() == {"type", "format", "pattern", "examples", "title"}
    assert properties["last"]["title"] == "Last"
