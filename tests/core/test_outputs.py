"""Output models check the types of values, but not their bounds."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import uuid
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from pydantic import AfterValidator, Field, PlainSerializer, StringConstraints, ValidationError
from src.core import models
from src.core.models import InputModel, OutputModel
from src.core.paging import After64, Page


# The style of modules from 0.1.0.
class Thing(OutputModel):
    id: models.Id
    name: models.ShortText
    note: models.LongText | None
    size: models.Integer
    count: models.BigInteger | None
    ratio: models.Double
    price: models.Decimal
    open: models.Boolean
    day: models.Date
    at: models.DateTime | None
    key: models.Uuid
    extra: models.Json | None
    example_id: models.Reference


VALID: dict[str, Any] = {
    "id": 1,
    "name": "Ada",
    "note": None,
    "size": 1,
    "count": 1,
    "ratio": 0.5,
    "price": decimal.Decimal("12.50"),
    "open": True,
    "day": dt.date(2026, 11, 23),
    "at": dt.datetime(2026, 11, 23, 12, 30, tzinfo=dt.UTC),
    "key": uuid.UUID(int=1),
    "extra": {},
    "example_id": 1,
}


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


#: Values that no input model accepts, but that another program may store.
STORED: list[tuple[str, Any, Any]] = [
    *[(name, text, text) for name in ("name", "note") for text in ("", " x ", "nul\0", "\t")],
    ("name", "x" * 101, "x" * 101),
    ("note", "x" * 20_000, "x" * 20_000),
    ("id", 0, 0),
    ("id", 2**40, 2**40),
    ("size", -(2**40), -(2**40)),
    ("example_id", 0, 0),
    ("count", 2**70, 2**70),
    ("price", decimal.Decimal("12345678901.00"), "12345678901.00"),
    ("price", decimal.Decimal("1e30"), "1E+30"),
    ("day", dt.date(1, 1, 1), "0001-01-01"),
    ("at", dt.datetime(1, 1, 1, tzinfo=dt.UTC), "0001-01-01T00:00:00Z"),
    ("at", dt.datetime(2026, 1, 1), "2026-01-01T00:00:00"),  # noqa: DTZ001  # naive on purpose
    ("extra", nested(40), nested(40)),
    ("extra", ["\ud7ff"], ["\ud7ff"]),
    # SQLite stores booleans as integers.
    ("open", 1, True),
]


@pytest.mark.parametrize(("name", "stored", "returned"), STORED, ids=lambda value: str(value)[:20])
def test_output_returns_any_stored_value(name: str, stored: Any, returned: Any) -> None:
    row = SimpleNamespace(**(VALID | {name: stored}))

    page = Page[Thing].of([row], 1)

    [item] = json.loads(page.model_dump_json())["items"]
    assert item[name] == returned


@pytest.mark.parametrize(
    ("name", "computed", "returned"),
    [
        ("price", decimal.Decimal(7), "7.00"),
        ("price", decimal.Decimal("-0"), "0.00"),
        ("ratio", -0.0, 0.0),
        (
            "at",
            dt.datetime(2026, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))),
            "2025-12-31T23:00:00Z",
        ),
    ],
)
def test_output_normalizes_computed_values(name: str, computed: Any, returned: Any) -> None:
    """The response to a POST equals the response to a later GET."""
    thing = Thing.model_validate(VALID | {name: computed})

    assert repr(json.loads(thing.model_dump_json())[name]) == repr(returned)


@pytest.mark.parametrize(
    ("name", "wrong"), [("name", 5), ("name", None), ("id", "x"), ("extra", "x"), ("day", "x")]
)
def test_output_rejects_wrong_type(name: str, wrong: Any) -> None:
    with pytest.raises(ValidationError, match=name):
        Thing.model_validate(VALID | {name: wrong})


def hide(text: str) -> str:
    return f"{text[:1]}***"


class Owned(OutputModel):
    """A model that combines the template's types with an owner's own validators."""

    email: Annotated[models.ShortText, AfterValidator(hide)]
    code: Annotated[str, StringConstraints(min_length=5), PlainSerializer(str.upper)]
    title: Annotated[models.Text, Field(max_length=5, description="The title to show.")]
    tags: list[models.ShortText]
    sizes: dict[str, models.Integer] = Field(default_factory=dict)
    named: Annotated[models.Integer, Field(ge=1, alias="size", examples=[7])]


def test_output_keeps_custom_conversions() -> None:
    owned = Owned.model_validate(
        {
            "email": "",
            "code": "ab",
            "title": "x" * 9,
            "tags": ["", " x "],
            "sizes": {"a": 2**40},
            "size": 0,
        }
    )

    assert owned.model_dump(by_alias=True) == {
        "email": "***",
        "code": "AB",
        "title": "x" * 9,
        "tags": ["", " x "],
        "sizes": {"a": 2**40},
        "size": 0,
    }


def test_output_keeps_field_documentation() -> None:
    properties = Owned.model_json_schema(mode="serialization")["properties"]

    assert properties["title"]["description"] == "The title to show."
    assert properties["size"]["examples"] == [7]
    assert "minimum" not in properties["size"]


class Order(OutputModel):
    name: models.ShortText
    items: list[Thing]


class BigOrder(Order):
    more: models.ShortText


def test_output_does_not_check_related_rows() -> None:
    item = SimpleNamespace(**(VALID | {"name": ""}))

    order = BigOrder.model_validate(SimpleNamespace(name=" ", items=[item], more="\0"))

    assert (order.name, order.items[0].name, order.more) == (" ", "", "\0")


class Early(OutputModel):
    later: Later
    name: models.ShortText


class Later(OutputModel):
    name: models.ShortText


def test_output_may_refer_to_later_class() -> None:
    """`Early` keeps its own checks, because its types can't be resolved at definition."""
    early = Early.model_validate({"later": {"name": ""}, "name": "x"})

    assert early.later.name == ""


class Input(InputModel):
    name: models.ShortText


def test_input_rejects_invalid_stored_value() -> None:
    thing = Thing.model_validate(VALID | {"name": ""})

    with pytest.raises(ValidationError):
        Input.model_validate({"name": thing.name})


def test_parameters_are_documented_exactly() -> None:
    app = FastAPI()

    @app.get("/{old}/{new}")
    async def get(old: models.Id, new: models.Id64, after: After64 = 0) -> Thing: ...

    operation = app.openapi()["paths"]["/{old}/{new}"]["get"]
    schemas = {each["name"]: each["schema"] for each in operation["parameters"]}

    assert schemas["old"].items() >= {"minimum": 1, "maximum": 2**31 - 1}.items()
    assert schemas["new"].items() >= {"minimum": 1, "exclusiveMaximum": 2**63}.items()
    assert schemas["new"]["format"] == "int64"
    assert schemas["after"]["format"] == "int64"
    assert schemas["after"].items() >= {"minimum": 0, "exclusiveMaximum": 2**63}.items()
