{% from "database/server/defaults.jinja" import port, user with context %}
import pytest

from src.config import Settings
from src.core.database import DatabaseProvider

AWKWARD = "p@ss:w/rd%20#?&"


def test_needs_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "USER", "PASSWORD", "DB_NAME"):
        monkeypatch.delenv(f"{{ cookiecutter.database | upper }}_{name}", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)

    params = Settings.load().config_params

    expected = {
        "host": "localhost",
        "port": {{ port }},
        "user": "{{ user }}",
        "password": "{{ user }}",
        "db_name": "default_nest_db",
    }
    assert {name: params[name] for name in expected} == expected


def test_credentials_are_kept_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("{{ cookiecutter.database | upper }}_PASSWORD", AWKWARD)
    monkeypatch.setenv("{{ cookiecutter.database | upper }}_USER", "me@home")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    settings = Settings.load()

    provider = DatabaseProvider("{{ cookiecutter.database }}", settings.config_params)

    _, arguments = provider.engine.dialect.create_connect_args(provider.engine.url)
    assert (arguments["user"], arguments["password"]) == ("me@home", AWKWARD)
    assert AWKWARD not in f"{settings!r} {settings} {provider.config_url!r} {provider.engine!r}"
