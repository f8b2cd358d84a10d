"""The log: no token and no claim reaches it, but for the subject if a setting says so."""

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from src.config import config, settings
from src.core.core_module import setup_app
from src.core.logs import configure_logging
from src.core.settings import CoreSettings
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from .conftest import bearer
from .issuer import ROGUE_KEY, LocalIssuer
from .shop import make_app

PATHS = ["/teas", "/teas/x", "/open", "/fails", "/nowhere"]


@pytest.fixture(autouse=True)
def _logs_as_configured() -> Iterator[None]:
    yield
    configure_logging(settings.log_level, settings.log_format)


async def send_all(given: CoreSettings, issuer: LocalIssuer, **changes: Any) -> list[str]:
    """Send tokens of all kinds to an app whose log is complete; return the secrets in them."""
    configure_logging("DEBUG", "json")
    app = make_app()

    @app.get("/fails")
    async def fail() -> None:
        raise RuntimeError("unexpected")

    setup_app(app, config, given.model_copy(update={"log_format": "json", **changes}))
    private: dict[str, Any] = {"email": "ada@example.com", "sub": "ada-lovelace"}
    tokens = [
        issuer.sign("teas:read", **private),
        issuer.sign("teas:read", key=ROGUE_KEY, headers={"kid": "secret-kid"}, **private),
        issuer.sign("teas:read", aud="secret-audience", **private),
        issuer.sign("teas:read", exp="secret-expiry", **private),
        "s3cr3t.brok3n.t0ken",
    ]
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for token in tokens:
            for path in PATHS:
                await client.get(path, headers=bearer(token))
                await client.post(path, headers=[("Authorization", f"Bearer {token}")] * 2)
        await client.get("/teas")
    parts = [part for token in tokens for part in token.split(".") if len(part) > 3]
    return [*tokens, *parts, "ada@example.com", "secret-"]


async def test_log_has_no_tokens(
    capsys: pytest.CaptureFixture[str], given: CoreSettings, issuer: LocalIssuer
) -> None:
    secrets = await send_all(given, issuer)

    printed = capsys.readouterr().err
    assert printed.count('"event":"Request"') == 51
    for secret in [*secrets, "ada-lovelace"]:
        assert secret not in printed


async def test_log_has_no_credentials_of_websockets(
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    chat: str,
    issuer: LocalIssuer,
) -> None:
    configure_logging("DEBUG", "json")
    # The client's own log.
    caplog.set_level(logging.INFO, logger="websockets")
    token = issuer.sign()
    for headers in (bearer(token), bearer("s3cr3t")):
        with suppress(InvalidStatus):
            async with connect(f"{chat}?access_token=qu3ry", additional_headers=headers) as socket:
                await socket.send('{"event": "m3ssage"}')
                await socket.recv()

    printed = capsys.readouterr().err
    entries = [json.loads(line)["event"] for line in printed.splitlines()]
    assert [entry for entry in entries if entry.endswith('"WebSocket /chat" [accepted]')]
    assert [entry for entry in entries if entry.endswith('"WebSocket /chat" 401')]
    for secret in (*token.split("."), "s3cr3t", "qu3ry", "m3ssage"):
        assert secret not in printed


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 1),
        ({"auth_issuer": "https://issuer.example"}, 0),
        ({"auth_issuer": "https://issuer.example", "auth_jwks_url": "file:missing.json"}, 1),
        ({"auth_issuer": "https://issuer.example", "auth_jwks_url": "https://a.example"}, 0),
    ],
)
async def test_development_issuer_is_logged(
    capsys: pytest.CaptureFixture[str], shop: FastAPI, expected: int
) -> None:
    configure_logging("INFO", "json")
    async with shop.router.lifespan_context(shop):
        pass

    printed = capsys.readouterr().err
    assert printed.count("Accepting tokens of a development issuer") == expected


@pytest.mark.parametrize("changes", [{"auth_jwks_url": "file:missing.json"}])
async def test_missing_key_file_names_the_command(
    capsys: pytest.CaptureFixture[str], client: httpx.AsyncClient, issuer: LocalIssuer
) -> None:
    configure_logging("INFO", "json")

    response = await client.get("/teas", headers=bearer(issuer.sign()))

    assert response.status_code == 503
    printed = capsys.readouterr().err
    assert "There are no keys yet: run make token" in printed
    assert "FileNotFoundError" not in printed


async def test_subject_is_logged_by_a_setting(
    capsys: pytest.CaptureFixture[str], given: CoreSettings, issuer: LocalIssuer
) -> None:
    secrets = await send_all(given, issuer, auth_log_subject=True)

    printed = capsys.readouterr().err
    for secret in secrets:
        assert secret not in printed
    entries = [json.loads(line) for line in printed.splitlines()]
    requests = [entry for entry in entries if entry["event"] == "Request"]
    # Only the first token is valid, and only without a second header.
    known = [entry["path"] for entry in requests if entry.get("subject") == "ada-lovelace"]
    assert known == PATHS
    assert "subject" not in requests[-1]
    [failed] = [entry for entry in entries if entry["event"] == "Unexpected error"]
    assert failed["subject"] == "ada-lovelace"
