import pytest

from src.config import Settings
from src.core.database import DatabaseProvider

AWKWARD = "p@ss:w/rd%20#?&"


def test_needs_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "USER", "PASSWORD", "DB_NAME"):
        monkeypatch.delenv(f"POSTGRESQL_{name}", raising=False)

    settings = Settings.load()

    assert settings.postgresql_host == "localhost"
    assert settings.postgresql_port == 5432
    assert settings.postgresql_user == "postgres"
    assert settings.postgresql_password.get_secret_value() == "postgres"
    assert settings.postgresql_db_name == "default_nest_db"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("POSTGRESQL_HOST", ""),
        ("POSTGRESQL_PORT", ""),
        ("POSTGRESQL_PORT", "http"),
        ("POSTGRESQL_PORT", "65536"),
        ("POSTGRESQL_DB_NAME", ""),
    ],
)
def test_a_malformed_value_is_one_line_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SystemExit, match=rf"^{variable}: .*{value!r}$"):
        Settings.load()


def test_credentials_are_kept_as_they_are_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRESQL_PASSWORD", AWKWARD)
    settings = Settings.load()

    provider = DatabaseProvider(
        "postgresql",
        {
            "host": "db",
            "port": 5432,
            "user": "me@home",
            "password": settings.postgresql_password.get_secret_value(),
            "db_name": "app",
        },
    )

    _, arguments = provider.engine.dialect.create_connect_args(provider.engine.url)
    assert arguments["user"] == "me@home"
    assert arguments["password"] == AWKWARD
    assert AWKWARD not in f"{settings!r} {settings} {provider.config_url!r} {provider.engine!r}"
