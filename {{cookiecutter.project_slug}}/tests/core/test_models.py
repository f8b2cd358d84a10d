"""The field types of models: accepted, normalized and rejected values."""

import json
from typing import Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from src.core import models
from src.core.models import Id64, InputModel, Integer, OutputModel, ShortText

UUID = "a59d6f1e-6b3c-4b0e-9d5b-0f6c1d2e3f40"


@pytest.mark.parametrize(
    ("name", "given", "response", "invalid"),
    [
        ("ShortText", '" Ada "', '"Ada"', ['""', '" "', '"nul\\u0000"', f'"{"x" * 101}"', "5"]),
        ("Integer", "5.0", "5", ['"5"', "true", "5.5", "2147483648", "null"]),
        ("BigInteger", "9223372036854775807", "9223372036854775807", ["9223372036854775808"]),
        ("Reference64", "1", "1", ["0", '"1"', "9223372036854775808"]),
        ("Double", "-0", "0.0", ['"5"', "NaN", "1e400", "true"]),
        ("Decimal", '"12.5"', '"12.50"', ["12.5", '"1.005"', '"10000000000"', '"NaN"']),
        ("Boolean", "true", "true", ["1", '"true"']),
        ("Date", '"2024-02-29"', '"2024-02-29"', ["0", '"2026-02-29"', '"0999-12-31"']),
        ("DateTime", '"2026-11-23T01:30:00+02:00"', '"2026-11-22T23:30:00Z"', ['"2026-11-23"']),
        ("Uuid", f'"{UUID.upper()}"', f'"{UUID}"', ["5", f'"{UUID.replace("-", "")}"']),
        ("Json", '{"b":[1,1.0,true]}', '{"b":[1,1.0,true]}', ["5", "[NaN]", "[" * 31 + "]" * 31]),
    ],
)
def test_type_normalizes_or_rejects(
    name: str, given: str, response: str, invalid: list[str]
) -> None:
    adapter = TypeAdapter[Any](getattr(models, name))

    assert adapter.dump_json(adapter.validate_python(json.loads(given))) == response.encode()
    for text in invalid:
        with pytest.raises(ValidationError):
            adapter.validate_python(json.loads(text))


class ItemCreate(InputModel):
    amount: Integer = Field(ge=1)


class Item(OutputModel):
    id: Id64
    name: ShortText


@pytest.mark.parametrize("body", [{"amount": 0}, {"amount": 1, "unknown": 1}])
def test_input_rejects_bounds_and_unknown_fields(body: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        ItemCreate.model_validate(body)


@pytest.mark.parametrize("name", ["", " x ", "nul\0", "x" * 200])
def test_output_returns_stored_values_unchanged(name: str) -> None:
    assert Item(id=-1, name=name).model_dump() == {"id": -1, "name": name}
