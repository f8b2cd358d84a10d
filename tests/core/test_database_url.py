"""`DATABASE_URL` of a server: the whole address in one variable."""

from typing import Any

import pytest
from src.config import Settings, config
from src.core.database import DatabaseProvider

DB_TYPE = config.engine.dialect.name
OTHER = {"postgresql": "mysql", "mysql": "postgresql"}
SCHEMES = {"postgresql": ["postgresql", "postgres"], "mysql": ["mysql", "mariadb"]}


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings.load()


def make_provider(settings: Settings) -> DatabaseProvider:
    return DatabaseProvider(DB_TYPE, settings.config_params)


def connect_args(settings: Settings) -> dict[str, Any]:
    """Return the arguments that the driver gets."""
    engine = make_provider(settings).engine
    _, arguments = engine.dialect.create_connect_args(engine.url)
    return arguments


@pytest.mark.parametrize("scheme", SCHEMES[DB_TYPE])
def test_url_wins_over_single_variables(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    single = {f"{DB_TYPE.upper()}_{name}": "other" for name in ("HOST", "USER", "PASSWORD")}
    settings = load(monkeypatch, **single, DATABASE_URL=f"{scheme}://me:pw@db.test:77/shop")

    url = make_provider(settings).engine.url

    assert (url.host, url.port, url.database) == ("db.test", 77, "shop")
    assert (url.username, url.password) == ("me", "pw")


def test_empty_url_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, **{f"{DB_TYPE.upper()}_HOST": "db.test", "DATABASE_URL": ""})

    assert make_provider(settings).engine.url.host == "db.test"


def test_url_is_percent_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{DB_TYPE}://me%40home:p%40ss%3Aw%2Frd%25%23%3F+@[::1]/my%20shop"
    settings = load(monkeypatch, DATABASE_URL=url)

    arguments = connect_args(settings)

    assert (arguments["user"], arguments["password"]) == ("me@home", "p@ss:w/rd%#?+")
    assert arguments["host"] == "::1"
    assert "my shop" in (arguments.get("database"), arguments.get("db"))
    assert "p@ss" not in f"{settings!r} {settings} {make_provider(settings).engine!r}"


@pytest.mark.parametrize(
    "url",
    [
        "hidden",
        "://hidden@localhost/shop",
        f"{OTHER[DB_TYPE]}://me:hidden@localhost/shop",
        f"{DB_TYPE}://",
        f"{DB_TYPE}:///",
        f"{DB_TYPE}://me:hidden@localhost",
        f"{DB_TYPE}://me:hidden@localhost/",
        f"{DB_TYPE}://me:hidden@localhost:x/shop",
        f"{DB_TYPE}://me:hidden@localhost:99999/shop",
        f"{DB_TYPE}://me:hidden@[::1/shop",
        f"{DB_TYPE}://me:hidden/x@localhost/shop",
        f"{DB_TYPE}://me:hidden#x@localhost/shop",
        f"{DB_TYPE}://me:hidden?x=hidden@localhost/shop",
        f"{DB_TYPE}://me:hidden@localhost/shop?charset=hidden",
        f"{DB_TYPE}://me:hidden@localhost/shop?target_session_attrs=hidden",
    ],
)
@pytest.mark.parametrize("variable", ["DATABASE_URL", "DB_READ_URL", "DB_MIGRATION_URL"])
def test_unusable_url_is_one_line(monkeypatch: pytest.MonkeyPatch, variable: str, url: str) -> None:
    with pytest.raises(SystemExit, match=rf"^{variable}: [^\n]+$") as stop:
        load(monkeypatch, **{variable: url})

    assert "hidden" not in str(stop.value)


@pytest.mark.parametrize(
    "url", ["me:hidden@one:1234,two/shop?", "me@/shop?host=one:1234&host=two:5432&"]
)
def test_several_hosts_are_for_postgresql(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    url = f"{DB_TYPE}://{url}target_session_attrs=read-write"
    if DB_TYPE == "mysql":
        with pytest.raises(SystemExit, match=r"^DATABASE_URL: [^\n]+$") as stop:
            load(monkeypatch, DATABASE_URL=url)
        assert "hidden" not in str(stop.value)
        return

    arguments = connect_args(load(monkeypatch, DATABASE_URL=url))

    assert (arguments["host"], arguments["port"]) == (["one", "two"], [1234, 5432])
    assert arguments["target_session_attrs"] == "read-write"
    assert arguments["database"] == "shop"


def test_other_addresses_default_to_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = make_provider(load(monkeypatch, DATABASE_URL=f"{DB_TYPE}://me@one/shop"))
    assert provider.engine.url == provider.read_engine.url == provider.migration_url

    provider = make_provider(
        load(
            monkeypatch,
            DB_READ_URL=f"{DB_TYPE}://me@two/shop",
            DB_MIGRATION_URL=f"{DB_TYPE}://me@three/shop",
        )
    )
    urls = (provider.engine.url, provider.read_engine.url, provider.migration_url)
    assert [url.host for url in urls] == ["one", "two", "three"]
