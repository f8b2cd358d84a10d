"""The log: no token and no claim reaches it, but for the subject if a setting says so."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from src.config import config, settings
from src.core.core_module import setup_app
from src.core.logs import configure_logging
from src.core.settings import CoreSettings

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
