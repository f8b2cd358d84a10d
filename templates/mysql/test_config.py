import pytest

from src.config import Settings
from src.core.database import DatabaseProvider

AWKWARD = "p@ss:w/rd%20#?&"


def test_needs_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "USER", "PASSWORD", "DB_NAME"):
        monkeypatch.delenv(f"MYSQL_{name}", raising=False)

    settings = Settings.load()

    assert settings.mysql_host == "localhost"
    assert settings.mysql_port == 3306
    assert settings.mysql_user == "root"
    assert settings.mysql_password.get_secret_value() == "root"
    assert settings.mysql_db_name == "default_nest_db"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MYSQL_HOST", ""),
        ("MYSQL_PORT", ""),
        ("MYSQL_PORT", "http"),
        ("MYSQL_PORT", "65536"),
        ("MYSQL_DB_NAME", ""),
    ],
)
def test_a_malformed_value_is_one_line_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SystemExit, match=rf"^{variable}: .*{value!r}$"):
        Settings.load()


def test_credentials_are_kept_as_they_are_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYSQL_PASSWORD", AWKWARD)
    settings = Settings.load()

    provider = DatabaseProvider(
        "mysql",
        {
            "host": "db",
            "port": 3306,
            "user": "me@home",
            "password": settings.mysql_password.get_secret_value(),
            "db_name": "app",
        },
    )

    _, arguments = provider.engine.dialect.create_connect_args(provider.engine.url)
    assert arguments["user"] == "me@home"
    assert arguments["password"] == AWKWARD
    assert AWKWARD not in f"{settings!r} {settings} {provider.config_url!r} {provider.engine!r}"
