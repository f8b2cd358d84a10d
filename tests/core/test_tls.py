"""TLS: one context for all connections, and one line for each mistake in its settings."""

import asyncio
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from src.config import Settings, config
from src.core.database import DatabaseProvider, driver
from src.core.http.database_errors import is_unavailable

DB_TYPE = config.engine.dialect.name


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate with its key, another key, and one that needs a password."""
    folder = tmp_path_factory.mktemp("tls")
    new = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out"
    for command in (
        f"{new} key.pem",
        f"{new} other.pem",
        "openssl req -x509 -key key.pem -subj /CN=localhost -out cert.pem",
        "openssl pkey -in key.pem -aes256 -passout pass:x -out locked.pem",
    ):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder


def load(monkeypatch: pytest.MonkeyPatch, **variables: str | Path) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    return Settings.load()


def find_contexts(settings: Settings) -> list[Any]:
    """Return the driver's argument `ssl` for sessions, reads and migrations."""
    params = dict(settings.config_params)
    others = [params.pop(name) for name in ("read_url", "migration_url")]
    options = params.pop("options")
    urls = [driver.make_url(**params), *others]
    return [driver.make_connect_args(url, 1, None, **options).get("ssl") for url in urls]


@pytest.mark.parametrize(
    ("mode", "verifies", "checks_host"),
    [("require", False, False), ("verify-ca", True, False), ("verify-full", True, True)],
)
def test_mode_sets_the_checks(
    monkeypatch: pytest.MonkeyPatch, mode: str, *, verifies: bool, checks_host: bool
) -> None:
    context, *others = find_contexts(load(monkeypatch, DB_SSLMODE=mode))

    assert isinstance(context, ssl.SSLContext)
    assert others == [context, context]
    assert (context.verify_mode is ssl.CERT_REQUIRED) is verifies
    assert context.check_hostname is checks_host


def test_root_certificate_is_verified_in_any_mode(
    monkeypatch: pytest.MonkeyPatch, files: Path
) -> None:
    [context, *_] = find_contexts(
        load(monkeypatch, DB_SSLMODE="require", DB_SSLROOTCERT=files / "cert.pem")
    )

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert [dict(each[0] for each in ca["subject"]) for ca in context.get_ca_certs()] == [
        {"commonName": "localhost"}
    ]


def test_url_sets_tls_too(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{DB_TYPE}://me@localhost/shop?sslmode=require"
    contexts = find_contexts(load(monkeypatch, DB_READ_URL=url))
    assert [isinstance(each, ssl.SSLContext) for each in contexts] == [False, True, False]

    contexts = find_contexts(load(monkeypatch, DB_SSLMODE="verify-full"))
    assert [each.check_hostname for each in contexts] == [True, True, True]


def test_client_certificate_is_loaded(monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
    load(
        monkeypatch,
        DB_SSLMODE="verify-full",
        DB_SSLCERT=files / "cert.pem",
        DB_SSLKEY=files / "key.pem",
    )


@pytest.mark.parametrize(
    ("variable", "settings"),
    [
        ("DB_SSLMODE", {"DB_SSLMODE": "allow"}),
        ("DB_SSLMODE", {"DB_SSLROOTCERT": "cert.pem"}),
        ("DB_SSLMODE", {"DB_SSLMODE": "disable", "DB_SSLCERT": "cert.pem"}),
        ("DB_SSLROOTCERT", {"DB_SSLMODE": "verify-full", "DB_SSLROOTCERT": "missing.pem"}),
        ("DB_SSLROOTCERT", {"DB_SSLMODE": "verify-full", "DB_SSLROOTCERT": "key.pem"}),
        ("DB_SSLCERT", {"DB_SSLMODE": "require", "DB_SSLCERT": "missing.pem"}),
        ("DB_SSLCERT", {"DB_SSLMODE": "require", "DB_SSLKEY": "key.pem"}),
        (
            "DB_SSLCERT",
            {"DB_SSLMODE": "require", "DB_SSLCERT": "cert.pem", "DB_SSLKEY": "other.pem"},
        ),
        (
            "DB_SSLCERT",
            {"DB_SSLMODE": "require", "DB_SSLCERT": "cert.pem", "DB_SSLKEY": "locked.pem"},
        ),
    ],
)
def test_unusable_setting_is_one_line(
    monkeypatch: pytest.MonkeyPatch, files: Path, variable: str, settings: dict[str, str]
) -> None:
    monkeypatch.chdir(files)

    with pytest.raises(SystemExit, match=rf"^{variable}: [^\n]+$"):
        load(monkeypatch, **settings)


async def test_server_without_tls_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of these tests offer no TLS."""
    settings = load(monkeypatch, DB_SSLMODE="require")
    provider = DatabaseProvider(DB_TYPE, settings.config_params, settings.engine_params)

    async def use_session() -> None:
        async with provider.get_session() as session:
            await session.execute(select(1))

    async def migrate() -> None:
        async with provider.schema_connection():
            pass

    for use in (use_session, lambda: provider.reader.execute(select(1)), provider.ping, migrate):
        with pytest.raises(Exception, match=r"(?i)ssl|tls") as caught:
            await asyncio.wait_for(use(), 30)
        assert is_unavailable(caught.value)
