import asyncio
from typing import Any

import httpx
import pytest

from tests.problems import assert_problem

from .examples_factory import add_example, new_example

MAX_ID = 2**63 - 1

#: Invalid values and unknown fields.
INVALID: list[dict[str, Any]] = [
    {"name": None},
    {"name": 1},
    {"name": ""},
    {"name": "   "},
    {"name": "x" * 101},
    {"name": "nul\0"},
    {"name": "tab\tand tab"},
    {"unknown": 1},
    {"id": 7},
]


async def test_add(client: httpx.AsyncClient) -> None:
    body = await new_example(client)

    response = await client.post("/examples", json=body)

    assert response.status_code == 201
    added = response.json()
    assert added == added | body
    location = response.headers["Location"]
    assert location == f"/examples/{added['id']}"
    assert (await client.get(location)).json() == added


@pytest.mark.parametrize("field", ["name"])
@pytest.mark.parametrize("text", ["é" * 100, "日本語 🦊", "'; DROP TABLE examples; --", "%(x)s"])
async def test_add_keeps_any_text(client: httpx.AsyncClient, field: str, text: str) -> None:
    added = await add_example(client, **{field: text})

    assert (await client.get(f"/examples/{added['id']}")).json()[field] == text


@pytest.mark.parametrize("field", ["name"])
async def test_add_strips_text(client: httpx.AsyncClient, field: str) -> None:
    assert (await add_example(client, **{field: "  Ada \t"}))[field] == "Ada"


@pytest.mark.parametrize("field", ["name"])
async def test_add_rejects_missing_required_field(client: httpx.AsyncClient, field: str) -> None:
    body = await new_example(client)
    del body[field]

    assert_problem(await client.post("/examples", json=body), 422)


async def test_add_rejects_invalid_values(client: httpx.AsyncClient) -> None:
    body = await new_example(client)

    for values in INVALID:
        response = await client.post("/examples", json=body | values)

        assert_problem(response, 422)
        assert response.json()["errors"][0]["location"][:2] == ["body", *values]
    assert (await client.get("/examples")).json()["items"] == []


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"[]", 422),
        (b"null", 422),
        (b"\xff", 400),
        (b'{"\\ud800": 1}', 422),
    ],
)
async def test_add_rejects_malformed_body(
    client: httpx.AsyncClient, content: bytes, status: int
) -> None:
    headers = {"Content-Type": "application/json"}

    assert_problem(await client.post("/examples", content=content, headers=headers), status)


@pytest.mark.parametrize("field", ["name"])
async def test_add_rejects_duplicate(client: httpx.AsyncClient, field: str) -> None:
    added = await add_example(client)
    body = await new_example(client) | {field: added[field]}

    assert_problem(await client.post("/examples", json=body), 409)
    assert (await client.get("/examples")).json()["items"] == [added]


async def test_add_accepts_one_of_concurrent_duplicates(client: httpx.AsyncClient) -> None:
    body = await new_example(client)

    responses = await asyncio.gather(*(client.post("/examples", json=body) for _ in range(8)))

    assert sorted(response.status_code for response in responses) == [201] + [409] * 7


@pytest.mark.parametrize("field", ["name"])
async def test_unique_text_is_case_sensitive(client: httpx.AsyncClient, field: str) -> None:
    await add_example(client, **{field: "Ada"})

    assert (await add_example(client, **{field: "ada"}))[field] == "ada"


async def test_get_returns_pages(client: httpx.AsyncClient) -> None:
    added = [await add_example(client) for _ in range(5)]

    pages = []
    params: dict[str, Any] = {"limit": 2}
    while params.get("cursor", "") is not None:
        response = await client.get("/examples", params=params)
        assert response.status_code == 200
        pages.append(response.json()["items"])
        params["cursor"] = response.json()["next"]

    assert pages == [added[:2], added[2:4], added[4:]]


async def test_get_has_no_next_after_last_page(client: httpx.AsyncClient) -> None:
    added = [await add_example(client) for _ in range(2)]

    response = await client.get("/examples", params={"limit": 2})

    assert response.json() == {"items": added, "next": None}


@pytest.mark.parametrize("field", ["name"])
async def test_get_filters(client: httpx.AsyncClient, field: str) -> None:
    added = [await add_example(client) for _ in range(3)]
    value = added[1][field]

    response = await client.get("/examples", params={field: value})

    assert response.json()["items"] == [row for row in added if row[field] == value]


@pytest.mark.parametrize(
    ("field", "read"),
    [
        ("id", int),
        ("name", str),
    ],
)
@pytest.mark.parametrize("descending", [False, True])
async def test_get_sorts(
    client: httpx.AsyncClient,
    field: str,
    read: Any,
    descending: bool,  # noqa: FBT001
) -> None:
    added = [await add_example(client) for _ in range(3)]
    params = {"sort": f"-{field}" if descending else field, "limit": "2"}

    first = (await client.get("/examples", params=params)).json()
    second = (await client.get("/examples", params=params | {"cursor": first["next"]})).json()

    added.sort(key=lambda row: (read(row[field]), row["id"]), reverse=descending)
    assert first["items"] + second["items"] == added
    assert second["next"] is None


@pytest.mark.parametrize(
    ("params", "field"),
    [
        *[
            ({"limit": each}, "limit")
            for each in ("0", "101", "x", "", "1_0", "+10", " 10", "10.0")
        ],
        *[({"cursor": each}, "cursor") for each in ("x", "", "WyJpZCJd", "W10", "a" * 6000)],
        ({"sort": "unknown"}, "sort"),
        ({"unknown": "1"}, "unknown"),
    ],
)
async def test_get_rejects_invalid_parameters(
    client: httpx.AsyncClient, params: dict[str, Any], field: str
) -> None:
    response = await client.get("/examples", params=params)

    assert_problem(response, 422)
    assert response.json()["errors"][0]["location"] == ["query", field]


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {}), ("DELETE", None)])
async def test_invalid_id_is_rejected(client: httpx.AsyncClient, method: str, body: Any) -> None:
    # pydantic alone would read these as integers.
    odd = ["1_0", "+10", "%2010", "10%0A", "10.0", "010", "١٠"]

    for wrong in [MAX_ID + 1, 10**30, 0, -1, "x", *odd]:
        assert_problem(await client.request(method, f"/examples/{wrong}", json=body), 422)
    assert_problem(await client.request(method, f"/examples/{MAX_ID}", json=body), 404)


async def test_update(client: httpx.AsyncClient) -> None:
    added = await add_example(client)
    changes = await new_example(client)

    response = await client.patch(f"/examples/{added['id']}", json=changes)

    assert response.status_code == 200
    assert response.json() == added | changes
    assert (await client.get(f"/examples/{added['id']}")).json() == response.json()


@pytest.mark.parametrize("field", ["name"])
async def test_update_keeps_missing_fields(client: httpx.AsyncClient, field: str) -> None:
    added = await add_example(client)
    body = await new_example(client)

    for changes in ({}, {field: body[field]}):
        response = await client.patch(f"/examples/{added['id']}", json=changes)

        assert response.status_code == 200
        assert response.json() == added | changes


async def test_update_rejects_invalid_values(client: httpx.AsyncClient) -> None:
    added = await add_example(client)
    bodies: list[Any] = [*INVALID, [], None]

    for changes in bodies:
        response = await client.patch(f"/examples/{added['id']}", json=changes)

        assert_problem(response, 422)
    assert (await client.get(f"/examples/{added['id']}")).json() == added


@pytest.mark.parametrize("field", ["name"])
async def test_update_rejects_duplicate(client: httpx.AsyncClient, field: str) -> None:
    other = await add_example(client)
    added = await add_example(client)

    response = await client.patch(f"/examples/{added['id']}", json={field: other[field]})

    assert_problem(response, 409)
    assert (await client.get(f"/examples/{added['id']}")).json() == added


async def test_remove(client: httpx.AsyncClient) -> None:
    added = await add_example(client)

    response = await client.delete(f"/examples/{added['id']}")

    assert response.status_code == 204
    assert response.content == b""
    assert_problem(await client.get(f"/examples/{added['id']}"), 404)
    assert_problem(await client.delete(f"/examples/{added['id']}"), 404)


async def test_concurrent_removals_succeed_or_return_404(
    client: httpx.AsyncClient,
) -> None:
    added = await add_example(client)

    responses = await asyncio.gather(*(client.delete(f"/examples/{added['id']}") for _ in range(8)))

    assert {204} <= {response.status_code for response in responses} <= {204, 404}


async def test_ids_are_never_reused(client: httpx.AsyncClient) -> None:
    added = await add_example(client)
    await client.delete(f"/examples/{added['id']}")

    assert (await add_example(client))["id"] > added["id"]
