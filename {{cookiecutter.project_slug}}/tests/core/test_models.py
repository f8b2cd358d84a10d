"""The types of models: what a body may have, and what a response has."""

import json
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from src.core import models
from src.core.models import Decimal, Id64, InputModel, Integer, Json, OutputModel, ShortText

UUID = "a59d6f1e-6b3c-4b0e-9d5b-0f6c1d2e3f40"


@pytest.mark.parametrize(
    ("name", "given", "response"),
    [
        ("ShortText", '" Ada "', '"Ada"'),
        ("Integer", "5.0", "5"),
        ("BigInteger", "9223372036854775807", "9223372036854775807"),
        ("Reference64", "9223372036854775807", "9223372036854775807"),
        ("Double", "-0", "0.0"),
        ("Decimal", '"12.5"', '"12.50"'),
        ("Boolean", "true", "true"),
        ("Date", '"2024-02-29"', '"2024-02-29"'),
        ("DateTime", '"2026-11-23T12:30:00.5+02:00"', '"2026-11-23T10:30:00.500000Z"'),
        ("Uuid", f'"{UUID.upper()}"', f'"{UUID}"'),
        ("Json", '{"b":[1,1.0,true,null]}', '{"b":[1,1.0,true,null]}'),
    ],
)
def test_type_accepts_and_normalizes(name: str, given: str, response: str) -> None:
    adapter = TypeAdapter[Any](getattr(models, name))

    assert adapter.dump_json(adapter.validate_python(json.loads(given))) == response.encode()


@pytest.mark.parametrize(
    ("name", "given"),
    [
        *[("ShortText", text) for text in ('""', '" "', '"nul\\u0000"', f'"{"x" * 101}"', "5")],
        *[("LongText", text) for text in ('" "', f'"{"x" * 16_384}"')],
        *[("Integer", text) for text in ('"5"', "true", "5.5", "2147483648", "null")],
        *[("BigInteger", text) for text in ('"5"', "9223372036854775808")],
        *[("Reference64", text) for text in ("0", '"1"', "9223372036854775808")],
        *[("Reference", text) for text in ("0", "2147483648")],
        *[("Double", text) for text in ('"5"', "NaN", "1e400", "true")],
        *[("Decimal", text) for text in ("12.5", '"1.005"', '"10000000000"', '"NaN"')],
        *[("Boolean", text) for text in ("1", '"true"')],
        *[("Date", text) for text in ("0", '"2026-02-29"', '"0999-12-31"')],
        *[("DateTime", text) for text in ("0", '"2026-11-23T12:30:00"', '"2026-11-23"')],
        *[("Uuid", text) for text in ("5", '"00000000000040008000000000000001"')],
        *[("Json", text) for text in ("5", "[NaN]", '["\\ud800"]', "[" * 31 + "]" * 31)],
    ],
)
def test_type_rejects_other_values(name: str, given: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[Any](getattr(models, name)).validate_python(json.loads(given))


class ItemCreate(InputModel):
    amount: Integer = Field(ge=1)
    price: Annotated[Decimal, Field(ge=0)]
    limit: Integer | None = Field(default=None, le=9)
    name: ShortText = Field(default="none", max_length=50)


class Item(OutputModel):
    id: Id64
    name: ShortText
    extra: Json | None = None


@pytest.mark.parametrize(
    "invalid", [{"amount": 0}, {"price": "-0.01"}, {"limit": 10}, {"name": "x" * 51}, {"x": 1}]
)
def test_input_rejects_values_beyond_bounds(invalid: dict[str, Any]) -> None:
    valid = {"amount": 1, "price": "0.00", "limit": 9, "name": "x" * 50}
    ItemCreate.model_validate(valid)

    with pytest.raises(ValidationError):
        ItemCreate.model_validate(valid | invalid)


def test_schema_documents_bounds_of_fields() -> None:
    properties = ItemCreate.model_json_schema()["properties"]

    assert properties["amount"].items() >= {"minimum": 1, "maximum": 2**31 - 1}.items()
    assert properties["price"].items() >= {"type": "string", "minimum": 0}.items()
    assert properties["limit"]["anyOf"][0].items() >= {"minimum": -(2**31), "maximum": 9}.items()
    assert properties["name"]["maxLength"] == 50


@pytest.mark.parametrize("name", ["", " x ", "nul\0", "x" * 200])
def test_output_returns_stored_values_unchanged(name: str) -> None:
    deep: Any = []
    for _ in range(40):
        deep = [deep]

    item = Item.model_validate({"id": -1, "name": name, "extra": deep})

    assert json.loads(item.model_dump_json()) == {"id": -1, "name": name, "extra": deep}
