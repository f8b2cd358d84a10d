"""Settings: the app doesn't start without an issuer, or with an unsafe one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from src.config import Settings

TLS = "must begin with https:// and a host"
LOCAL = {"AUTH_ISSUER": "http://localhost", "AUTH_JWKS_URL": "file:.test-issuer.json"}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUTH_ALGORITHMS", "AUTH_JWKS_URL", "APP_DEBUG"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AUTH_ISSUER", "https://issuer.example/")
    monkeypatch.setenv("AUTH_AUDIENCE", "shop")


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("AUTH_ISSUER", "", "is missing; see docs/authentication.md, not ''"),
        ("AUTH_ISSUER", None, "is missing; see docs/authentication.md"),
        ("AUTH_AUDIENCE", None, "is missing; see docs/authentication.md"),
        ("AUTH_ISSUER", "http://a.example", f"{TLS}, not 'http://a.example'"),
        ("AUTH_ISSUER", "http://localhost", f"{TLS}, not 'http://localhost'"),
        ("AUTH_ISSUER", "issuer.example", f"{TLS}, not 'issuer.example'"),
        ("AUTH_JWKS_URL", "file:.test-issuer.json", f"{TLS}, not 'file:.test-issuer.json'"),
        ("AUTH_JWKS_URL", "http://issuer.example/keys", f"{TLS}, not 'http://"),
        ("AUTH_ISSUER", "https://", f"{TLS}, not 'https://'"),
        ("AUTH_ISSUER", "https:///realms", f"{TLS}, not 'https:///realms'"),
        ("AUTH_ISSUER", " ", "is missing; see docs/authentication.md, not ' '"),
        ("AUTH_AUDIENCE", "  ", "is missing; see docs/authentication.md, not '  '"),
        ("AUTH_SCOPE_CLAIM", "", "is missing; see docs/authentication.md, not ''"),
        ("AUTH_ALGORITHMS", "none", "Input should be 'RS256', "),
        ("AUTH_ALGORITHMS", "HS256", "Input should be 'RS256', "),
        ("AUTH_ALGORITHMS", "RS256,HS256", "Input should be 'RS256', "),
        ("AUTH_ALGORITHMS", "rs256", "Input should be 'RS256', "),
        ("AUTH_ALGORITHMS", "", "List should have at least 1 item"),
        ("AUTH_LEEWAY", "-1", "Input should be greater than or equal to 0"),
        ("AUTH_LEEWAY", "inf", "Input should be less than or equal to 300"),
    ],
)
def test_unsafe_setting_is_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None, problem: str
) -> None:
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)

    with pytest.raises(SystemExit) as caught:
        Settings.load()

    message = str(caught.value.code)
    assert message.startswith(f"{variable}: {problem}")
    assert "\n" not in message


def test_safe_settings_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_ALGORITHMS", "RS256, EdDSA")
    monkeypatch.setenv("PUBLIC_ROUTES", "/health/live,/")

    given = Settings.load()

    assert given.auth_issuer == "https://issuer.example/"
    assert given.auth_algorithms == ["RS256", "EdDSA"]
    assert given.public_routes == ["/health/live", "/"]


def test_space_around_settings_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "AUTH_ISSUER": " https://issuer.example ",
        "AUTH_AUDIENCE": "shop ",
        "AUTH_JWKS_URL": "\thttps://issuer.example/keys",
        "AUTH_SCOPE_CLAIM": " roles ",
    }
    for variable, value in values.items():
        monkeypatch.setenv(variable, value)

    given = Settings.load()

    for variable, value in values.items():
        assert getattr(given, variable.lower()) == value.strip()


def test_local_issuer_is_for_development(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in LOCAL.items():
        monkeypatch.setenv(variable, value)

    with pytest.raises(SystemExit):
        Settings.load()
    monkeypatch.setenv("APP_DEBUG", "true")
    assert Settings.load().auth_issuer == "http://localhost"


def test_app_needs_an_issuer() -> None:
    result = subprocess.run(
        [sys.executable, "-c", "import app"],
        cwd=Path(__file__).parents[2],
        # An empty variable also wins over `.env`.
        env=os.environ | {"AUTH_ISSUER": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "AUTH_ISSUER: is missing; see docs/authentication.md, not ''\n"
