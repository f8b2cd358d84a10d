"""A service that is carefully written by hand, following FastAPI's and SQLAlchemy's guides.

The variable `DATABASE` selects the driver. The other variables are those of a rendered project.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import URL, BigInteger, Integer, String, event, select, text
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


Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=100,
        pattern=r"^[^\x00]*[^\s\x00][^\x00]*$",
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
    next: int | None


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


@app.get("/examples", response_model=Page)
async def get_examples(
    session: Session,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[int, Query(ge=0, lt=TOO_LARGE)] = 0,
) -> dict[str, Any]:
    query = (
        select(ExampleEntity)
        .where(ExampleEntity.id > after)
        .order_by(ExampleEntity.id)
        .limit(limit + 1)
    )
    rows = (await session.scalars(query)).all()
    items = rows[:limit]
    return {"items": items, "next": items[-1].id if len(rows) > limit else None}


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
