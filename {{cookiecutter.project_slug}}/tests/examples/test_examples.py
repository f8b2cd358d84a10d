import asyncio
from typing import Any

import httpx
import pytest

MAX_INTEGER = 2**31 - 1


async def add(client: httpx.AsyncClient, name: str) -> Any:
    response = await client.post("/examples", json={"name": name})
    assert response.status_code == 201, response.text
    return response.json()


def assert_problem(response: httpx.Response, status: int) -> None:
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == status


async def test_add(client: httpx.AsyncClient) -> None:
    response = await client.post("/examples", json={"name": "Ada"})

    assert response.status_code == 201
    example = response.json()
    assert example == {"id": example["id"], "name": "Ada"}
    location = response.headers["Location"]
    assert location == f"/examples/{example['id']}"
    assert (await client.get(location)).json() == example


@pytest.mark.parametrize("name", ["é" * 100, "日本語 🦊", "'; DROP TABLE examples; --", "%(x)s"])
async def test_add_keeps_any_text(client: httpx.AsyncClient, name: str) -> None:
    example = await add(client, name)

    assert (await client.get(f"/examples/{example['id']}")).json()["name"] == name


async def test_add_takes_blanks_off_the_ends(client: httpx.AsyncClient) -> None:
    assert (await add(client, "  Ada \t"))["name"] == "Ada"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": None},
        {"name": 1},
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 101},
        {"name": "nul\0"},
        {"name": "Ada", "unknown": 1},
        {"name": "Ada", "id": 7},
        [],
    ],
)
async def test_add_refuses_what_is_invalid(client: httpx.AsyncClient, body: Any) -> None:
    response = await client.post("/examples", json=body)

    assert_problem(response, 422)
    assert response.json()["errors"][0]["location"][0] == "body"
    assert (await client.get("/examples")).json()["items"] == []


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"\xff", 400),
        (b'{"name": "\\ud800"}', 422),
        (b'{"name": "x", "\\ud800": 1}', 422),
    ],
)
async def test_add_refuses_what_is_no_json(
    client: httpx.AsyncClient, content: bytes, status: int
) -> None:
    headers = {"Content-Type": "application/json"}

    response = await client.post("/examples", content=content, headers=headers)

    assert_problem(response, status)


async def test_add_refuses_a_name_that_exists(client: httpx.AsyncClient) -> None:
    await add(client, "Ada")

    response = await client.post("/examples", json={"name": "Ada"})

    assert_problem(response, 409)
    assert "Ada" not in response.text
    assert len((await client.get("/examples")).json()["items"]) == 1


async def test_names_differ_by_case(client: httpx.AsyncClient) -> None:
    await add(client, "Ada")

    assert (await add(client, "ada"))["name"] == "ada"


async def test_only_one_of_many_at_once_gets_a_name(client: httpx.AsyncClient) -> None:
    responses = await asyncio.gather(
        *(client.post("/examples", json={"name": "Ada"}) for _ in range(8))
    )

    assert sorted(response.status_code for response in responses) == [201] + [409] * 7


async def test_get_pages(client: httpx.AsyncClient) -> None:
    added = [await add(client, f"{number}") for number in range(5)]

    pages = []
    after: int | None = 0
    while after is not None:
        response = await client.get("/examples", params={"limit": 2, "after": after})
        assert response.status_code == 200
        pages.append(response.json()["items"])
        after = response.json()["next"]

    assert pages == [added[:2], added[2:4], added[4:]]


async def test_get_has_no_next_page_after_a_full_last_one(client: httpx.AsyncClient) -> None:
    added = [await add(client, f"{number}") for number in range(2)]

    response = await client.get("/examples", params={"limit": 2})

    assert response.json() == {"items": added, "next": None}


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 0},
        {"limit": 101},
        *({"limit": each} for each in ("x", "", "1_0", "+10", " 10", "10.0", "010")),
        {"after": -1},
        {"after": 2**31},
        {"after": "1_0"},
    ],
)
async def test_get_refuses_invalid_paging(
    client: httpx.AsyncClient, params: dict[str, Any]
) -> None:
    assert_problem(await client.get("/examples", params=params), 422)


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("example_id", "status"),
    [
        (MAX_INTEGER, 404),
        *((each, 422) for each in (MAX_INTEGER + 1, 10**30, 0, "x")),
        # Numbers to pydantic, but not another address of 10.
        *((each, 422) for each in ("1_0", "+10", "%2010", "10%0A", "10.0", "010", "١٠")),
    ],
)
async def test_refuses_a_wrong_id(
    client: httpx.AsyncClient, method: str, example_id: object, status: int
) -> None:
    body = {"name": "Ada"} if method == "PATCH" else None

    response = await client.request(method, f"/examples/{example_id}", json=body)

    assert_problem(response, status)


async def test_update(client: httpx.AsyncClient) -> None:
    example = await add(client, "Ada")

    response = await client.patch(f"/examples/{example['id']}", json={"name": "Grace"})

    assert response.status_code == 200
    assert response.json() == {"id": example["id"], "name": "Grace"}
    assert (await client.get(f"/examples/{example['id']}")).json() == response.json()


async def test_update_changes_nothing_that_is_not_given(client: httpx.AsyncClient) -> None:
    example = await add(client, "Ada")

    response = await client.patch(f"/examples/{example['id']}", json={})

    assert response.status_code == 200
    assert response.json() == example


@pytest.mark.parametrize("body", [{"name": None}, {"name": ""}, {"id": 1}, None])
async def test_update_refuses_what_is_invalid(client: httpx.AsyncClient, body: Any) -> None:
    example = await add(client, "Ada")

    assert_problem(await client.patch(f"/examples/{example['id']}", json=body), 422)
    assert (await client.get(f"/examples/{example['id']}")).json() == example


async def test_update_refuses_a_name_that_exists(client: httpx.AsyncClient) -> None:
    await add(client, "Ada")
    example = await add(client, "Grace")

    response = await client.patch(f"/examples/{example['id']}", json={"name": "Ada"})

    assert_problem(response, 409)
    assert (await client.get(f"/examples/{example['id']}")).json() == example


async def test_remove(client: httpx.AsyncClient) -> None:
    example = await add(client, "Ada")

    response = await client.delete(f"/examples/{example['id']}")

    assert response.status_code == 204
    assert response.content == b""
    assert_problem(await client.get(f"/examples/{example['id']}"), 404)
    assert_problem(await client.delete(f"/examples/{example['id']}"), 404)


async def test_all_who_remove_at_once_succeed_or_are_told_it_is_gone(
    client: httpx.AsyncClient,
) -> None:
    example = await add(client, "Ada")

    responses = await asyncio.gather(
        *(client.delete(f"/examples/{example['id']}") for _ in range(8))
    )

    assert {204} <= {response.status_code for response in responses} <= {204, 404}


async def test_an_id_is_not_used_again(client: httpx.AsyncClient) -> None:
    example = await add(client, "Ada")
    await client.delete(f"/examples/{example['id']}")

    assert (await add(client, "Ada"))["id"] > example["id"]
