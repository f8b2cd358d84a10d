[% set one, many, route = cookiecutter.singular, cookiecutter.many, cookiecutter.route %]
[% set fields = cookiecutter.fields %]
[% set inputs = fields | rejectattr("type.set_by_app") | list %]
[% set automatic = fields | selectattr("type.set_by_app") | list %]
[% set updated = automatic | selectattr("type.set_by_update") | list %]
[% set unique = fields | selectattr("unique") | list %]
[% set references = fields | selectattr("reference") | list %]
[% set nullable = fields | selectattr("nullable") | list %]
[% set texts = fields | selectattr("type.python", "equalto", "str") | rejectattr("enum") | list %]
[% set unique_texts = texts | selectattr("unique") | list %]
[% set optional = inputs | selectattr("optional") | list %]
[% set required = inputs | rejectattr("optional") | list %]
[% set filtered = fields | selectattr("filters") | list %]
[% set ranges = filtered | selectattr("type.has_ranges") | list %]
[% set sorted = filtered | selectattr("sorts") | list %]
[# An expected body gets these fields from the response, because an update sets them. #]
[% set set_now %][% for field in updated %] | {"[[ field.name ]]": response.json()["[[ field.name ]]"]}[% endfor %][% endset %]
import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.problems import assert_problem

from .[[ cookiecutter.module_name ]]_factory import add_[[ one ]], new_[[ one ]]

MAX_ID = 2**63 - 1

#: Invalid values and unknown fields.
INVALID: list[dict[str, Any]] = [
[% for field in fields %]
[% for value in field.invalid %]
    {"[[ field.name ]]": [[ value ]]},
[% endfor %]
[% endfor %]
    {"unknown": 1},
    {"id": 7},
]


async def test_add(client: httpx.AsyncClient) -> None:
    body = await new_[[ one ]](client)

    response = await client.post("/[[ route ]]", json=body)

    assert response.status_code == 201
    added = response.json()
    assert added == added | body
    location = response.headers["Location"]
    assert location == f"/[[ route ]]/{added['id']}"
    assert (await client.get(location)).json() == added
[% if texts %]


@pytest.mark.parametrize("field", [ [[ texts | map(attribute="name") | map("tojson") | join(", ") ]] ])
@pytest.mark.parametrize("text", ["é" * 100, "日本語 🦊", "'; DROP TABLE [[ cookiecutter.module_name ]]; --", "%(x)s"])
async def test_add_keeps_any_text(client: httpx.AsyncClient, field: str, text: str) -> None:
    added = await add_[[ one ]](client, **{field: text})

    assert (await client.get(f"/[[ route ]]/{added['id']}")).json()[field] == text


@pytest.mark.parametrize("field", [ [[ texts | map(attribute="name") | map("tojson") | join(", ") ]] ])
async def test_add_strips_text(client: httpx.AsyncClient, field: str) -> None:
    assert (await add_[[ one ]](client, **{field: "  Ada \t"}))[field] == "Ada"
[% endif %]
[% if optional %]


async def test_add_accepts_missing_optional_fields(client: httpx.AsyncClient) -> None:
    defaults = {
[% for field in optional %]
        "[[ field.name ]]": [[ field.optional.json ]],
[% endfor %]
    }
    body = await new_[[ one ]](client)

    response = await client.post("/[[ route ]]", json={name: body[name] for name in body.keys() - defaults})

    assert response.status_code == 201
    assert response.json() == response.json() | body | defaults
[% endif %]
[% if automatic %]


async def test_add_sets_timestamps(client: httpx.AsyncClient) -> None:
    before = dt.datetime.now(dt.UTC)
    added = await add_[[ one ]](client)
    after = dt.datetime.now(dt.UTC)

    for field in ([[ automatic | map(attribute="name") | map("tojson") | join(", ") ]],):
        assert before <= dt.datetime.fromisoformat(added[field]) <= after
[% endif %]
[% if required %]


@pytest.mark.parametrize("field", [ [[ required | map(attribute="name") | map("tojson") | join(", ") ]] ])
async def test_add_rejects_missing_required_field(client: httpx.AsyncClient, field: str) -> None:
    body = await new_[[ one ]](client)
    del body[field]

    assert_problem(await client.post("/[[ route ]]", json=body), 422)
[% endif %]


async def test_add_rejects_invalid_values(client: httpx.AsyncClient) -> None:
    body = await new_[[ one ]](client)

    for values in INVALID:
        response = await client.post("/[[ route ]]", json=body | values)

        assert_problem(response, 422)
        assert response.json()["errors"][0]["location"][:2] == ["body", *values]
    assert (await client.get("/[[ route ]]")).json()["items"] == []


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", 422), (b"{", 422), (b"[]", 422), (b"null", 422), (b"\xff", 400), (b'{"\\ud800": 1}', 422)],
)
async def test_add_rejects_malformed_body(
    client: httpx.AsyncClient, content: bytes, status: int
) -> None:
    headers = {"Content-Type": "application/json"}

    assert_problem(await client.post("/[[ route ]]", content=content, headers=headers), status)
[% if unique %]


@pytest.mark.parametrize("field", [ [[ unique | map(attribute="name") | map("tojson") | join(", ") ]] ])
async def test_add_rejects_duplicate(client: httpx.AsyncClient, field: str) -> None:
    added = await add_[[ one ]](client)
    body = await new_[[ one ]](client) | {field: added[field]}

    assert_problem(await client.post("/[[ route ]]", json=body), 409)
    assert (await client.get("/[[ route ]]")).json()["items"] == [added]


async def test_add_accepts_one_of_concurrent_duplicates(client: httpx.AsyncClient) -> None:
    body = await new_[[ one ]](client)

    responses = await asyncio.gather(*(client.post("/[[ route ]]", json=body) for _ in range(8)))

    assert sorted(response.status_code for response in responses) == [201] + [409] * 7
[% endif %]
[% if unique_texts %]


@pytest.mark.parametrize("field", [ [[ unique_texts | map(attribute="name") | map("tojson") | join(", ") ]] ])
async def test_unique_text_is_case_sensitive(client: httpx.AsyncClient, field: str) -> None:
    await add_[[ one ]](client, **{field: "Ada"})

    assert (await add_[[ one ]](client, **{field: "ada"}))[field] == "ada"
[% endif %]
[% if references %]


@pytest.mark.parametrize(
    ("field", "missing"),
    [
[% for field in references %]
        ("[[ field.name ]]", [[ field.type.invalid | last ]] - 1),
[% endfor %]
    ],
)
async def test_reference_to_missing_row_is_rejected(
    client: httpx.AsyncClient, field: str, missing: int
) -> None:
    added = await add_[[ one ]](client)
    body = await new_[[ one ]](client) | {field: missing}

    assert_problem(await client.post("/[[ route ]]", json=body), 409)
    assert_problem(await client.patch(f"/[[ route ]]/{added['id']}", json={field: missing}), 409)
    assert (await client.get("/[[ route ]]")).json()["items"] == [added]


@pytest.mark.parametrize(
    ("field", "route"),
    [
[% for field in references %]
        ("[[ field.name ]]", "/[[ field.reference.route ]]"),
[% endfor %]
    ],
)
async def test_referenced_row_cannot_be_removed(client: httpx.AsyncClient, field: str, route: str) -> None:
    added = await add_[[ one ]](client)

    assert_problem(await client.delete(f"{route}/{added[field]}"), 409)
    await client.delete(f"/[[ route ]]/{added['id']}")
    assert (await client.delete(f"{route}/{added[field]}")).status_code == 204
[% endif %]


async def test_get_returns_pages(client: httpx.AsyncClient) -> None:
    added = [await add_[[ one ]](client) for _ in range(5)]

    pages = []
    params: dict[str, Any] = {"limit": 2}
    while params.get("cursor", "") is not None:
        response = await client.get("/[[ route ]]", params=params)
        assert response.status_code == 200
        pages.append(response.json()["items"])
        params["cursor"] = response.json()["next"]

    assert pages == [added[:2], added[2:4], added[4:]]


async def test_get_has_no_next_after_last_page(client: httpx.AsyncClient) -> None:
    added = [await add_[[ one ]](client) for _ in range(2)]

    response = await client.get("/[[ route ]]", params={"limit": 2})

    assert response.json() == {"items": added, "next": None}


[% if filtered %]
@pytest.mark.parametrize("field", [ [[ filtered | map(attribute="name") | map("tojson") | join(", ") ]] ])
async def test_get_filters(client: httpx.AsyncClient, field: str) -> None:
    added = [await add_[[ one ]](client) for _ in range(3)]
    value = added[1][field]

    response = await client.get("/[[ route ]]", params={field: value})

    assert response.json()["items"] == [row for row in added if row[field] == value]


[% endif %]
[% if ranges %]
@pytest.mark.parametrize(
    ("field", "read"),
    [
[% for field in ranges %]
        ("[[ field.name ]]", [[ field.read ]]),
[% endfor %]
    ],
)
async def test_get_filters_by_range(client: httpx.AsyncClient, field: str, read: Any) -> None:
    added = [await add_[[ one ]](client) for _ in range(3)]
    value = added[1][field]

    lower = await client.get("/[[ route ]]", params={f"{field}_min": value})
    upper = await client.get("/[[ route ]]", params={f"{field}_max": value})

    assert lower.json()["items"] == [row for row in added if read(row[field]) >= read(value)]
    assert upper.json()["items"] == [row for row in added if read(row[field]) <= read(value)]


[% endif %]
@pytest.mark.parametrize(
    ("field", "read"),
    [
        ("id", int),
[% for field in sorted %]
        ("[[ field.name ]]", [[ field.read ]]),
[% endfor %]
    ],
)
@pytest.mark.parametrize("descending", [False, True])
async def test_get_sorts(
    client: httpx.AsyncClient, field: str, read: Any, descending: bool  # noqa: FBT001
) -> None:
    added = [await add_[[ one ]](client) for _ in range(3)]
    params = {"sort": f"-{field}" if descending else field, "limit": "2"}

    first = (await client.get("/[[ route ]]", params=params)).json()
    second = (await client.get("/[[ route ]]", params=params | {"cursor": first["next"]})).json()

    added.sort(key=lambda row: (read(row[field]), row["id"]), reverse=descending)
    assert first["items"] + second["items"] == added
    assert second["next"] is None


@pytest.mark.parametrize(
    ("params", "field"),
    [
        *[({"limit": each}, "limit") for each in ("0", "101", "x", "", "1_0", "+10", " 10", "10.0")],
        *[({"cursor": each}, "cursor") for each in ("x", "", "WyJpZCJd", "W10", "a" * 6000)],
        ({"sort": "unknown"}, "sort"),
        ({"unknown": "1"}, "unknown"),
    ],
)
async def test_get_rejects_invalid_parameters(
    client: httpx.AsyncClient, params: dict[str, Any], field: str
) -> None:
    response = await client.get("/[[ route ]]", params=params)

    assert_problem(response, 422)
    assert response.json()["errors"][0]["location"] == ["query", field]


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {}), ("DELETE", None)])
async def test_invalid_id_is_rejected(client: httpx.AsyncClient, method: str, body: Any) -> None:
    # pydantic alone would read these as integers.
    odd = ["1_0", "+10", "%2010", "10%0A", "10.0", "010", "١٠"]

    for wrong in [MAX_ID + 1, 10**30, 0, -1, "x", *odd]:
        assert_problem(await client.request(method, f"/[[ route ]]/{wrong}", json=body), 422)
    assert_problem(await client.request(method, f"/[[ route ]]/{MAX_ID}", json=body), 404)


async def test_update(client: httpx.AsyncClient) -> None:
    added = await add_[[ one ]](client)
    changes = await new_[[ one ]](client)

    response = await client.patch(f"/[[ route ]]/{added['id']}", json=changes)

    assert response.status_code == 200
    assert response.json() == added | changes[[ set_now ]]
    assert (await client.get(f"/[[ route ]]/{added['id']}")).json() == response.json()


@pytest.mark.parametrize("field", [ [[ inputs | map(attribute="name") | map("tojson") | join(", ") ]] ])
async def test_update_keeps_missing_fields(client: httpx.AsyncClient, field: str) -> None:
    added = await add_[[ one ]](client)
    body = await new_[[ one ]](client)

    for changes in ({}, {field: body[field]}):
        response = await client.patch(f"/[[ route ]]/{added['id']}", json=changes)

        assert response.status_code == 200
        assert response.json() == added | changes[[ set_now ]]
[% if updated and inputs | selectattr("varies") | list %]


async def test_update_sets_timestamps(client: httpx.AsyncClient) -> None:
    added = await add_[[ one ]](client)
    path = f"/[[ route ]]/{added['id']}"

    assert (await client.patch(path, json={})).json() == added
    await asyncio.sleep(0.02)  # the clock of Windows ticks every 16 ms
    changed = (await client.patch(path, json=await new_[[ one ]](client))).json()

    for field in ([[ updated | map(attribute="name") | map("tojson") | join(", ") ]],):
        assert dt.datetime.fromisoformat(changed[field]) > dt.datetime.fromisoformat(added[field])
[% endif %]
[% if nullable %]


@pytest.mark.parametrize("field", [ [[ nullable | map(attribute="name") | map("tojson") | join(", ") ]] ])
async def test_update_accepts_null(client: httpx.AsyncClient, field: str) -> None:
    added = await add_[[ one ]](client)

    response = await client.patch(f"/[[ route ]]/{added['id']}", json={field: None})

    assert response.json() == added | {field: None}[[ set_now ]]
    assert (await client.get(f"/[[ route ]]/{added['id']}")).json() == response.json()
[% endif %]


async def test_update_rejects_invalid_values(client: httpx.AsyncClient) -> None:
    added = await add_[[ one ]](client)
    bodies: list[Any] = [*INVALID, [], None]

    for changes in bodies:
        response = await client.patch(f"/[[ route ]]/{added['id']}", json=changes)

        assert_problem(response, 422)
    assert (await client.get(f"/[[ route ]]/{added['id']}")).json() == added
[% if unique %]


@pytest.mark.parametrize("field", [ [[ unique | map(attribute="name") | map("tojson") | join(", ") ]] ])
async def test_update_rejects_duplicate(client: httpx.AsyncClient, field: str) -> None:
    other = await add_[[ one ]](client)
    added = await add_[[ one ]](client)

    response = await client.patch(f"/[[ route ]]/{added['id']}", json={field: other[field]})

    assert_problem(response, 409)
    assert (await client.get(f"/[[ route ]]/{added['id']}")).json() == added
[% endif %]


async def test_remove(client: httpx.AsyncClient) -> None:
    added = await add_[[ one ]](client)

    response = await client.delete(f"/[[ route ]]/{added['id']}")

    assert response.status_code == 204
    assert response.content == b""
    assert_problem(await client.get(f"/[[ route ]]/{added['id']}"), 404)
    assert_problem(await client.delete(f"/[[ route ]]/{added['id']}"), 404)


async def test_concurrent_removals_succeed_or_return_404(
    client: httpx.AsyncClient,
) -> None:
    added = await add_[[ one ]](client)

    responses = await asyncio.gather(
        *(client.delete(f"/[[ route ]]/{added['id']}") for _ in range(8))
    )

    assert {204} <= {response.status_code for response in responses} <= {204, 404}


async def test_ids_are_never_reused(client: httpx.AsyncClient) -> None:
    added = await add_[[ one ]](client)
    await client.delete(f"/[[ route ]]/{added['id']}")

    assert (await add_[[ one ]](client))["id"] > added["id"]
