import httpx
import pytest
from fastapi import HTTPException
from nest.common.exceptions import ForbiddenException
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, insert
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.exc import StaleDataError

from src.config import config

INSIDE = "SELECT inside FROM /var/lib"


async def get_while_failing(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> httpx.Response:
    async def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(AsyncSession, "execute", fail)
    response = await client.get("/examples")
    assert response.headers["Content-Type"] == "application/problem+json"
    assert INSIDE not in response.text
    return response


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(INSIDE),
        HTTPException(500, INSIDE),
        FileNotFoundError(2, INSIDE, INSIDE),
        OSError(28, INSIDE),
        OperationalError(INSIDE, {"inside": INSIDE}, Exception(1054, INSIDE)),
        IntegrityError(INSIDE, {"inside": INSIDE}, Exception("NOT NULL constraint failed: x.y")),
    ],
    ids=repr,
)
async def test_an_unforeseen_error_shows_nothing_and_is_logged_once(
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    response = await get_while_failing(client, monkeypatch, error)

    assert response.status_code == 500
    assert response.json() == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "request_id": response.headers["X-Request-ID"],
    }
    [logged] = [record.msg for record in caplog.records if record.levelname == "ERROR"]
    assert isinstance(logged, dict)
    assert logged["exc_info"] is error
    assert logged["request_id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize(
    "error",
    [
        PoolTimeoutError(INSIDE),
        ConnectionRefusedError(111, INSIDE),
        OSError(f"Multiple exceptions: {INSIDE}"),
        OSError(113, INSIDE),
        OperationalError(INSIDE, {}, Exception(2003, INSIDE)),
        OperationalError(INSIDE, {}, Exception("database is locked")),
        OperationalError(INSIDE, {}, Exception(INSIDE), connection_invalidated=True),
    ],
    ids=repr,
)
async def test_a_database_that_does_not_answer_is_unavailable(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    response = await get_while_failing(client, monkeypatch, error)

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize("error", [HTTPException(403, "No."), ForbiddenException("No.")], ids=repr)
async def test_an_error_that_a_service_raises_on_purpose_is_shown(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    response = await get_while_failing(client, monkeypatch, error)

    assert response.status_code == 403
    assert response.json()["title"] == "Forbidden"
    assert response.json()["detail"] == "No."


async def test_a_foreign_key_that_points_nowhere_is_a_conflict(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = MetaData()
    Table("parents", metadata, Column("id", Integer, primary_key=True))
    children = Table("children", metadata, Column("parent_id", ForeignKey("parents.id")))
    async with config.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    with pytest.raises(IntegrityError) as caught:
        async with config.engine.begin() as connection:
            await connection.execute(insert(children).values(parent_id=7))
    async with config.engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)

    response = await get_while_failing(client, monkeypatch, caught.value)

    assert response.status_code == 409


async def test_a_row_that_is_gone_meanwhile_is_a_conflict(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    response = await get_while_failing(client, monkeypatch, StaleDataError(INSIDE))

    assert response.status_code == 409


async def test_an_unknown_path_or_method_is_a_problem(client: httpx.AsyncClient) -> None:
    for response, status in [
        (await client.get("/nowhere"), 404),
        (await client.put("/examples"), 405),
    ]:
        assert response.status_code == status
        assert response.headers["Content-Type"] == "application/problem+json"


async def test_a_wrong_method_is_told_all_the_right_ones(client: httpx.AsyncClient) -> None:
    assert (await client.put("/examples")).headers["Allow"] == "GET, POST"
    assert (await client.put("/examples/1")).headers["Allow"] == "DELETE, GET, PATCH"


async def test_not_every_error_of_a_hostile_body_is_named(client: httpx.AsyncClient) -> None:
    response = await client.post("/examples", json={f"unknown{key}": 0 for key in range(1000)})

    assert response.status_code == 422
    assert len(response.json()["errors"]) == 100
