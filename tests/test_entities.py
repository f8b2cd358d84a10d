"""Hand-written entities in a rendered project: relationships, validators, renamed columns.

The module follows PyNest's guide: `session.add`, `session.commit` and `select`.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tools.template import run

from .conftest import RunOwnTests
from .helpers.projects import Combination
from .helpers.serving import on

pytestmark = pytest.mark.matrix

ENTITY = """\
from sqlalchemy import ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from src.config import config


class Team(config.Base):
    __tablename__ = "teams"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column("team_name", String(100), unique=True)
    # The database rejects deleting a team with people. The ORM would set their keys to NULL.
    people: Mapped[list["Person"]] = relationship(
        back_populates="team", order_by="Person.id", passive_deletes="all"
    )


class Person(config.Base):
    __tablename__ = "people"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column("full_name", String(100), index=True)
    email: Mapped[str] = mapped_column(String(100), unique=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"), index=True)
    team: Mapped[Team | None] = relationship(back_populates="people")

    @validates("email")
    def _in_lower_case(self, _: str, email: str) -> str:
        return email.lower()
"""
MODEL = """\
from src.core.models import OMITTED, InputModel, OutputModel, ShortText


class PersonCreate(InputModel):
    name: ShortText
    email: ShortText
    team: ShortText


class PersonUpdate(InputModel):
    name: ShortText = OMITTED
    email: ShortText = OMITTED


class Person(OutputModel):
    id: int
    name: str
    email: str


class Team(OutputModel):
    id: int
    name: str
    people: list[Person]
"""
#: In service style. `in_controller_style` converts it.
SERVICE = """\
from fastapi import HTTPException
from nest.core import Injectable
from nest.core.decorators.database import async_db_request_handler
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from src.config import config

from . import people_entity as entities
from .people_model import Person, PersonCreate, PersonUpdate, Team


@Injectable
class PeopleService:
    def __init__(self) -> None:
        self.orm_config = config
        self.session = self.orm_config.get_session

    @async_db_request_handler
    async def add_person(self, person: PersonCreate) -> Person:
        async with self.session() as session:
            by_name = select(entities.Team).where(entities.Team.name == person.team)
            team = await session.scalar(by_name) or entities.Team(name=person.team)
            entity = entities.Person(name=person.name, email=person.email, team=team)
            session.add(entity)
            await session.commit()
            return Person.model_validate(entity)

    @async_db_request_handler
    async def get_people(self) -> list[Person]:
        async with self.session() as session:
            people = await session.scalars(select(entities.Person).order_by(entities.Person.id))
            return [Person.model_validate(person) for person in people]

    @async_db_request_handler
    async def get_names(self) -> list[str]:
        async with self.session() as session:
            statement = select(entities.Person.name).order_by(entities.Person.name)
            return [row.name for row in await session.execute(statement)]

    @async_db_request_handler
    async def get_team(self, name: str) -> Team:
        async with self.session() as session:
            statement = (
                select(entities.Team)
                .join(entities.Team.people)
                .where(entities.Person.name == name)
                .options(selectinload(entities.Team.people))
            )
            team = await session.scalar(statement)
            if team is None:
                raise HTTPException(404)
            return Team.model_validate(team)

    @async_db_request_handler
    async def update_person(self, person_id: int, changes: PersonUpdate) -> Person:
        async with self.session() as session:
            person = await session.get(entities.Person, person_id)
            if person is None:
                raise HTTPException(404)
            for name, value in changes.model_dump(exclude_unset=True).items():
                setattr(person, name, value)
            await session.commit()
            return Person.model_validate(person)

    @async_db_request_handler
    async def remove_person(self, person_id: int) -> None:
        async with self.session() as session:
            person = await session.get(entities.Person, person_id)
            await session.delete(person)
            await session.commit()

    @async_db_request_handler
    async def remove_team(self, name: str) -> None:
        async with self.session() as session:
            team = await session.scalar(select(entities.Team).where(entities.Team.name == name))
            await session.delete(team)
            await session.commit()
"""
CONTROLLER = """\
from nest.core import Controller, Delete, Depends, Get, Patch, Post
from sqlalchemy.ext.asyncio import AsyncSession

from src.config import config

from .people_model import Person, PersonCreate, PersonUpdate, Team
from .people_service import PeopleService


@Controller("people", tag="people")
class PeopleController:
    def __init__(self, service: PeopleService) -> None:
        self.service = service

    @Post("/", status_code=201)
    async def add_person(self, person: PersonCreate) -> Person:
        return await self.service.add_person(person)

    @Get("/")
    async def get_people(self) -> list[Person]:
        return await self.service.get_people()

    @Get("/names")
    async def get_names(self) -> list[str]:
        return await self.service.get_names()

    @Get("/{name}/team")
    async def get_team(self, name: str) -> Team:
        return await self.service.get_team(name)

    @Patch("/{person_id}")
    async def update_person(self, person_id: int, changes: PersonUpdate) -> Person:
        return await self.service.update_person(person_id, changes)

    @Delete("/{person_id}", status_code=204)
    async def remove_person(self, person_id: int) -> None:
        await self.service.remove_person(person_id)

    @Delete("/teams/{name}", status_code=204)
    async def remove_team(self, name: str) -> None:
        await self.service.remove_team(name)
"""
MODULE = """\
from nest.core import Module

from .people_controller import PeopleController
from .people_service import PeopleService


@Module(controllers=[PeopleController], providers=[PeopleService], imports=[])
class PeopleModule:
    pass
"""
TESTS = """\
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from sqlalchemy import Row, text

from src.config import config

#: Text that input models reject, but the database accepts.
STORED = ["", "   ", " x ", "\\t", "x" * 100]
if config.engine.dialect.name != "postgresql":
    STORED.append("nul\\0")


async def add(client: httpx.AsyncClient, name: str, email: str, team: str = "Engines") -> Any:
    body = {"name": name, "email": email, "team": team}
    response = await client.post("/people", json=body)
    assert response.status_code == 201, response.text
    return response.json()


async def run_sql(statement: str, **parameters: str) -> Sequence[Row[Any]]:
    async with config.engine.begin() as connection:
        result = await connection.execute(text(statement), parameters)
        return result.all() if result.returns_rows else []


async def test_renamed_column_is_stored(client: httpx.AsyncClient) -> None:
    ada = await add(client, "Ada", "ada@example.com")
    changed = await client.patch(f"/people/{ada['id']}", json={"name": "Ada Lovelace"})

    assert ada["name"] == "Ada"
    assert changed.json() == ada | {"name": "Ada Lovelace"}
    assert (await client.get("/people")).json() == [changed.json()]
    assert (await client.get("/people/names")).json() == ["Ada Lovelace"]
    assert await run_sql("SELECT full_name FROM people") == [("Ada Lovelace",)]
    assert await run_sql("SELECT team_name FROM teams") == [("Engines",)]


async def test_validator_changes_stored_value(client: httpx.AsyncClient) -> None:
    ada = await add(client, "Ada", "ADA@Example.com")
    grace = await add(client, "Grace", "grace@example.com")
    path = f"/people/{grace['id']}"

    assert ada["email"] == "ada@example.com"
    assert (await client.patch(path, json={"email": "ADA@example.COM"})).status_code == 409
    changed = await client.patch(path, json={"email": "G@Example.com"})
    assert changed.json()["email"] == "g@example.com"
    stored = await run_sql("SELECT email FROM people ORDER BY id")
    assert stored == [("ada@example.com",), ("g@example.com",)]


async def test_relationship_adds_and_loads(client: httpx.AsyncClient) -> None:
    ada = await add(client, "Ada", "ada@example.com")
    grace = await add(client, "Grace", "grace@example.com")
    await add(client, "Joan", "joan@example.com", "Codes")

    team = (await client.get("/people/Grace/team")).json()

    assert (team["name"], team["people"]) == ("Engines", [ada, grace])
    assert len(await run_sql("SELECT * FROM teams")) == 2
    assert (await client.delete(f"/people/{ada['id']}")).status_code == 204
    assert (await client.get("/people/Grace/team")).json() == team | {"people": [grace]}
    assert (await client.get("/people/Ada/team")).status_code == 404


async def test_team_with_people_is_not_deleted(client: httpx.AsyncClient) -> None:
    ada = await add(client, "Ada", "ada@example.com")

    assert (await client.delete("/people/teams/Engines")).status_code == 409
    assert (await client.get("/people/Ada/team")).json()["people"] == [ada]
    await client.delete(f"/people/{ada['id']}")
    assert (await client.delete("/people/teams/Engines")).status_code == 204
    assert await run_sql("SELECT * FROM teams") == []


async def test_failed_add_leaves_no_team(client: httpx.AsyncClient) -> None:
    await add(client, "Ada", "ada@example.com")

    body = {"name": "Ada", "email": "ada@EXAMPLE.com", "team": "Codes"}
    response = await client.post("/people", json=body)

    assert response.status_code == 409
    assert await run_sql("SELECT team_name FROM teams") == [("Engines",)]


@pytest.mark.parametrize("name", STORED)
async def test_stored_text_is_read_unchanged(client: httpx.AsyncClient, name: str) -> None:
    statement = "INSERT INTO people (full_name, email) VALUES (:name, :email)"
    await run_sql(statement, name=name, email=name)

    [person] = (await client.get("/people")).json()

    assert (person["name"], person["email"]) == (name, name)
    assert (await client.get("/people/names")).json() == [name]
    changed = await client.patch(f"/people/{person['id']}", json={"email": "x@example.com"})
    assert changed.json() == person | {"email": "x@example.com"}
    assert await run_sql("SELECT full_name FROM people") == [(name,)]
"""


#: A one-to-many relationship between two modules. The service builds its statement at import
#: time, possibly before `Member` is imported.
CLUB_ENTITY = """\
from typing import TYPE_CHECKING

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from src.config import config

if TYPE_CHECKING:
    from src.members.members_entity import Member


class Club(config.Base):
    __tablename__ = "clubs"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    members: Mapped[list["Member"]] = relationship(back_populates="club")
"""
MEMBER_ENTITY = """\
from sqlalchemy import ForeignKey, Integer
from sqlalchemy.orm import Mapped, mapped_column, relationship

from src.clubs.clubs_entity import Club
from src.config import config


class Member(config.Base):
    __tablename__ = "members"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    club_id: Mapped[int] = mapped_column(ForeignKey("clubs.id"), index=True)
    club: Mapped[Club] = relationship(back_populates="members")
"""
CLUB_SERVICE = """\
from nest.core import Injectable
from nest.core.decorators.database import async_db_request_handler
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from src.config import config

from .clubs_entity import Club

WITH_MEMBERS = select(Club).options(selectinload(Club.members))


@Injectable
class ClubsService:
    def __init__(self) -> None:
        self.orm_config = config
        self.session = self.orm_config.get_session

    @async_db_request_handler
    async def count_members(self) -> dict[str, int]:
        async with self.session() as session:
            clubs = await session.scalars(WITH_MEMBERS)
            return {club.name: len(club.members) for club in clubs}

    @async_db_request_handler
    async def remove_club(self, name: str) -> None:
        async with self.session() as session:
            club = await session.scalar(select(Club).where(Club.name == name))
            await session.delete(club)
            await session.commit()
"""
CLUB_CONTROLLER = """\
from nest.core import Controller, Delete, Depends, Get
from sqlalchemy.ext.asyncio import AsyncSession

from src.config import config

from .clubs_service import ClubsService


@Controller("clubs", tag="clubs")
class ClubsController:
    def __init__(self, service: ClubsService) -> None:
        self.service = service

    @Get("/")
    async def count_members(self) -> dict[str, int]:
        return await self.service.count_members()

    @Delete("/{name}", status_code=204)
    async def remove_club(self, name: str) -> None:
        await self.service.remove_club(name)
"""
CLUB_MODULE = MODULE.replace("people", "clubs").replace("People", "Clubs")
MEMBER_MODULE = """\
from nest.core import Module

from . import members_entity  # noqa: F401  # its table


@Module(controllers=[], providers=[], imports=[])
class MembersModule:
    pass
"""
CLUB_TESTS = """\
import httpx
from sqlalchemy import text

from src.config import config


async def test_referenced_club_is_not_deleted(client: httpx.AsyncClient) -> None:
    async with config.engine.begin() as connection:
        await connection.execute(text("INSERT INTO clubs (name) VALUES ('tea'), ('chess')"))
        await connection.execute(
            text("INSERT INTO members (club_id) SELECT id FROM clubs WHERE name = 'tea'")
        )

    response = await client.delete("/clubs/tea")

    assert response.status_code in {409, 422}, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (await client.get("/clubs")).json() == {"tea": 1, "chess": 0}
    assert (await client.delete("/clubs/chess")).status_code == 204
"""
#: An owner's changes to the entity and the migration that `make module` wrote.
AUTHOR = ("name: Mapped[str] = mapped_column(", 'name: Mapped[str] = mapped_column("full_name", ')
VALIDATOR = """
    @validates("email")
    def _with_sign(self, _: str, email: str) -> str:
        return email.replace("[at]", "@")
"""
GENERATED_TESTS = """\
import httpx
import pytest

from ..people.test_people import STORED, run_sql


async def test_generated_module_uses_its_entity(client: httpx.AsyncClient) -> None:
    body = {"name": "Ada", "email": "ada[at]example.com"}
    response = await client.post("/authors", json=body)

    assert response.status_code == 201, response.text
    ada = response.json()
    assert ada == {"id": ada["id"], "name": "Ada", "email": "ada@example.com", "role": None}
    assert (await client.get(response.headers["Location"])).json() == ada
    assert (await client.get("/authors")).json()["items"] == [ada]
    changed = await client.patch(response.headers["Location"], json={"name": "Ada Lovelace"})
    assert changed.json() == ada | {"name": "Ada Lovelace"}
    assert await run_sql("SELECT full_name, email FROM authors") == [
        ("Ada Lovelace", "ada@example.com")
    ]


@pytest.mark.parametrize("name", STORED)
async def test_generated_module_reads_stored_text(client: httpx.AsyncClient, name: str) -> None:
    await run_sql("INSERT INTO authors (full_name, email) VALUES (:name, 'a@b')", name=name)

    page = await client.get("/authors")

    assert page.status_code == 200, page.text
    [author] = page.json()["items"]
    assert author["name"] == name
    assert (await client.get(f"/authors/{author['id']}")).json() == author
    changed = await client.patch(f"/authors/{author['id']}", json={"email": "c@d"})
    assert changed.json() == author | {"email": "c@d"}


async def test_generated_module_reads_removed_value(client: httpx.AsyncClient) -> None:
    await run_sql("INSERT INTO authors (full_name, email, role) VALUES ('Ada', 'a@b', 'poet')")

    [author] = (await client.get("/authors")).json()["items"]
    assert author["role"] == "poet"
    location = f"/authors/{author['id']}"
    changed = await client.patch(location, json={"email": "c@d"})
    assert changed.json() == author | {"email": "c@d"}
    assert (await client.patch(location, json={"role": "poet"})).status_code == 422
    assert (await client.patch(location, json={"role": "editor"})).json()["role"] == "editor"


@pytest.mark.parametrize("name", STORED)
async def test_examples_read_stored_text(client: httpx.AsyncClient, name: str) -> None:
    await run_sql("INSERT INTO examples (name) VALUES (:name)", name=name)

    page = await client.get("/examples")

    assert page.status_code == 200, page.text
    assert [example["name"] for example in page.json()["items"]] == [name]
"""


def in_controller_style(source: str) -> str:
    """Convert a service or a controller: its methods get the session as an argument."""
    depends = " = Depends(config.get_db)" if "Depends" in source else ""
    session = f"session: AsyncSession{depends}"
    opened = re.compile(r"^ {8}async with .*\n((?: {12}.*\n)+)", re.MULTILINE)
    source = opened.sub(lambda match: re.sub(r"^ {4}", "", match[1], flags=re.MULTILINE), source)
    source = re.sub(r"(async def .*)\) ->", rf"\1, {session}) ->", source)
    source = re.sub(r"(self\.service\.\w+\(.+)\)$", r"\1, session)", source, flags=re.MULTILINE)
    return re.sub(r"(self\.service\.\w+\()\)$", r"\1session)", source, flags=re.MULTILINE)


def lay_over(project: Path, style: str, name: str, parts: dict[str, str], tests: str = "") -> None:
    """Write a module from its parts; the service and the controller are in service style."""
    for parent in ("src", "tests"):
        (project / parent / name).mkdir()
        (project / parent / name / "__init__.py").touch()
    for part, source in parts.items():
        written = source
        if style == "controller" and part in {"service", "controller"}:
            written = in_controller_style(source)
        (project / "src" / name / f"{name}_{part}.py").write_text(written)
    (project / "tests" / name / f"test_{name}.py").write_text(tests)
    app_module = project / "src" / "app_module.py"
    text = app_module.read_text(encoding="utf-8")
    for line in re.findall(r".*ExamplesModule.*\n", text):
        added = line.replace("Examples", name.title()).replace("examples", name)
        text = text.replace(line, line + added)
    app_module.write_text(text, encoding="utf-8")


@pytest.fixture
def with_entities(combination: Combination, project: Path, tmp_path: Path) -> Path:
    """Copy a project, and add the modules to the copy."""
    run("uv sync --quiet", project)
    folder = tmp_path / "my-app"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns(".venv", ".env", ".*_cache"))
    people = {"entity": ENTITY, "model": MODEL, "module": MODULE}
    people |= {"service": SERVICE, "controller": CONTROLLER}
    lay_over(folder, combination.session_style, "people", people, TESTS)
    members = {"entity": MEMBER_ENTITY, "module": MEMBER_MODULE}
    lay_over(folder, combination.session_style, "members", members)
    clubs = {"entity": CLUB_ENTITY, "module": CLUB_MODULE}
    clubs |= {"service": CLUB_SERVICE, "controller": CLUB_CONTROLLER}
    lay_over(folder, combination.session_style, "clubs", clubs, CLUB_TESTS)
    make_authors(folder, project)
    return folder


def make_authors(folder: Path, project: Path) -> None:
    """Create a module with the scaffold, then rename a column and add a validator."""
    fields = "name:str email:str:unique role:enum(writer,editor)?"
    command = f"uv run python -m scaffold authors --fields '{fields}'"
    run(command, folder, UV_PROJECT_ENVIRONMENT=str(project / ".venv"), UV_OFFLINE="1")
    entity = folder / "src" / "authors" / "authors_entity.py"
    source = entity.read_text(encoding="utf-8").replace(*AUTHOR)
    source = source.replace("mapped_column\n", "mapped_column, validates\n", 1) + VALIDATOR
    entity.write_text(source, encoding="utf-8")
    [migration] = (folder / "migrations" / "versions").glob("*_create_authors.py")
    source = migration.read_text(encoding="utf-8").replace('"name"', '"full_name"')
    migration.write_text(source, encoding="utf-8")
    (folder / "tests" / "authors" / "test_stored.py").write_text(GENERATED_TESTS)


# Both session styles. `tests/core` tests the entities of every database.
@on("sqlite-controller", "postgresql-service")
def test_entities_work_as_sqlalchemy_documents(
    with_entities: Path, variables: dict[str, str], run_own_tests: RunOwnTests
) -> None:
    """Generate the migration, and run the tests of the modules and of the migrations."""
    run("make migrate", with_entities, **variables)
    run("make migration m='add entities'", with_entities, **variables)

    [migration] = (with_entities / "migrations" / "versions").glob("*_add_entities.py")
    assert '"full_name"' in migration.read_text(encoding="utf-8")
    tests = "uv run pytest tests/people tests/clubs tests/authors tests/core/test_migrations.py"
    assert re.search(r"\d+ passed", run_own_tests(tests, with_entities, **variables))
