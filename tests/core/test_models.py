import datetime as dt
import decimal
import json
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter, ValidationError
from src.core import models
from src.core.errors import install_error_handlers
from src.core.models import InputModel, Json, OutputModel

UUID = "a59d6f1e-6b3c-4b0e-9d5b-0f6c1d2e3f40"


def adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(getattr(models, name))


def nested(depth: int, text: str = "[]") -> str:
    begin, end = ('{"a":', "}") if text == "{}" else "[]"
    return begin * (depth - 1) + text + end * (depth - 1)


#: Values in request bodies, and the same values in responses.
ACCEPTED: dict[str, list[tuple[str, str]]] = {
    "ShortText": [('" a "', '"a"'), (f'"{"é" * 100}"', f'"{"é" * 100}"')],
    "LongText": [('"a\\nb"', '"a\\nb"'), (f'"{"é" * 16_383}"', f'"{"é" * 16_383}"')],
    "Integer": [
        *(("-2147483648", "-2147483648"), ("2147483647", "2147483647")),
        *(("5.0", "5"), ("1e2", "100"), ("-0", "0"), ("-0.0", "0")),
    ],
    "Reference": [("1", "1"), ("2147483647", "2147483647")],
    "Reference64": [("1", "1"), ("5.0", "5"), ("9223372036854775807", "9223372036854775807")],
    "BigInteger": [
        ("-9223372036854775808", "-9223372036854775808"),
        ("9223372036854775807", "9223372036854775807"),
        ("1e18", "1000000000000000000"),
    ],
    "Double": [
        *(("5", "5.0"), ("-0", "0.0"), ("-0.0", "0.0"), ("5e-324", "5e-324")),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("-1.7976931348623157e308", "-1.7976931348623157e+308"),
    ],
    "Decimal": [
        *(('"12.5"', '"12.50"'), ('"12"', '"12.00"'), ('"0.01"', '"0.01"')),
        *(('"-0"', '"0.00"'), ('"-0.00"', '"0.00"'), ('"-0.1"', '"-0.10"')),
        ('"-9999999999.99"', '"-9999999999.99"'),
    ],
    "Boolean": [("true", "true"), ("false", "false")],
    "Date": [
        *(('"2026-11-23"', '"2026-11-23"'), ('"2024-02-29"', '"2024-02-29"')),
        *(('"1000-01-01"', '"1000-01-01"'), ('"9999-12-31"', '"9999-12-31"')),
    ],
    "DateTime": [
        ('"2026-11-23T12:30:00Z"', '"2026-11-23T12:30:00Z"'),
        ('"2026-11-23T12:30:00-00:00"', '"2026-11-23T12:30:00Z"'),
        ('"2026-11-23T12:30:00.5+02:00"', '"2026-11-23T10:30:00.500000Z"'),
        ('"2026-11-23T12:30:00.123456789-23:59"', '"2026-11-24T12:29:00.123456Z"'),
        ('"1000-01-01T00:00:00-23:59"', '"1000-01-01T23:59:00Z"'),
        ('"9999-12-31T23:59:59.999999Z"', '"9999-12-31T23:59:59.999999Z"'),
    ],
    "Uuid": [(f'"{UUID}"', f'"{UUID}"'), (f'"{UUID.upper()}"', f'"{UUID}"')],
    "Json": [
        *(("{}", "{}"), ("[]", "[]"), (nested(30), nested(30)), (nested(30, "{}"),) * 2),
        ('{"b": [1, 1.0, true, null], "a": "\\u0000"}', '{"b":[1,1.0,true,null],"a":"\\u0000"}'),
        ("[1000000000000000000000000000000]", "[1000000000000000000000000000000]"),
    ],
}

#: Values that every type rejects, and values that a certain type rejects.
NEVER = ["null", "NaN", "Infinity", "-Infinity", "1e400", '"\\ud800"', "9" * 4000]
REJECTED: dict[str, list[str]] = {
    "ShortText": ['""', '" "', '"\\u0000"', f'"{"a" * 101}"', "5", "true", "[]"],
    "LongText": [f'"{"a" * 16_384}"'],
    "Integer": ['"5"', '""', "true", "5.5", "2147483648", "-2147483649", "[]", "{}"],
    "Reference": ['"5"', "0", "-1", "2147483648", "true"],
    "Reference64": ['"5"', "0", "-1", "9223372036854775808", "1e19", "true", "5.5"],
    "BigInteger": ['"5"', "false", "9223372036854775808", "-9223372036854775809", "1e19"],
    "Double": ['"5"', '"inf"', "true", "[]"],
    "Decimal": [
        *("12.5", "12", "true", '""', '"."', '".5"', '"5."', '"+5"', '"05"', '"1e2"', '"1_0"'),
        *('"10000000000"', '"1.005"', '"NaN"', '"Infinity"', '"٣"', '" 5"', '"5\\n"', '"--5"'),
    ],
    "Boolean": ["1", "0", "1.0", '"true"', '"on"', '""', "[]"],
    "Date": [
        *("20261123", "0", "1.5", "true", '""', '"20261123"', '"2026-1-1"', '"٢٠٢٦-11-23"'),
        *('"2026-02-29"', '"2026-13-01"', '"2026-00-01"', '"2026-01-00"', '"10000-01-01"'),
        *('"0999-12-31"', '" 2026-11-23"', '"2026-11-23\\n"', '"2026-11-23T00:00:00"'),
    ],
    "DateTime": [
        *("1700000000", "1.5", "true", '""', '"1700000000"', '"2026-11-23"'),
        *('"2026-11-23T12:30:00"', '"2026-11-23T12:30Z"', '"2026-11-23 12:30:00Z"'),
        *('"2026-11-23T12:30:00Z\\n"', '" 2026-11-23T12:30:00Z"', '"2026-11-23T12:30:00.Z"'),
        *('"2026-11-23T24:00:00Z"', '"2026-11-23T12:60:00Z"', '"2026-11-23T23:59:60Z"'),
        *('"2026-11-23T12:30:00+24:00"', '"2026-11-23T12:30:00+0200"', '"2026-02-29T12:30:00Z"'),
        *('"9999-12-31T23:59:59-00:01"', '"1000-01-01T00:00:00+00:01"', '"0001-01-01T00:00:00Z"'),
        *('"0001-01-01T00:00:00+23:59"', '"2026-11-23T12:30:00.1234567890Z"'),
    ],
    "Uuid": [
        *(
            "5",
            "true",
            '""',
            f'"{UUID.replace("-", "")}"',
            '"{' + UUID + '}"',
            f'"urn:uuid:{UUID}"',
        ),
        *(f'"{UUID}\\n"', f'" {UUID}"', f'"{UUID[:-1]}g"', f'"{UUID[:-1]}٣"'),
    ],
    "Json": [
        *('"{}"', "5", "true", nested(31), nested(31, "{}"), nested(900)),
        *("[NaN]", '{"a": [Infinity]}', "[1e400]", '["\\ud800"]', '{"\\udfff": 1}'),
    ],
}

#: Values of entities, and the same values in responses.
STORED: dict[str, list[tuple[Any, str]]] = {
    "ShortText": [("a", '"a"')],
    "Integer": [(5, "5")],
    "Reference": [(5, "5")],
    "Double": [(5.0, "5.0"), (-0.0, "0.0")],
    "Decimal": [
        *((decimal.Decimal("12.50"), '"12.50"'), (decimal.Decimal(7), '"7.00"')),
        (decimal.Decimal("1.005"), '"1.01"'),
    ],
    "Date": [(dt.date(2026, 11, 23), '"2026-11-23"')],
    "DateTime": [(dt.datetime(2026, 11, 23, 12, 30, tzinfo=dt.UTC), '"2026-11-23T12:30:00Z"')],
    "Uuid": [(uuid.UUID(UUID), f'"{UUID}"')],
    "Json": [({"a": 1}, '{"a":1}')],
}


def cases(values: dict[str, list[Any]]) -> list[Any]:
    return [
        pytest.param(name, value, id=f"{name}-{value!s:.50}")
        for name in values
        for value in values[name]
    ]


@pytest.mark.parametrize(("name", "texts"), cases(ACCEPTED))
def test_type_accepts(name: str, texts: tuple[str, str]) -> None:
    given, returned = texts
    value = adapter(name).validate_python(json.loads(given))

    assert repr(json.loads(adapter(name).dump_json(value))) == repr(json.loads(returned))
    assert adapter(name).validate_python(value) == value


@pytest.mark.parametrize(
    ("name", "given"), cases({name: NEVER + REJECTED[name] for name in REJECTED})
)
def test_type_rejects(name: str, given: str) -> None:
    with pytest.raises(ValidationError):
        adapter(name).validate_python(json.loads(given))


@pytest.mark.parametrize(("name", "values"), cases(STORED))
def test_type_accepts_entity_values(name: str, values: tuple[Any, str]) -> None:
    stored, returned = values

    assert adapter(name).dump_json(adapter(name).validate_python(stored)) == returned.encode()


@pytest.mark.parametrize("name", ["Decimal", "Date", "DateTime", "Uuid"])
def test_text_format_is_documented(name: str) -> None:
    schema = adapter(name).json_schema()

    assert schema == adapter(name).json_schema(mode="serialization")
    assert schema["type"] == "string"
    assert schema.get("format") == {"Date": "date", "DateTime": "date-time", "Uuid": "uuid"}.get(
        name
    )
    for given, returned in ACCEPTED[name]:
        assert re.search(schema["pattern"], json.loads(given))
        assert re.search(schema["pattern"], json.loads(returned))


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("Integer", ("integer", -(2**31), 2**31 - 1)),
        ("Reference", ("integer", 1, 2**31 - 1)),
        ("Double", ("number", -1.7976931348623157e308, 1.7976931348623157e308)),
    ],
)
def test_bounds_are_documented(name: str, bounds: tuple[str, float, float]) -> None:
    schema = adapter(name).json_schema()

    assert (schema["type"], schema["minimum"], schema["maximum"]) == bounds


@pytest.mark.parametrize(
    ("name", "minimum"),
    [("BigInteger", -(2**63)), ("Reference64", 1), ("Id64", 1)],
)
def test_64_bits_are_documented(name: str, minimum: int) -> None:
    """FastAPI documents bounds as floats, so they must be exact as floats."""
    schema = adapter(name).json_schema()

    assert schema == {
        "type": "integer",
        "format": "int64",
        "minimum": minimum,
        "exclusiveMaximum": 2**63,
    }
    assert int(float(schema["minimum"])) == minimum
    assert int(float(schema["exclusiveMaximum"])) == 2**63


class Input(InputModel):
    at: models.DateTime | None = None
    extra: Json | None = None


class Output(OutputModel):
    at: models.DateTime | None
    extra: Json | None


@pytest.fixture
async def bodies() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_error_handlers(app)

    @app.post("/", response_model=Output)
    async def post(body: Input) -> Output:
        return Output.model_validate(body)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://test",
        headers={"Content-Type": "application/json"},
    ) as client:
        yield client


@pytest.mark.parametrize(
    ("given", "returned"),
    [
        ("{}", '{"at":null,"extra":null}'),
        (
            '{"at": "2026-11-23T12:30:00+02:00", "extra": {"b": 1.0, "a": []}}',
            '{"at":"2026-11-23T10:30:00Z","extra":{"b":1.0,"a":[]}}',
        ),
    ],
)
async def test_body_is_returned_normalized(
    bodies: httpx.AsyncClient, given: str, returned: str
) -> None:
    response = await bodies.post("/", content=given)

    assert (response.status_code, response.text) == (200, returned)


@pytest.mark.parametrize(
    "given",
    [
        *('{"extra": [NaN]}', '{"extra": ["\\ud800"]}', '{"\\ud800": 1}', '{"at": "\\ud800"}'),
        *('{"at": "0001-01-01T00:00:00+01:00"}', '{"extra": [1e400]}', '{"extra": 1}'),
        *('{"extra": ' + nested(depth) + "}" for depth in (31, 500, 10_000)),
        *('{"extra": [' + "9" * 10_000 + "]}", '{"at": ' + "9" * 4000 + "}"),
    ],
    ids=lambda given: given[:30],
)
async def test_malformed_body_is_a_client_error(bodies: httpx.AsyncClient, given: str) -> None:
    response = await bodies.post("/", content=given)

    # FastAPI responds with 400 if Python's JSON parser fails.
    assert response.status_code in {400, 422}
