"""Reads and writes of entities with hybrids, relationships, validators and renamed columns."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import ForeignKey, MetaData, String, event, func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship, selectinload, validates
from src.config import config
from src.core.columns import JSON, DateTime, Id64, Uuid
from src.core.database import Base
from src.core.models import OutputModel, columns_of


class Author(Base):
    __tablename__ = "core_authors"
    metadata = MetaData()

    id: Mapped[int] = mapped_column(Id64, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column("author_name", String(100), unique=True)
    email: Mapped[str | None] = mapped_column("author_email", String(100))
    at: Mapped[dt.datetime] = mapped_column(DateTime, default=lambda: dt.datetime.now(dt.UTC))
    key: Mapped[uuid.UUID] = mapped_column("author_key", Uuid, default=uuid.uuid4)
    extra: Mapped[Any | None] = mapped_column(JSON)
    country: Mapped[str] = mapped_column(String(100), server_default="Greece")
    changes: Mapped[int] = mapped_column(server_default="0", onupdate=func.abs(7))
    slug: Mapped[str | None] = mapped_column(String(100))
    books: Mapped[list["Book"]] = relationship(passive_deletes="all")

    @hybrid_property
    def initial(self) -> str:
        return self.name[:1]

    @initial.inplace.expression
    @classmethod
    def _initial(cls) -> Any:
        return func.substr(cls.name, 1, 1)

    @validates("email")
    def check_email(self, _: str, email: str | None) -> str | None:
        if email is not None and "@" not in email:
            message = f"{email!r} is no address"
            raise ValueError(message)
        return email and email.lower()


class Book(Base):
    __tablename__ = "core_books"
    metadata = Author.metadata

    id: Mapped[int] = mapped_column(Id64, primary_key=True, autoincrement=True)
    title: Mapped[str] = mapped_column(String(100))
    author_id: Mapped[int] = mapped_column(ForeignKey("core_authors.id"), index=True)


class BookModel(OutputModel):
    id: int
    title: str


class AuthorModel(OutputModel):
    id: int
    name: str
    email: str | None
    at: dt.datetime
    key: uuid.UUID
    extra: Any
    country: str
    changes: int
    initial: str


class AuthorWithBooks(OutputModel):
    name: str
    books: list[BookModel]


@event.listens_for(Author, "before_insert")
def add_slug(_: object, __: object, author: Author) -> None:
    author.slug = author.name.lower()


AUTHORS = select(*columns_of(Author, AuthorModel)).order_by(Author.id)


pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture(autouse=True)
async def _tables() -> AsyncIterator[None]:
    async with config.engine.begin() as connection:
        await connection.run_sync(Author.metadata.create_all)
    yield
    async with config.engine.begin() as connection:
        await connection.run_sync(Author.metadata.drop_all)


async def add(author: Author) -> AuthorModel:
    async with config.get_session() as session:
        session.add(author)
        await session.commit()
        return AuthorModel.model_validate(author)


async def read() -> list[AuthorModel]:
    result = await config.reader.execute(AUTHORS)
    return [AuthorModel.model_validate(row) for row in result]


async def test_added_entity_equals_a_read_row() -> None:
    added = await add(Author(name="Hypatia", email="H@example.com", extra={"a": [1.0, None]}))

    assert added.initial == "H"
    assert (added.country, added.changes) == ("Greece", 0)
    assert await read() == [added]


async def test_changed_entity_equals_a_read_row() -> None:
    added = await add(Author(name="Hypatia"))

    async with config.get_session() as session:
        author = await session.get_one(Author, added.id)
        author.name = "Ada"
        await session.commit()
        changed = AuthorModel.model_validate(author)

    assert (changed.initial, changed.changes) == ("A", 7)
    assert await read() == [changed]


async def test_validators_and_events_are_called() -> None:
    added = await add(Author(name="Hypatia", email="H@Example.com"))

    result = await config.reader.execute(select(Author.slug))
    assert added.email == "h@example.com"
    assert result.scalar_one() == "hypatia"
    with pytest.raises(ValueError, match="no address"):
        Author(name="Ada", email="ada")


async def test_reader_filters_by_attributes() -> None:
    await add(Author(name="Hypatia"))
    ada = await add(Author(name="Ada"))

    result = await config.reader.execute(AUTHORS.where(Author.initial == "A"))

    assert AuthorModel.model_validate(result.one()) == ada


async def test_referenced_entity_cannot_be_deleted() -> None:
    """By default, SQLAlchemy would set the books' `author_id` to NULL."""
    added = await add(Author(name="Hypatia", books=[Book(title="Astronomy")]))

    async with config.get_session() as session:
        await session.delete(await session.get_one(Author, added.id))
        with pytest.raises(IntegrityError) as caught:
            await session.commit()

    assert "null" not in str(caught.value.orig).lower()
    assert await read() == [added]


async def test_session_loads_related_rows() -> None:
    await add(Author(name="Hypatia", books=[Book(title="Astronomy"), Book(title="")]))
    authors = select(Author).options(selectinload(Author.books))

    async with config.get_session() as session:
        result = await session.scalars(authors)
        found = [AuthorWithBooks.model_validate(author) for author in result]

    assert [book.title for book in found[0].books] == ["Astronomy", ""]


def test_columns_of_rejects_relationship() -> None:
    with pytest.raises(ValueError, match=r"Author\.books is a relationship"):
        columns_of(Author, AuthorWithBooks)


def test_columns_of_rejects_unknown_attribute() -> None:
    class Unknown(OutputModel):
        unknown: int

    with pytest.raises(AttributeError, match="unknown"):
        columns_of(Author, Unknown)


async def test_session_can_read_from_one_snapshot() -> None:
    await add(Author(name="Hypatia"))

    async with config.get_session() as session:
        if config.engine.dialect.name == "sqlite":
            await session.execute(text("BEGIN"))
        else:
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        before = await session.scalar(select(Author.name))
        async with config.read_engine.connect() as connection:
            await connection.execute(update(Author).values(name="Ada"))
        after = await session.scalar(select(Author.name))

    assert (before, after) == ("Hypatia", "Hypatia")
    assert [author.name for author in await read()] == ["Ada"]
