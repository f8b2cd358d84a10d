"""A service that is carefully written by hand, following FastAPI's and SQLAlchemy's guides.

The variable `DATABASE` selects the driver. The other variables are those of a rendered project.
"""

import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import (
    URL,
    BigInteger,
    ColumnElement,
    Index,
    Integer,
    Select,
    String,
    and_,
    event,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.exceptions import HTTPException as StarletteHTTPException

DATABASE = os.environ["DATABASE"]
DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "mysql": "mysql+aiomysql",
}
TOO_LARGE = 2**63


def database_url() -> URL:
    if DATABASE == "sqlite":
        return URL.create(DRIVERS[DATABASE], database=f"{os.environ['SQLITE_DB_NAME']}.db")
    prefix = DATABASE.upper()
    return URL.create(
        DRIVERS[DATABASE],
        username=os.environ[f"{prefix}_USER"],
        password=os.environ[f"{prefix}_PASSWORD"],
        host=os.environ[f"{prefix}_HOST"],
        port=int(os.environ[f"{prefix}_PORT"]),
        database=os.environ[f"{prefix}_DB_NAME"],
        query={"charset": "utf8mb4"} if DATABASE == "mysql" else {},
    )


engine = create_async_engine(database_url(), pool_size=10, max_overflow=0, pool_pre_ping=True)
session_factory = async_sessionmaker(engine, expire_on_commit=False)

if DATABASE == "sqlite":

    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.close()


class Base(DeclarativeBase):
    pass


class ExampleEntity(Base):
    __tablename__ = "examples"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)


class OrderEntity(Base):
    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_status", "status", "id"),
        Index("ix_orders_total", "total", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    status: Mapped[str] = mapped_column(String(100))
    total: Mapped[int] = mapped_column(Integer)


_CONTROL = r"\x00-\x1f\x7f-\x9f"
Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=100,
        pattern=rf"^[^{_CONTROL}]*[^\s{_CONTROL}][^{_CONTROL}]*$",
    ),
]


class ExampleCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name


class ExampleUpdate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    # The default is never used, because of `exclude_unset`.
    name: Name = ""


class Example(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str


class Page(BaseModel):
    items: list[Example]
    next: str | None


class Order(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    status: str
    total: int


class OrdersPage(BaseModel):
    items: list[Order]
    next: str | None


class ExamplesQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sort: Literal["id", "-id", "name", "-name"] = "id"
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: str | None = None
    name: Name | None = None


class OrdersQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sort: Literal["id", "-id", "status", "-status", "total", "-total"] = "id"
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: str | None = None
    status: Name | None = None
    total: int | None = None
    total_min: int | None = None
    total_max: int | None = None


class Health(BaseModel):
    status: str = "ok"


async def get_session() -> AsyncIterator[AsyncSession]:
    async with session_factory() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]
ExampleId = Annotated[int, Path(ge=1, lt=TOO_LARGE)]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


def problem(status: int, detail: str | None = None, **more: Any) -> JSONResponse:
    title = "Unprocessable Content" if status == 422 else HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status}
    if detail not in (None, title):
        body["detail"] = detail
    return JSONResponse(body | more, status, media_type="application/problem+json")


@app.exception_handler(StarletteHTTPException)
async def on_http_error(_: Request, error: StarletteHTTPException) -> JSONResponse:
    response = problem(error.status_code, error.detail)
    response.headers.update(error.headers or {})
    return response


@app.exception_handler(RequestValidationError)
async def on_invalid_request(_: Request, error: RequestValidationError) -> JSONResponse:
    errors = [{"detail": each["msg"], "location": each["loc"]} for each in error.errors()]
    return problem(422, "The request is invalid.", errors=errors)


@app.exception_handler(IntegrityError)
async def on_conflict(_request: Request, _error: IntegrityError) -> JSONResponse:
    errors = [{"detail": "This value already exists.", "location": ["body", "name"]}]
    return problem(409, "A value that must be unique already exists.", errors=errors)


@app.exception_handler(Exception)
async def on_error(_request: Request, _error: Exception) -> JSONResponse:
    return problem(500)


async def find(example_id: int, session: AsyncSession) -> ExampleEntity:
    example = await session.get(ExampleEntity, example_id)
    if example is None:
        raise HTTPException(404, f"There is no example {example_id}.")
    return example


@app.post("/examples", response_model=Example, status_code=201)
async def add_example(
    example: ExampleCreate, request: Request, response: Response, session: Session
) -> ExampleEntity:
    entity = ExampleEntity(**example.model_dump())
    session.add(entity)
    await session.commit()
    response.headers["Location"] = request.url_for("get_example", example_id=entity.id).path
    return entity


async def get_page(
    query: ExamplesQuery | OrdersQuery, statement: Select[Any], entity: Any, session: AsyncSession
) -> dict[str, Any]:
    """Read a page by keyset. The cursor has the sort, and the last row's value and id."""
    is_descending = query.sort.startswith("-")
    column = getattr(entity, query.sort.removeprefix("-"))
    if query.cursor:
        padding = "=" * (-len(query.cursor) % 4)
        sort, value, last = json.loads(base64.urlsafe_b64decode(query.cursor + padding))
        if sort != query.sort:
            raise HTTPException(422, "The cursor has another sort.")
        condition = follow(column, entity.id, value, last, is_descending=is_descending)
        statement = statement.where(condition)
    order = [column, entity.id]
    statement = statement.order_by(*(each.desc() if is_descending else each for each in order))
    rows = (await session.scalars(statement.limit(query.limit + 1))).all()
    items = rows[: query.limit]
    following = None
    if len(rows) > query.limit:
        place = [query.sort, getattr(items[-1], column.key), items[-1].id]
        content = json.dumps(place, separators=(",", ":"), ensure_ascii=False).encode()
        following = base64.urlsafe_b64encode(content).decode().rstrip("=")
    return {"items": items, "next": following}


def follow(
    column: Any, key: Any, value: Any, last: int, *, is_descending: bool
) -> ColumnElement[bool]:
    if DATABASE == "mysql":
        # MariaDB reads half of an index for row values.
        if is_descending:
            return or_(column < value, and_(column == value, key < last))
        return or_(column > value, and_(column == value, key > last))
    place = tuple_(value, last)
    return tuple_(column, key) < place if is_descending else tuple_(column, key) > place


@app.get("/examples", response_model=Page)
async def get_examples(
    session: Session, query: Annotated[ExamplesQuery, Query()]
) -> dict[str, Any]:
    statement = select(ExampleEntity)
    if query.name is not None:
        statement = statement.where(ExampleEntity.name == query.name)
    return await get_page(query, statement, ExampleEntity, session)


@app.get("/orders", response_model=OrdersPage)
async def get_orders(session: Session, query: Annotated[OrdersQuery, Query()]) -> dict[str, Any]:
    statement = select(OrderEntity)
    if query.status is not None:
        statement = statement.where(OrderEntity.status == query.status)
    if query.total is not None:
        statement = statement.where(OrderEntity.total == query.total)
    if query.total_min is not None:
        statement = statement.where(OrderEntity.total >= query.total_min)
    if query.total_max is not None:
        statement = statement.where(OrderEntity.total <= query.total_max)
    return await get_page(query, statement, OrderEntity, session)


@app.get("/examples/{example_id}", response_model=Example)
async def get_example(example_id: ExampleId, session: Session) -> ExampleEntity:
    return await find(example_id, session)


@app.patch("/examples/{example_id}", response_model=Example)
async def update_example(
    example_id: ExampleId, changes: ExampleUpdate, session: Session
) -> ExampleEntity:
    example = await find(example_id, session)
    for name, value in changes.model_dump(exclude_unset=True).items():
        setattr(example, name, value)
    await session.commit()
    return example


@app.delete("/examples/{example_id}", status_code=204)
async def remove_example(example_id: ExampleId, session: Session) -> None:
    example = await find(example_id, session)
    await session.delete(example)
    await session.commit()


@app.get("/health/live", response_model=Health)
async def get_live() -> Health:
    return Health()


@app.get("/health/ready", response_model=Health)
async def get_ready() -> Health:
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError):
        raise HTTPException(503, "The database does not answer.") from None
    return Health()
