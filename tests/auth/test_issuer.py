"""The issuer's keys: fetched once, kept while it is down, replaced when it rotates them."""

import asyncio
import gzip
import json
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from src.core.http import issuer as module

from tests.problems import assert_problem

from .conftest import bearer
from .issuer import CURVE_KEY, ROGUE_KEY, RSA_KEY, LocalIssuer, public, send


async def get(client: httpx.AsyncClient, token: str) -> int:
    return (await client.get("/teas", headers=bearer(token))).status_code


async def test_requests_share_one_fetch(client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
    token = issuer.sign("teas:read")

    assert set(await asyncio.gather(*(get(client, token) for _ in range(40)))) == {200}
    assert issuer.requests == ["/.well-known/openid-configuration", "/keys"]


async def test_unknown_keys_cause_few_fetches(
    client: httpx.AsyncClient, issuer: LocalIssuer
) -> None:
    tokens = [issuer.sign(key=ROGUE_KEY, headers={"kid": f"rogue-{n}"}) for n in range(40)]

    at_once = await asyncio.gather(*(get(client, token) for token in tokens[:20]))
    later = [await get(client, token) for token in tokens[20:]]

    assert {*at_once, *later} == {401}
    assert issuer.fetches <= 3
    assert await get(client, issuer.sign("teas:read")) == 200


async def test_rotated_key_works_at_once(
    client: httpx.AsyncClient, issuer: LocalIssuer, shop: FastAPI
) -> None:
    old = issuer.sign("teas:read")
    shop.state.issuer.start()
    assert await get(client, old) == 200

    async def keep_asking(token: str) -> list[int]:
        return [await get(client, token) for _ in range(50)]

    traffic = asyncio.create_task(keep_asking(old))
    issuer.keys.append(public(ROGUE_KEY, "new"))
    new = issuer.sign("teas:read", key=ROGUE_KEY, headers={"kid": "new"})

    assert await get(client, new) == 200
    assert set(await traffic) == {200}
    assert issuer.fetches == 2


async def test_removed_key_is_rejected(
    client: httpx.AsyncClient, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch, shop: FastAPI
) -> None:
    monkeypatch.setattr(module, "REFRESH", 0.05)
    stolen = issuer.sign("teas:read")
    shop.state.issuer.start()
    assert await get(client, stolen) == 200

    issuer.keys = [public(CURVE_KEY, "curve")]
    async with asyncio.timeout(30):
        while await get(client, stolen) == 200:  # noqa: ASYNC110  # no event tells of it
            await asyncio.sleep(0.05)


async def test_keys_are_fetched_at_startup(shop: FastAPI, issuer: LocalIssuer) -> None:
    async with shop.router.lifespan_context(shop), asyncio.timeout(30):
        while not shop.state.issuer.keys:  # noqa: ASYNC110  # no event tells of it
            await asyncio.sleep(0.01)

    assert issuer.fetches == 1
    assert all(task.done() for task in asyncio.all_tasks() - {asyncio.current_task()})


def redirect(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"", 302, Location="/elsewhere")


def be_slow(handler: BaseHTTPRequestHandler) -> None:
    """Send a byte now and then, so that no read takes long."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(1000):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.02)


def be_large(handler: BaseHTTPRequestHandler) -> None:
    send(handler, json.dumps({"keys": [public(RSA_KEY, "rsa")]}).encode() + b" " * 10_000_000)


#: A small file that fills the memory of a client which unpacks all of it.
BOMB = gzip.compress(b" " * 100_000_000)


def compress(handler: BaseHTTPRequestHandler) -> None:
    send(handler, BOMB, 200, **{"Content-Encoding": "gzip"})


def fail(handler: BaseHTTPRequestHandler) -> None:
    send(handler, {"error": "down"}, 500)


def send_page(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"<html>")


def nest(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"[" * 100_000)


def send_secret(handler: BaseHTTPRequestHandler) -> None:
    send(handler, {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "rsa"}]})


def send_nothing(handler: BaseHTTPRequestHandler) -> None:
    send(handler, {"keys": []})


BROKEN = [
    redirect, be_slow, be_large, compress, fail, send_page, nest, send_secret, send_nothing
]  # fmt: skip


@pytest.mark.parametrize("path", ["/keys", "/.well-known/openid-configuration"])
@pytest.mark.parametrize("respond", BROKEN)
async def test_broken_issuer_is_503(
    client: httpx.AsyncClient,
    issuer: LocalIssuer,
    monkeypatch: pytest.MonkeyPatch,
    respond: Any,
    path: str,
) -> None:
    monkeypatch.setattr(module, "FETCH_TIMEOUT", 0.3)
    issuer.responses = {path: respond, "/elsewhere": lambda each: send(each, {"keys": issuer.keys})}
    start = time.monotonic()

    responses = [
        await client.get("/teas", headers=bearer(issuer.sign("teas:read"))) for _ in range(5)
    ]

    for response in responses:
        assert_problem(response, 503)
        assert int(response.headers["Retry-After"]) > 0
        assert "WWW-Authenticate" not in response.headers
    assert time.monotonic() - start < 15
    assert "/elsewhere" not in issuer.requests
    assert issuer.requests.count(path) <= 3


@pytest.mark.parametrize("respond", BROKEN)
async def test_known_keys_outlive_the_issuer(
    client: httpx.AsyncClient,
    issuer: LocalIssuer,
    monkeypatch: pytest.MonkeyPatch,
    respond: Any,
    shop: FastAPI,
) -> None:
    token = issuer.sign("teas:read")
    assert await get(client, token) == 200
    monkeypatch.setattr(module, "FETCH_TIMEOUT", 0.3)
    monkeypatch.setattr(module, "REFRESH", 0.05)
    issuer.responses = {"/keys": respond}
    asked = issuer.fetches

    shop.state.issuer.start()
    async with asyncio.timeout(30):
        while issuer.fetches < asked + 2:  # no event tells of it
            assert await get(client, token) == 200
            await asyncio.sleep(0.01)
    assert await get(client, issuer.sign(key=ROGUE_KEY, headers={"kid": "rogue"})) == 401


async def test_service_recovers_with_its_issuer(
    client: httpx.AsyncClient, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WINDOW", 0.05)
    issuer.responses = {"/keys": fail}
    token = issuer.sign("teas:read")
    assert await get(client, token) == 503
    issuer.responses.clear()

    await asyncio.sleep(0.05)
    assert await get(client, token) == 200


async def test_request_without_token_is_401_without_keys(
    client: httpx.AsyncClient, issuer: LocalIssuer
) -> None:
    issuer.responses = {"/keys": fail}

    assert_problem(await client.get("/teas"), 401)
    assert_problem(await client.get("/teas", headers=bearer("x.y.z")), 401)
    assert issuer.requests == []
    health = await client.get("/health/live", headers=bearer(issuer.sign()))
    assert health.status_code == 200


async def test_cancelled_request_cancels_no_fetch(
    client: httpx.AsyncClient, issuer: LocalIssuer
) -> None:
    def wait(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.2)
        send(handler, {"keys": issuer.keys})

    issuer.responses = {"/keys": wait}
    token = issuer.sign("teas:read")
    impatient = asyncio.create_task(get(client, token))
    patient = asyncio.create_task(get(client, token))
    await asyncio.sleep(0.1)
    impatient.cancel()

    assert await patient == 200
    assert issuer.fetches == 1


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": "{url}/"},
        {"jwks_uri": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": ["{url}/keys"]},
    ],
)
async def test_metadata_of_another_issuer_is_rejected(
    client: httpx.AsyncClient, issuer: LocalIssuer, metadata: dict[str, Any]
) -> None:
    issuer.metadata |= {
        name: value.format(url=issuer.url) if isinstance(value, str) else value
        for name, value in metadata.items()
    }

    assert await get(client, issuer.sign("teas:read")) == 503
    assert issuer.fetches == 0


@pytest.mark.parametrize(
    "others",
    [
        [],
        [{"kty": "oct", "k": "c2VjcmV0", "kid": "rsa"}],
        [public(ROGUE_KEY, "rsa", use="enc")],
        ["rsa", None, {}, {"kty": "EC"}, {"kty": "RSA", "kid": "rsa"}, {"kty": "?", "kid": "rsa"}],
        [public(RSA_KEY, "rsa", alg="RSA-OAEP")],
        [public(ROGUE_KEY, "rsa", alg=name) for name in ("none", ["RS256"], 7, "HS256")],
        [{"kty": "oct", "kid": "rsa"}, {"kty": ["RSA"], "kid": "rsa"}, {"kty": "OKP", "x": 1}],
        [public(ROGUE_KEY, "rsa", n=value) for value in (7, None, "", "\xe9", "AQAB")],
    ],
)
async def test_unusable_keys_are_skipped(
    client: httpx.AsyncClient, issuer: LocalIssuer, others: list[Any]
) -> None:
    issuer.keys = [*others, *issuer.keys]

    assert await get(client, issuer.sign("teas:read")) == 200


async def test_single_key_needs_no_id(client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
    nameless = issuer.sign("teas:read", headers={"kid": ""})
    for key in (public(RSA_KEY), public(RSA_KEY, kid=None)):
        issuer.keys = [key]

        assert await get(client, nameless) == 200


async def test_key_with_null_id_has_none(client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
    issuer.keys = [public(RSA_KEY, kid=None), public(CURVE_KEY, "curve")]

    assert await get(client, issuer.sign("teas:read", headers={"kid": ""})) == 200
    assert await get(client, issuer.sign("teas:read", headers={"kid": "None"})) == 401


async def test_missing_id_is_rejected_with_several_keys(
    client: httpx.AsyncClient, issuer: LocalIssuer
) -> None:
    assert await get(client, issuer.sign("teas:read", headers={"kid": ""})) == 401


@pytest.mark.parametrize("changes", [{"auth_jwks_url": "{url}/own"}])
async def test_url_of_keys_replaces_discovery(
    client: httpx.AsyncClient, issuer: LocalIssuer, shop: FastAPI
) -> None:
    url = f"{issuer.url}/own"
    given = shop.state.issuer.settings
    shop.state.issuer.settings = given.model_copy(update={"auth_jwks_url": url})
    issuer.responses = {"/own": lambda each: send(each, {"keys": issuer.keys})}

    assert await get(client, issuer.sign("teas:read")) == 200
    assert issuer.requests == ["/own"]
