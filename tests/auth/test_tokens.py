"""Tokens that somebody forged, stole from elsewhere, or broke."""

from typing import Any

import httpx
import jwt
import pytest

from tests.problems import assert_problem

from .conftest import bearer
from .issuer import (
    AUDIENCE,
    CURVE_KEY,
    ROGUE_KEY,
    RSA_KEY,
    WEAK_KEY,
    LocalIssuer,
    encode,
    public,
    sign_with_public_key,
    without_signature,
)

INVALID = 'Bearer error="invalid_token"'


def assert_unauthorized(response: httpx.Response, challenge: str) -> None:
    """Assert that the response tells nothing but the challenge."""
    assert_problem(response, 401)
    assert response.headers.get_list("WWW-Authenticate") == [challenge]
    assert response.json() == {"type": "about:blank", "title": "Unauthorized", "status": 401}
    assert "X-Request-ID" in response.headers


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"key": CURVE_KEY, "algorithm": "ES256", "headers": {"kid": "curve"}},
        {"headers": {"typ": "JWT"}},
        {"headers": {"typ": "application/AT+JWT"}},
        {"headers": {"typ": None}},
        {"aud": ["other", AUDIENCE]},
        {"seconds": {"exp": -10}},
        {"seconds": {"nbf": 10, "iat": 10}},
        {"without": "iat"},
        {"scope": ["teas:read", "teas:write"]},
        {"scope": "  teas:read\tteas:write "},
        {"typ": "Bearer", "token_use": "access", "nonce": "x"},
    ],
)
async def test_valid_token_is_accepted(
    client: httpx.AsyncClient, issuer: LocalIssuer, options: dict[str, Any]
) -> None:
    response = await client.get("/teas", headers=bearer(issuer.sign("teas:read", **options)))

    assert response.status_code == 200, response.text
    assert response.json()["subject"] == "ada"
    assert "teas:read" in response.json()["scopes"]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"key": ROGUE_KEY}, id="rogue-key"),
        pytest.param({"key": ROGUE_KEY, "headers": {"kid": "rogue"}}, id="unknown-key-id"),
        pytest.param({"headers": {"kid": "../../keys"}}, id="key-id-with-path"),
        pytest.param({"headers": {"kid": "' OR 1=1 --"}}, id="key-id-with-sql"),
        pytest.param({"headers": {"kid": "curve"}}, id="key-of-another-kind"),
        pytest.param({"algorithm": "RS512"}, id="algorithm-not-allowed"),
        pytest.param({"algorithm": "PS256"}, id="padding-not-allowed"),
        pytest.param(
            {"key": ROGUE_KEY, "headers": {"jwk": public(ROGUE_KEY, "rsa")}}, id="embedded-key"
        ),
        pytest.param({"key": ROGUE_KEY, "headers": {"jku": "{url}/rogue"}}, id="url-of-keys"),
        pytest.param({"key": ROGUE_KEY, "headers": {"x5u": "{url}/rogue"}}, id="url-of-chain"),
        pytest.param({"headers": {"crit": ["exp"], "exp": 1}}, id="unknown-critical-header"),
        pytest.param({"headers": {"typ": "dpop+jwt"}}, id="another-type"),
        pytest.param({"headers": {"typ": "logout+jwt"}}, id="logout-token"),
        pytest.param({"iss": "https://evil.example"}, id="wrong-issuer"),
        pytest.param({"iss": "{url}/"}, id="issuer-with-slash"),
        pytest.param({"without": "iss"}, id="no-issuer"),
        pytest.param({"aud": "another"}, id="wrong-audience"),
        pytest.param({"aud": ["another", "sho", "shop2"]}, id="wrong-audiences"),
        pytest.param({"aud": []}, id="empty-audience"),
        pytest.param({"aud": {"shop": 1}}, id="audience-of-another-type"),
        pytest.param({"without": "aud"}, id="no-audience"),
        pytest.param({"without": "exp"}, id="no-expiry"),
        pytest.param({"seconds": {"exp": -60}}, id="expired"),
        pytest.param({"exp": True}, id="expiry-of-another-type"),
        pytest.param({"exp": float("inf")}, id="infinite-expiry"),
        pytest.param({"exp": "never"}, id="expiry-in-words"),
        pytest.param({"seconds": {"nbf": 90}}, id="not-valid-yet"),
        pytest.param({"seconds": {"iat": 90}}, id="issued-in-the-future"),
        pytest.param({"without": "sub"}, id="no-subject"),
        pytest.param({"sub": 7}, id="subject-of-another-type"),
        pytest.param({"sub": ""}, id="empty-subject"),
        pytest.param({"sub": "\ud800"}, id="subject-without-utf8"),
        pytest.param({"headers": {"typ": "JWT"}, "at_hash": "x"}, id="id-token-with-token"),
        pytest.param({"headers": {"typ": "JWT"}, "c_hash": "x"}, id="id-token-with-code"),
        pytest.param({"token_use": "id"}, id="id-token-by-use"),
        pytest.param({"typ": "ID"}, id="id-token-by-type"),
        pytest.param({"typ": "Refresh"}, id="refresh-token"),
        pytest.param({"typ": "Offline"}, id="offline-token"),
    ],
)
async def test_forged_token_is_rejected(
    client: httpx.AsyncClient, issuer: LocalIssuer, options: dict[str, Any]
) -> None:
    given: dict[str, Any] = {
        name: value.format(url=issuer.url) if isinstance(value, str) else value
        for name, value in options.items()
    }
    headers = {
        name: value.format(url=issuer.url) if isinstance(value, str) else value
        for name, value in given.pop("headers", {}).items()
    }
    token = issuer.sign("teas:read", headers=headers, **given)

    response = await client.get("/teas", headers=bearer(token))

    assert_unauthorized(response, INVALID)
    assert "/rogue" not in issuer.requests


async def test_unsigned_token_is_rejected(client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
    claims = issuer.claims("teas:read")
    forged = [without_signature(claims, name) for name in ("none", "None", "NONE", "", "RS256")]
    forged.append(sign_with_public_key(claims))
    valid = issuer.sign("teas:read")
    head, body, signature = valid.split(".")
    forged += [f"{head}.{body}", f"{head}.{body}.", valid[:-20], f"{valid}.{signature}"]
    forged += [f"{head}.{encode(claims | {'sub': 'eve'})}.{signature}", f".{body}.", "..", "x"]
    forged += [valid.replace(".", ".."), f"{valid}\xe9", encode(b"\xff") + f".{body}.{signature}"]
    heads: list[Any] = [[], 1, None, {"alg": []}, b"[" * 5000, b'{"kid":' * 1000 + b"1"]
    forged += [f"{encode(each)}.{body}.{signature}" for each in heads]

    for token in forged:
        headers = [(b"Authorization", b"Bearer " + token.encode("latin-1"))]
        assert_unauthorized(await client.get("/teas", headers=headers), INVALID)
    assert (await client.get("/teas", headers=bearer(valid))).status_code == 200


async def test_weak_key_is_rejected(client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
    issuer.keys = [public(WEAK_KEY, "weak"), public(RSA_KEY, "rsa")]
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        weak = issuer.sign("teas:read", key=WEAK_KEY, headers={"kid": "weak"})

    assert_unauthorized(await client.get("/teas", headers=bearer(weak)), INVALID)
    strong = bearer(issuer.sign("teas:read"))
    assert (await client.get("/teas", headers=strong)).status_code == 200


async def test_oversized_token_is_rejected(client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
    token = issuer.sign("teas:read", padding="x" * 16_384)

    assert_unauthorized(await client.get("/teas", headers=bearer(token)), INVALID)
    assert issuer.requests == []


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ([], "Bearer"),
        (["Basic YWRhOmFkYQ=="], "Bearer"),
        (["{token}"], "Bearer"),
        (["Bearer{token}"], "Bearer"),
        (["DPoP {token}"], "Bearer"),
        ([""], "Bearer"),
        (["Bearer"], INVALID),
        (["Bearer "], INVALID),
        (["Bearer Bearer {token}"], INVALID),
        (["Bearer {token}, Bearer {token}"], INVALID),
        (["Bearer {token}", "Bearer {token}"], INVALID),
        (["Bearer {token}", "Basic YWRhOmFkYQ=="], INVALID),
        (["Basic YWRhOmFkYQ==", "Bearer {token}"], INVALID),
    ],
)
async def test_other_credentials_are_rejected(
    client: httpx.AsyncClient, issuer: LocalIssuer, headers: list[str], challenge: str
) -> None:
    token = issuer.sign("teas:read")
    given = [("Authorization", header.format(token=token)) for header in headers]

    assert_unauthorized(await client.get("/teas", headers=given), challenge)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
async def test_scheme_is_case_insensitive(
    client: httpx.AsyncClient, issuer: LocalIssuer, scheme: str
) -> None:
    headers = {"Authorization": f"{scheme} {issuer.sign('teas:read')}"}

    assert (await client.get("/teas", headers=headers)).status_code == 200


async def test_token_elsewhere_is_ignored(client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
    token = issuer.sign("teas:read", "teas:write", "teas:brew")

    client.cookies.set("Authorization", f"Bearer {token}")
    client.cookies.set("access_token", token)
    assert_unauthorized(await client.get("/teas", params={"access_token": token}), "Bearer")
    assert_unauthorized(await client.post("/teas", data={"access_token": token}), "Bearer")
    headers = {"X-Authorization": f"Bearer {token}", "X-Forwarded-User": "ada"}
    assert_unauthorized(await client.get("/teas", headers=headers), "Bearer")


@pytest.mark.parametrize("scope", ["", "teas", "teas:reader", "TEAS:READ", ["teas", "read"], 7])
async def test_token_without_scope_is_403(
    client: httpx.AsyncClient, issuer: LocalIssuer, scope: Any
) -> None:
    response = await client.get("/teas", headers=bearer(issuer.sign(scope=scope)))

    assert_problem(response, 403)
    assert response.json() == {"type": "about:blank", "title": "Forbidden", "status": 403}
    challenge = 'Bearer error="insufficient_scope", scope="teas:read"'
    assert response.headers["WWW-Authenticate"] == challenge


@pytest.mark.parametrize("changes", [{"auth_scope_claim": "roles"}])
async def test_scope_claim_is_a_setting(client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
    assert_problem(await client.get("/teas", headers=bearer(issuer.sign("teas:read"))), 403)
    roles = bearer(issuer.sign(roles=["teas:read"]))
    assert (await client.get("/teas", headers=roles)).status_code == 200


@pytest.mark.parametrize("changes", [{"auth_leeway": 0}])
async def test_leeway_is_a_setting(client: httpx.AsyncClient, issuer: LocalIssuer) -> None:
    expired = bearer(issuer.sign("teas:read", seconds={"exp": -10}))

    assert_unauthorized(await client.get("/teas", headers=expired), INVALID)


async def test_key_is_bound_to_its_algorithm(
    client: httpx.AsyncClient, issuer: LocalIssuer
) -> None:
    issuer.keys = [public(RSA_KEY, "rsa", alg="RS512"), public(CURVE_KEY, "curve", use="enc")]

    curve: dict[str, Any] = {"key": CURVE_KEY, "algorithm": "ES256", "headers": {"kid": "curve"}}
    for options in (curve, {}):
        token = issuer.sign("teas:read", **options)
        assert_unauthorized(await client.get("/teas", headers=bearer(token)), INVALID)
