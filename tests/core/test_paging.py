"""Lists: filters, orders and cursors, compared with lists in plain Python."""

import base64
import datetime as dt
import itertools
import json
import operator
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI, Query
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Mapped, mapped_column
from src.config import config
from src.config import settings as app_settings
from src.core.columns import DateTime, Id64, Numeric, String, Uuid
from src.core.core_module import setup_app
from src.core.database import Base
from src.core.database.schema import set_table_options
from src.core.models import (
    OMITTED,
    BigInteger,
    Boolean,
    Date,
    Double,
    Integer,
    OutputModel,
    ShortLine,
)
from src.core.models import DateTime as Timestamp
from src.core.models import Decimal as Money
from src.core.models import Id64 as Key
from src.core.models import Uuid as UuidText
from src.core.paging import CursorPage, ListQuery, select_page

DIALECT = config.engine.dialect.name
#: The attributes with an index on `(attribute, id)`.
INDEXED = ("name", "size", "count", "ratio", "price", "day", "at", "key")


class Row(Base):
    __tablename__ = "paged"
    metadata = sa.MetaData()

    id: Mapped[int] = mapped_column(Id64, primary_key=True, autoincrement=True)
    number: Mapped[str] = mapped_column(String(100), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    size: Mapped[int] = mapped_column(sa.Integer)
    count: Mapped[int] = mapped_column(sa.BigInteger)
    ratio: Mapped[float] = mapped_column(sa.Double)
    price: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    day: Mapped[dt.date] = mapped_column(sa.Date)
    at: Mapped[dt.datetime] = mapped_column(DateTime)
    key: Mapped[uuid.UUID] = mapped_column(Uuid)
    open: Mapped[bool] = mapped_column(sa.Boolean)
    note: Mapped[str | None] = mapped_column(String(100))

    __table_args__ = tuple(sa.Index(f"ix_paged_{name}", name, "id") for name in (*INDEXED, "note"))


Sort = Literal[
    "id", "number", "name", "size", "count", "ratio", "price", "day", "at", "key",
    "-id", "-number", "-name", "-size", "-count", "-ratio", "-price", "-day", "-at", "-key",
]  # fmt: skip


class RowsQuery(ListQuery):
    sort: Sort = "id"
    number: ShortLine = OMITTED
    name: ShortLine = OMITTED
    size: Integer = OMITTED
    size_min: Integer = OMITTED
    size_max: Integer = OMITTED
    count: BigInteger = OMITTED
    count_min: BigInteger = OMITTED
    count_max: BigInteger = OMITTED
    ratio: Double = OMITTED
    ratio_min: Double | None = None
    ratio_max: Double | None = None
    price: Money = OMITTED
    price_min: Money = OMITTED
    price_max: Money = OMITTED
    day: Date = OMITTED
    day_min: Date = OMITTED
    day_max: Date = OMITTED
    at: Timestamp = OMITTED
    at_min: Timestamp = OMITTED
    at_max: Timestamp = OMITTED
    key: UuidText = OMITTED
    open: Boolean = OMITTED
    note: ShortLine = OMITTED


class RowOut(OutputModel):
    id: Key
    number: str
    name: str
    size: int
    count: int
    ratio: float
    price: Decimal
    day: dt.date
    at: dt.datetime
    key: uuid.UUID


TABLE = Row.metadata.tables["paged"]
ALL = sa.select(TABLE)
COMPARE = {"_min": operator.ge, "_max": operator.le}

START = dt.datetime(2026, 11, 23, 12, 30, tzinfo=dt.UTC)
#: Few values, so that there are many ties. Astral characters follow U+FFFD, but not in UTF-16.
VALUES: dict[str, list[Any]] = {
    "name": ["A", "B", "Z", "a", "a b", "a-b", "a.b", "aa", "b", "z", "~", "a\xa0b", "Ä", "ä", "é",
             "ß", "ss", "e\u0301", "日本", "\uff5e", "\ufffd", "😀", "\U0001d4b3", "😀a"],
    "size": [-(2**31), -1, 0, 1, 9, 10, 2**31 - 1],
    "count": [-(2**63), -1, 0, 2**53, 2**53 + 1, 2**63 - 1],
    "ratio": [-1.7976931348623157e308, -0.1, 0.0, 5e-324, 0.1, 0.30000000000000004, 0.3, 1e300],
    "price": [Decimal(text) for text in ("-9999999999.99", "-0.01", "0.00", "0.10", "9.50", "10.00",
                                         "9999999999.99")],
    "day": [dt.date(1000, 1, 1), dt.date(2024, 2, 29), dt.date(2024, 3, 1), dt.date(9999, 12, 31)],
    "at": [START, START + dt.timedelta(microseconds=1), START + dt.timedelta(microseconds=10),
           dt.datetime(1000, 1, 1, tzinfo=dt.UTC), dt.datetime.max.replace(tzinfo=dt.UTC)],
    "key": [uuid.UUID(int=number) for number in (0, 9, 10, 2**127, 2**128 - 1)],
    "open": [True, False],
    "note": [None, "x", "X"],
}  # fmt: skip


UNIQUE = itertools.count()


def make_row(numbers: list[int]) -> dict[str, Any]:
    """Return a row: each number chooses a value, and makes `number` unique."""
    row = {
        name: values[number % len(values)]
        for number, (name, values) in zip(numbers, VALUES.items(), strict=True)
    }
    # Not in the order of the ids.
    return row | {"number": f"{row['name']} {numbers[0]} {next(UNIQUE)}"}


NUMBERS = st.lists(st.integers(0, 9999), min_size=len(VALUES), max_size=len(VALUES))


def as_text(value: Any) -> str:
    """Write a value as in a query."""
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return json.dumps(value) if isinstance(value, bool | float) else str(value)


@pytest.fixture(scope="module", autouse=True)
async def _table() -> AsyncIterator[None]:
    set_table_options(TABLE)
    async with config.engine.begin() as connection:
        await connection.run_sync(Row.metadata.create_all)
    yield
    async with config.engine.begin() as connection:
        await connection.run_sync(Row.metadata.drop_all)


async def write(*statements: Any) -> None:
    async with config.engine.begin() as connection:
        for statement in statements:
            await connection.execute(statement)


async def get_page(**parameters: str) -> tuple[list[dict[str, Any]], str | None]:
    """Return the rows of a page, and its `next`."""
    query = RowsQuery.model_validate(parameters)
    result = await config.reader.execute(*select_page(ALL, Row, query))
    rows = result.all()
    page = CursorPage[RowOut].of(rows, query)
    found = [dict(row._mapping) for row in rows[: query.limit]]  # noqa: SLF001  # a public name
    assert [item.id for item in page.items] == [row["id"] for row in found]
    return found, page.next


def matches(row: dict[str, Any], filters: dict[str, Any]) -> bool:
    """Return whether a row is in the list, as Python sees it."""
    return all(
        row[name] == value if name in row else COMPARE[name[-4:]](row[name[:-4]], value)
        for name, value in filters.items()
    )


FILTERS = [name for name in RowsQuery.model_fields if name not in ListQuery.model_fields]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_pages_equal_those_of_python(data: st.DataObject) -> None:
    draw = data.draw
    least = draw(st.sampled_from([0, 12]))
    rows = list(map(make_row, draw(st.lists(NUMBERS, min_size=least, max_size=24))))
    sort = draw(st.sampled_from(get_args(Sort)))
    limit = draw(st.integers(1, 7))
    attribute = sort.removeprefix("-")
    # A filter by the attribute that sorts is the most difficult.
    names = st.sampled_from([*FILTERS, *[attribute] * (attribute in FILTERS) * 40])

    def choose_filters() -> dict[str, Any]:
        chosen = {
            name: draw(st.sampled_from([row[re.sub("_m..$", "", name)] for row in rows]))
            for name in draw(st.lists(names, max_size=2, unique=True))
            if rows
        }
        return {name: value for name, value in chosen.items() if value is not None}

    filters = choose_filters()
    has_changed = False
    is_after = operator.lt if sort.startswith("-") else operator.gt

    def place(row: dict[str, Any]) -> tuple[Any, int]:
        return row[attribute], row["id"]

    await write(sa.delete(Row), *[sa.insert(Row).values(rows)] * bool(rows))
    table = (await config.reader.execute(ALL)).mappings().all()
    stored = {row["id"]: dict(row) for row in table}
    assert len(stored) == len(rows)
    always = set(stored)
    seen: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        more = {"cursor": cursor} if cursor else {}
        parameters = {name: as_text(value) for name, value in filters.items()} | more
        found, cursor = await get_page(sort=sort, limit=str(limit), **parameters)

        expected = [row for row in stored.values() if matches(row, filters)]
        expected.sort(key=place, reverse=sort.startswith("-"))
        if seen:
            expected = [row for row in expected if is_after(place(row), place(seen[-1]))]
        assert found == expected[:limit]
        assert (cursor is None) == (len(expected) <= limit)
        seen += found

        if len(seen) > 60:
            break
        if draw(st.booleans()):
            await write(sa.insert(Row).values(make_row(draw(NUMBERS))))
            last = (await config.reader.execute(ALL.order_by(Row.id.desc()).limit(1))).mappings()
            row = dict(last.one())
            stored[row["id"]] = row
        if stored and draw(st.booleans()):
            removed = draw(st.sampled_from(sorted(stored)))
            await write(sa.delete(Row).where(Row.id == removed))
            del stored[removed]
            always.discard(removed)
        if draw(st.booleans()):
            filters = choose_filters()
            has_changed = True

    ids = [row["id"] for row in seen]
    assert len(ids) == len(set(ids))
    if cursor is None and not has_changed:
        assert {key for key in always if matches(stored[key], filters)} <= set(ids)


async def count_rows_read(**parameters: str) -> tuple[int, str | None]:
    """Return how many rows or index entries the database reads for a page, and its `next`."""
    query = RowsQuery.model_validate(parameters)
    statement, values = select_page(ALL, Row, query)
    async with config.read_engine.connect() as connection:
        if DIALECT == "mysql":
            await connection.execute(sa.text("FLUSH STATUS"))
            rows = (await connection.execute(statement, values)).all()
            # MariaDB counts entries that an index condition rejects separately.
            counters = "SHOW STATUS WHERE Variable_name REGEXP '^Handler_(read|icp_attempts)'"
            counts = dict((await connection.execute(sa.text(counters))).all())
            skipped = int(counts.pop("Handler_icp_attempts", 0))
            count = max(skipped, sum(map(int, counts.values())))
        elif DIALECT == "sqlite":
            steps: list[None] = []
            raw = (await connection.get_raw_connection()).driver_connection
            assert raw is not None
            await raw.set_progress_handler(lambda: steps.append(None), 1)
            rows = (await connection.execute(statement, values)).all()
            await raw.set_progress_handler(None, 1)
            # It takes one step for each of the 12 columns of a row, and a few for the row.
            count = len(steps) // 20
        else:
            rows = (await connection.execute(statement, values)).all()
            compiled = statement.params(values).compile(
                config.engine.sync_engine, compile_kwargs={"literal_binds": True}
            )
            explained = await connection.exec_driver_sql(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled}"
            )
            plan = explained.scalar_one()
            [top] = json.loads(plan) if isinstance(plan, str) else plan
            count = sum(count_scanned(top["Plan"]))
    return count, CursorPage[RowOut].of(rows, query).next


def count_scanned(plan: dict[str, Any]) -> Iterator[int]:
    """Yield the rows that each scan of a plan reads."""
    if "Scan" in plan["Node Type"]:
        yield plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    for part in plan.get("Plans", ()):
        yield from count_scanned(part)


#: SQLite reads all rows again that have the last row's value, unless it is unique.
SORTS = ["id", "number", *INDEXED] if DIALECT != "sqlite" else ["id", "number"]
FEW = [{"name": "a"}, {"name": "a", "sort": "-id"}, {"name": "a", "sort": "name"}]
if DIALECT != "sqlite":
    FEW += [{"size_min": "0", "sort": "size"}]
    FEW += [{"at_min": START.isoformat(), "at_max": START.isoformat(), "sort": "-at"}]


@pytest.fixture(scope="module")
async def _many_rows(_table: None) -> AsyncIterator[None]:
    """Add rows with three names, so that a filter selects thousands."""
    numbers = [[number * 7919 + place for place in range(len(VALUES))] for number in range(6000)]
    rows = [make_row(each) | {"name": "abc"[each[0] % 3]} for each in numbers]
    await write(sa.delete(Row))
    await write(*(sa.insert(Row).values(rows[at : at + 500]) for at in range(0, len(rows), 500)))
    analyze = {"postgresql": "ANALYZE paged", "mysql": "ANALYZE TABLE paged", "sqlite": "ANALYZE"}
    await write(sa.text(analyze[DIALECT]))
    yield
    await write(sa.delete(Row))


@pytest.mark.usefixtures("_many_rows")
@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("direction", ["", "-"])
async def test_deep_page_reads_no_more_rows(sort: str, direction: str) -> None:
    parameters = {"sort": direction + sort, "limit": "20"}
    counts = []
    for _ in range(15):
        count, cursor = await count_rows_read(**parameters)
        counts.append(count)
        assert cursor
        parameters["cursor"] = cursor

    # The page has 20 rows, and one more shows that there is a next page.
    assert max(counts) <= 32


@pytest.mark.usefixtures("_many_rows")
@pytest.mark.parametrize("filters", FEW, ids=str)
async def test_filtered_page_reads_few_rows(filters: dict[str, str]) -> None:
    """Each third row has the name, so a database may also read the primary key."""
    parameters = {"limit": "20"} | filters
    counts = []
    for _ in range(10):
        count, cursor = await count_rows_read(**parameters)
        counts.append(count)
        assert cursor
        parameters["cursor"] = cursor

    assert max(counts) <= 70


@pytest.fixture
async def rows_client() -> AsyncIterator[httpx.AsyncClient]:
    """Serve the list, with three rows."""
    app = FastAPI()
    setup_app(app, config, app_settings)

    @app.get("/rows", response_model=CursorPage[RowOut])
    async def get_rows(query: Annotated[RowsQuery, Query()]) -> CursorPage[RowOut]:
        result = await config.reader.execute(*select_page(ALL, Row, query))
        return CursorPage[RowOut].of(result.all(), query)

    rows = [make_row([number] * len(VALUES)) for number in range(3)]
    await write(sa.delete(Row), sa.insert(Row).values(rows))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
    await write(sa.delete(Row))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("unknown=1", "unknown"),
        ("nmae=A", "nmae"),
        ("after=1", "after"),
        ("name_min=A", "name_min"),
        ("sort=note", "sort"),
        ("sort=open", "sort"),
        ("sort=", "sort"),
        ("sort=--id", "sort"),
        ("unknown=1&unknown=2", "unknown"),
        ("name=", "name"),
        ("name=a%00b", "name"),
        ("name=a%09b", "name"),
        ("note=null%0a%0ax", "note"),
        ("size=", "size"),
        ("size=x", "size"),
        ("size=1.0", "size"),
        ("size=true", "size"),
        ("size=%201", "size"),
        ("size=2147483648", "size"),
        ("size=" + "9" * 5000, "size"),
        ("limit=" + "9" * 5000, "limit"),
        ("ratio=" + "9" * 5000, "ratio"),
        ("ratio_max=-" + "9" * 310, "ratio_max"),
        ("count_max=9223372036854775808", "count_max"),
        ("ratio=NaN", "ratio"),
        ("ratio_min=1e400", "ratio_min"),
        ("ratio_max=true", "ratio_max"),
        ("price=1.555", "price"),
        ("price_min=NaN", "price_min"),
        ("day=2026-02-29", "day"),
        ("at=2026-11-23T12:30:00", "at"),
        ("at_max=2026-11-23", "at_max"),
        ("key=x", "key"),
        ("open=1", "open"),
        ("open=True", "open"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=", "cursor"),
        ("cursor=a%20b", "cursor"),
    ],
    ids=lambda value: value[:40],
)
async def test_invalid_parameter_is_named(
    rows_client: httpx.AsyncClient, query: str, field: str
) -> None:
    response = await rows_client.get(f"/rows?{query}")

    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    [error] = response.json()["errors"][:1]
    assert error["location"] == ["query", field]
    assert re.match(
        "Input should |Extra inputs are|String should |Unable to parse ", error["detail"]
    )


def encode(content: Any) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


VALID: dict[str, Any] = {
    "id": 1,
    "number": "A",
    "size": 1,
    "ratio": 0.5,
    "price": "0.10",
    "day": "2026-11-23",
    "at": "2026-11-23T12:30:00.000001Z",
    "key": str(uuid.UUID(int=1)),
}
WRONG: dict[str, list[Any]] = {
    "id": ["1", 1.5, True, None, 2**63, -(2**63) - 1, [1]],
    "number": [1, None, "a\0b", ["a"]],
    "size": ["1", 1.5, True, 2**63],
    "ratio": ["x", None, [1.5]],
    "price": ["x", "NaN", "Infinity", "1e99", None, "1." + "1" * 40],
    "day": ["x", "2026-02-29", "0000-01-01", None],
    "at": ["2026-11-23T12:30:00", "0999-12-31T00:00:00Z", "0001-01-01T00:00:00+14:00", 5, None],
    "key": ["x", 1, None],
}


@pytest.mark.parametrize("sort", VALID)
async def test_forged_cursor_is_rejected(rows_client: httpx.AsyncClient, sort: str) -> None:
    value = VALID[sort]
    forged = [
        *([sort, wrong, 1] for wrong in WRONG[sort]),
        *([sort, value, wrong] for wrong in ("1", None, 2**63, 1.5)),
        *([other, value, 1] for other in (f"-{sort}", "unknown", "", None, 1)),
        *([sort], [sort, value], [sort, value, 1, 1], {}, {"sort": sort}, None, sort, 1),
        *(b"", b"x", b"[", b"[" * 3000, b"\xff", json.dumps([sort, value, 1]).encode() + b" x"),
    ]

    for content in forged:
        params = {"sort": sort, "cursor": encode(content) or "A"}
        response = await rows_client.get("/rows", params=params)

        assert response.status_code == 422, content
        assert response.json()["errors"][0]["location"] == ["query", "cursor"]
    valid = {"sort": sort, "cursor": encode([sort, value, 1])}
    assert (await rows_client.get("/rows", params=valid)).status_code == 200


async def test_cursor_beyond_a_column_is_accepted(rows_client: httpx.AsyncClient) -> None:
    """PostgreSQL would reject 2**40 as a value of a 32-bit column."""
    params = {"sort": "size", "cursor": encode(["size", 2**40, 2**40])}

    assert (await rows_client.get("/rows", params=params)).json() == {"items": [], "next": None}


async def test_last_of_repeated_parameters_counts(rows_client: httpx.AsyncClient) -> None:
    response = await rows_client.get("/rows?limit=3&name=A&name=B&limit=1")

    assert [item["name"] for item in response.json()["items"]] == ["B"]


@pytest.mark.parametrize("limit", [1, 3])
async def test_cursor_keeps_its_place_with_other_filters(
    rows_client: httpx.AsyncClient, limit: int
) -> None:
    first = (await rows_client.get("/rows", params={"limit": 1})).json()
    assert re.fullmatch(r"[A-Za-z0-9_-]+", first["next"])
    params = {"cursor": first["next"], "limit": limit, "size_min": -1}

    items = (await rows_client.get("/rows", params=params)).json()["items"]

    assert [item["size"] for item in items] == [-1, 0][:limit]


@pytest.mark.parametrize("sort", ["name", "-name"])
@pytest.mark.parametrize("name", ["A", "B", "Z"])
async def test_filter_may_join_its_sort(
    rows_client: httpx.AsyncClient, sort: str, name: str
) -> None:
    """Filter by the name of the last row, or by the name before or after it."""
    # The ids are not in the order of the names.
    rows = [make_row([0] * len(VALUES)) | {"name": each} for each in "ZABAZB"]
    await write(sa.delete(Row), sa.insert(Row).values(rows))
    first = (await rows_client.get("/rows", params={"sort": sort, "limit": 3})).json()
    assert [item["name"] for item in first["items"]][-1] == "B"
    params = {"sort": sort, "cursor": first["next"], "name": name}

    page = (await rows_client.get("/rows", params=params)).json()

    left = {"A": 0, "B": 1, "Z": 2} if sort == "name" else {"A": 2, "B": 1, "Z": 0}
    assert [item["name"] for item in page["items"]] == [name] * left[name]
    assert page["next"] is None


async def test_empty_cursor_is_an_invalid_one(rows_client: httpx.AsyncClient) -> None:
    errors = (await rows_client.get("/rows?cursor=")).json()["errors"]

    reason = "Input should be the `next` of a page with the same `sort`"
    assert errors == [{"detail": reason, "location": ["query", "cursor"]}]


async def test_longest_plain_float_is_read(rows_client: httpx.AsyncClient) -> None:
    response = await rows_client.get("/rows", params={"ratio_max": f"-{2**1023}"})

    assert [item["ratio"] for item in response.json()["items"]] == [-1.7976931348623157e308]


async def test_parameters_are_documented(rows_client: httpx.AsyncClient) -> None:
    document = (await rows_client.get("/openapi.json")).json()
    found = {each["name"]: each for each in document["paths"]["/rows"]["get"]["parameters"]}

    assert list(found) == list(RowsQuery.model_fields)
    assert all(each["description"] and not each["required"] for each in found.values())
    assert found["sort"]["schema"]["enum"] == list(get_args(Sort))
    assert found["at_min"]["schema"]["format"] == "date-time"
    assert found["key"]["schema"]["format"] == "uuid"
    assert found["count"]["schema"]["format"] == "int64"
    assert found["size"]["schema"]["minimum"] == -(2**31)
    assert found["price"]["description"] == "Only items with this `price`."
    assert found["price_max"]["description"] == "Only items with at most this `price`."


@pytest.mark.parametrize("sort", ["note", "open"])
def test_unsortable_column_is_named(sort: str) -> None:
    class AnyQuery(ListQuery):
        sort: str = "id"

    with pytest.raises(ValueError, match=f"cannot sort by paged.{sort}: it may be NULL"):
        select_page(ALL, Row, AnyQuery(sort=sort))


def test_statement_is_built_once() -> None:
    first, _ = select_page(ALL, Row, RowsQuery(sort="-at", name="A", limit=5))
    same, values = select_page(ALL, Row, RowsQuery(sort="-at", name="B", limit=7))
    other, _ = select_page(ALL, Row, RowsQuery(sort="-at", name="B", size=1))

    assert first is same
    assert first is not other
    assert values == {"name": "B", "_limit": 8}


async def test_longest_text_fits_into_cursor() -> None:
    rows = [make_row([0] * len(VALUES)) | {"name": "😀" * 100} for _ in range(2)]
    await write(sa.delete(Row), sa.insert(Row).values(rows))

    _, cursor = await get_page(sort="name", limit="1")
    found, _ = await get_page(sort="name", limit="1", cursor=str(cursor))

    assert found[0]["number"] == rows[1]["number"]
    await write(sa.delete(Row))
