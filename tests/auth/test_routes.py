"""Routes: closed without a token, and with scopes that guards ask for."""

import json
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from nest.core import BaseGuard, UseGuards
from src.core.auth import get_principal, requires
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.problems import assert_problem

from .conftest import bearer
from .issuer import LocalIssuer
from .shop import get_file

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X")
CLOSED = [
    "/teas",
    "/teas/",
    "//teas",
    "/teas/1",
    "/open",
    "/open/me",
    "/mounted",
    "/mounted/page",
    "/chat",
    "/docs",
    "/docs/assets/swagger-ui.css",
    "/docs/oauth2-redirect",
    "/redoc",
    "/openapi.json",
    "/nowhere",
    "/health",
    "/health/",
    "/health/live/",
    "/health//live",
    "//health/live",
    "/HEALTH/LIVE",
    "/health/live%00",
    "/health/live;/teas",
    "/health/live%2F..%2F..%2Fteas",
    "/%2e/health/live",
]


@pytest.mark.parametrize("path", CLOSED)
async def test_route_is_closed_without_token(client: httpx.AsyncClient, path: str) -> None:
    for method in METHODS:
        response = await client.request(method, path)

        assert response.status_code == 401, method
        assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_public_route_is_open(client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
    headers: list[dict[str, str]]
    headers = [{}, bearer("x"), bearer(issuer.sign()), {"Authorization": "Basic YTpi"}]
    for each in headers:
        assert (await client.get("/health/live", headers=each)).status_code == 200
        # Only the route's own methods are public.
        for method in ("HEAD", "POST", "OPTIONS"):
            response = await client.request(method, "/health/live", headers=each)
            assert response.status_code in (401, 405)
    assert (await client.get("/health/live?x=/teas#/teas")).status_code == 200


async def test_prefix_of_a_proxy_opens_nothing(shop: FastAPI) -> None:
    for root_path in ("/shop", "/health/live", "/teas", "/"):
        transport = httpx.ASGITransport(shop, root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for path in [prefix + path for path in CLOSED for prefix in ("", root_path)]:
                response = await client.get(path)
                # The prefix may complete the path of the public route.
                is_health = response.text == '{"status":"ok"}'
                assert is_health or response.status_code == 401, (root_path, path)
    transport = httpx.ASGITransport(shop, root_path="/shop")
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for path in ("/health/live", "/shop/health/live"):
            assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize("changes", [{"public_routes": ["/open", "/open/{name}", "/mounted"]}])
async def test_public_routes_are_a_setting(client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
    token = bearer(issuer.sign())

    assert (await client.get("/open")).json() is False
    assert (await client.get("/open", headers=token)).json() is True
    assert (await client.get("/open/green")).json() == "green"
    assert (await client.get("/mounted/page")).text == "inside"
    # Another route responds to these.
    assert_problem(await client.get("/health/live"), 401)
    assert_problem(await client.get("/teas"), 401)
    assert_problem(await client.get("/open/"), 401)


@pytest.mark.parametrize("changes", [{"public_routes": ["/open/{name}", "/open/me", "/teas"]}])
async def test_guard_closes_a_public_route(shop: FastAPI, issuer: LocalIssuer) -> None:
    # The lifespan moves `/open/me` before `/open/{name}`.
    async with (
        shop.router.lifespan_context(shop),
        httpx.AsyncClient(transport=httpx.ASGITransport(shop), base_url="http://test") as client,
    ):
        for path in ("/teas", "/open/me"):
            response = await client.get(path, headers=bearer("x"))
            assert_problem(response, 401)
            assert response.headers["WWW-Authenticate"] == "Bearer"
        response = await client.get("/open/me", headers=bearer(issuer.sign()))
        assert response.json() == "ada"


@pytest.mark.parametrize("changes", [{"public_routes": ["GET /open", "PUT /open/{name}"]}])
async def test_public_route_may_name_a_method(client: httpx.AsyncClient, shop: FastAPI) -> None:
    assert (await client.get("/open")).status_code == 200
    for method, path in (("POST", "/open"), ("HEAD", "/open"), ("GET", "/open/green")):
        assert (await client.request(method, path)).status_code == 401, path
    operations = shop.openapi()["paths"]["/open"]
    assert "security" not in operations["get"]
    assert operations["post"]["security"] == [{"token": []}]


@pytest.mark.parametrize("changes", [{"public_routes": ["/open/{name}"]}])
async def test_public_route_opens_no_other(shop: FastAPI) -> None:
    async with (
        shop.router.lifespan_context(shop),
        httpx.AsyncClient(transport=httpx.ASGITransport(shop), base_url="http://test") as client,
    ):
        assert (await client.get("/open/green")).status_code == 200
        assert_problem(await client.get("/open/me"), 401)
        assert_problem(await client.post("/open"), 401)


@pytest.mark.parametrize(
    ("changes", "status"), [({"public_docs": True}, 200), ({"public_docs": False}, 401)]
)
async def test_docs_are_public_by_a_setting(
    client: httpx.AsyncClient, shop: FastAPI, status: int
) -> None:
    shop.post("/docs")(get_file)
    for path in ("/docs", "/docs/assets/swagger-ui.css", "/openapi.json"):
        assert (await client.get(path)).status_code == status, path
        assert (await client.head(path)).status_code == status, path
    assert (await client.get("/teas")).status_code == 401
    assert (await client.post("/docs")).status_code == 401


@pytest.mark.parametrize("changes", [{"public_docs": True, "api_docs": False}])
async def test_hidden_docs_open_nothing(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/openapi.json"):
        assert (await client.get(path)).status_code == 401, path


@pytest.mark.parametrize(
    "changes", [{"public_routes": [f"/files/{{path{kind}}}"]} for kind in ("", ":path")]
)
async def test_public_path_is_as_documented(client: httpx.AsyncClient, shop: FastAPI) -> None:
    assert (await client.get("/files/a/b")).json() == "a/b"
    assert "security" not in shop.openapi()["paths"]["/files/{path}"]["get"]


@pytest.mark.parametrize("name", ["depends", "security"])
async def test_requires_is_a_dependency_too(
    client: httpx.AsyncClient, issuer: LocalIssuer, name: str
) -> None:
    response = await client.get(f"/brews/{name}", headers=bearer(issuer.sign("teas:read")))
    assert_problem(response, 403)
    challenge = 'Bearer error="insufficient_scope", scope="teas:brew"'
    assert response.headers["WWW-Authenticate"] == challenge
    allowed = bearer(issuer.sign("teas:brew"))
    assert (await client.get(f"/brews/{name}", headers=allowed)).json() == "brewed"


@pytest.mark.parametrize("changes", [{"public_routes": ["/brews/depends"]}])
async def test_dependency_closes_a_public_route(client: httpx.AsyncClient) -> None:
    response = await client.get("/brews/depends")

    assert_problem(response, 401)
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("dependencies", [[], [Depends(get_principal)]])
async def test_ignored_guard_fails_at_startup(shop: FastAPI, dependencies: list[Any]) -> None:
    @shop.get("/plain", dependencies=dependencies)
    @UseGuards(requires("admin"))
    async def get_plain() -> None: ...

    with pytest.raises(ValueError, match="/plain ignores its guards: put them"):
        async with shop.router.lifespan_context(shop):
            pass


@pytest.mark.parametrize(
    "changes", [{"public_routes": ["get /open", "/opne", "GET /open/{name}", "/files/{path}"]}]
)
async def test_unknown_public_route_is_logged(
    shop: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop.router.lifespan_context(shop):
        pass

    logged = [record.msg for record in caplog.records if "PUBLIC_ROUTES" in str(record.msg)]
    assert [each["route"] for each in logged if isinstance(each, dict)] == ["/opne", "get /open"]


@pytest.mark.parametrize(
    ("scopes", "missing"),
    [
        ((), "teas:read"),
        (("teas:write", "teas:brew"), "teas:read"),
        (("teas:read",), "teas:brew teas:write"),
        (("teas:read", "teas:write"), "teas:brew teas:write"),
        (("teas:read", "teas:write", "teas:brew"), None),
    ],
)
async def test_guards_of_route_and_controller_add_up(
    client: httpx.AsyncClient, issuer: LocalIssuer, scopes: tuple[str, ...], missing: str | None
) -> None:
    response = await client.post("/teas", headers=bearer(issuer.sign(*scopes)))

    if missing is None:
        assert response.status_code == 200
    else:
        assert_problem(response, 403)
        challenge = f'Bearer error="insufficient_scope", scope="{missing}"'
        assert response.headers["WWW-Authenticate"] == challenge


async def test_guard_runs_before_validation(client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
    assert_problem(await client.get("/teas/green", headers=bearer(issuer.sign())), 403)
    allowed = bearer(issuer.sign("teas:read"))
    assert_problem(await client.get("/teas/green", headers=allowed), 422)


@pytest.mark.parametrize("scopes", [(), ("",), ("a b",), ('a"b',), ("a\\b",), ("a\n",), ("ä",)])
def test_malformed_scopes_are_rejected(scopes: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="invalid scopes"):
        requires(*scopes)


def test_requires_returns_a_class() -> None:
    guards = requires("a"), requires("b")

    assert all(issubclass(guard, BaseGuard) for guard in guards)
    assert guards[0] is not guards[1]


async def test_schema_has_the_scopes(shop: FastAPI) -> None:
    document: dict[str, Any] = shop.openapi()
    shop.openapi()
    schemes = document["components"]["securitySchemes"]
    assert schemes == {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}

    found = {
        f"{method} {path}": operation.get("security")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert found == {
        "get /health/live": None,
        "get /health/ready": None,
        "get /teas": [{"token": ["teas:read"]}],
        "get /teas/{tea_id}": [{"token": ["teas:read"]}],
        "post /teas": [{"token": ["teas:read", "teas:brew", "teas:write"]}],
        "get /open": [{"token": []}],
        "post /open": [{"token": []}],
        "get /open/{name}": [{"token": []}],
        "get /open/me": [{"token": []}],
        "get /brews/depends": [{"token": []}],
        "get /brews/security": [{"token": []}],
        "get /files/{path}": [{"token": []}],
    }
    for name, statuses in (("/teas", {"401", "403"}), ("/open", {"401"}), ("/health/live", set())):
        responses = document["paths"][name]["get"]["responses"]
        assert responses.keys() & {"401", "403"} == statuses
        for status in statuses:
            assert "X-Request-ID" in responses[status]["headers"]


async def send(url: str, event: str, token: str = "") -> Any:
    """Send an event to the gateway, and return its response."""
    async with connect(url, additional_headers=bearer(token) if token else {}) as socket:
        await socket.send(json.dumps({"event": event}))
        return json.loads(await socket.recv())


async def test_websocket_needs_a_token(chat: str, issuer: LocalIssuer) -> None:
    for token in ("", "x.y.z", issuer.sign(iss="https://evil.example")):
        with pytest.raises(InvalidStatus) as caught:
            await send(chat, "hello", token)
        assert caught.value.response.status_code == 401

    assert await send(chat, "hello", issuer.sign()) == {"event": "hello", "data": "ada"}


async def test_guard_rejects_messages_without_scope(chat: str, issuer: LocalIssuer) -> None:
    brewed = {"event": "brew", "data": "brewed"}
    assert await send(chat, "brew", issuer.sign("teas:brew")) == brewed
    assert (await send(chat, "brew", issuer.sign("teas:read")))["event"] == "error"


@pytest.mark.parametrize("changes", [{"public_routes": ["/chat"]}])
async def test_guard_closes_public_websocket(chat: str, issuer: LocalIssuer) -> None:
    assert (await send(chat, "brew"))["event"] == "error"
    assert (await send(chat, "brew", issuer.sign()))["event"] == "error"


async def test_documented_gateway_closes_connection(chat: str, issuer: LocalIssuer) -> None:
    url = chat.replace("/chat", "/orders/events")
    reader, stranger = (bearer(issuer.sign(scope)) for scope in ("orders:read", "teas:read"))
    async with (
        connect(url, additional_headers=reader) as allowed,
        connect(url, additional_headers=stranger) as refused,
    ):
        with pytest.raises(ConnectionClosed) as caught:
            await refused.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1008
        await allowed.send(json.dumps({"event": "order"}))
        assert json.loads(await allowed.recv()) == {"event": "ordered", "data": "tea"}


@pytest.mark.parametrize("name", ["depends", "security"])
async def test_dependency_guards_a_websocket(chat: str, issuer: LocalIssuer, name: str) -> None:
    url = chat.replace("/chat", f"/brewing/{name}")
    async with connect(url, additional_headers=bearer(issuer.sign("teas:brew"))) as socket:
        assert json.loads(await socket.recv()) == "brewing"
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url, additional_headers=bearer(issuer.sign("teas:read"))):
            pass
    assert caught.value.response.status_code == 403
