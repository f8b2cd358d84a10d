{% from "database/server/defaults.jinja" import port, user with context %}
import pytest

from src.config import Settings
from src.core.database import DatabaseProvider

AWKWARD = "p@ss:w/rd%20#?&"


def test_needs_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "USER", "PASSWORD", "DB_NAME"):
        monkeypatch.delenv(f"{{ cookiecutter.database | upper }}_{name}", raising=False)

    settings = Settings.load()

    assert settings.{{ cookiecutter.database }}_host == "localhost"
    assert settings.{{ cookiecutter.database }}_port == {{ port }}
    assert settings.{{ cookiecutter.database }}_user == "{{ user }}"
    assert settings.{{ cookiecutter.database }}_password.get_secret_value() == "{{ user }}"
    assert settings.{{ cookiecutter.database }}_db_name == "default_nest_db"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("{{ cookiecutter.database | upper }}_HOST", ""),
        ("{{ cookiecutter.database | upper }}_PORT", ""),
        ("{{ cookiecutter.database | upper }}_PORT", "http"),
        ("{{ cookiecutter.database | upper }}_PORT", "65536"),
        ("{{ cookiecutter.database | upper }}_DB_NAME", ""),
    ],
)
def test_a_malformed_value_is_one_line_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SystemExit, match=rf"^{variable}: .*{value!r}$"):
        Settings.load()


def test_credentials_are_kept_as_they_are_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("{{ cookiecutter.database | upper }}_PASSWORD", AWKWARD)
    settings = Settings.load()

    provider = DatabaseProvider(
        "{{ cookiecutter.database }}",
        {
            "host": "db",
            "port": {{ port }},
            "user": "me@home",
            "password": settings.{{ cookiecutter.database }}_password.get_secret_value(),
            "db_name": "app",
        },
    )

    _, arguments = provider.engine.dialect.create_connect_args(provider.engine.url)
    assert arguments["user"] == "me@home"
    assert arguments["password"] == AWKWARD
    assert AWKWARD not in f"{settings!r} {settings} {provider.config_url!r} {provider.engine!r}"
