import httpx
import pytest
from fastapi import HTTPException
from nest.common.exceptions import ForbiddenException
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.exc import StaleDataError

INSIDE = "SELECT inside FROM /var/lib"


async def get_while_failing(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> httpx.Response:
    async def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(AsyncSession, "execute", fail)
    response = await client.get("/items")
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
    core_client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    response = await get_while_failing(core_client, monkeypatch, error)

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
    core_client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    response = await get_while_failing(core_client, monkeypatch, error)

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize("error", [HTTPException(403, "No."), ForbiddenException("No.")], ids=repr)
async def test_an_error_that_a_service_raises_on_purpose_is_shown(
    core_client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    response = await get_while_failing(core_client, monkeypatch, error)

    assert response.status_code == 403
    assert response.json()["title"] == "Forbidden"
    assert response.json()["detail"] == "No."


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"name": "Ada"}, "must be unique"),
        ({"name": "Grace", "parent_id": 2**31 - 1}, "does not exist"),
    ],
)
async def test_a_name_that_exists_or_a_parent_that_does_not_is_a_conflict(
    core_client: httpx.AsyncClient, item: dict[str, object], reason: str
) -> None:
    assert (await core_client.post("/items", json={"name": "Ada"})).status_code == 200

    response = await core_client.post("/items", json=item)

    assert response.status_code == 409
    assert reason in response.json()["detail"]
    assert response.headers["Content-Type"] == "application/problem+json"
    assert "core_items" not in response.text


async def test_a_row_that_is_gone_meanwhile_is_a_conflict(
    core_client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    response = await get_while_failing(core_client, monkeypatch, StaleDataError(INSIDE))

    assert response.status_code == 409


async def test_an_unknown_path_or_method_is_a_problem(client: httpx.AsyncClient) -> None:
    for response, status in [
        (await client.get("/nowhere"), 404),
        (await client.put("/"), 405),
    ]:
        assert response.status_code == status
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers["X-Request-ID"]


async def test_a_wrong_method_is_told_all_the_right_ones(core_client: httpx.AsyncClient) -> None:
    assert (await core_client.put("/items")).headers["Allow"] == "GET, POST"
    assert (await core_client.put("/items/1")).headers["Allow"] == "DELETE, GET"


async def test_not_every_error_of_a_hostile_body_is_named(core_client: httpx.AsyncClient) -> None:
    response = await core_client.post("/items", json={f"unknown{key}": 0 for key in range(1000)})

    assert response.status_code == 422
    assert len(response.json()["errors"]) == 100
