"""Settings: each invalid variable is reported in one clear line."""

import re
from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from src.config import Settings


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("APP_DEBUG", "maybe"),
        ("LOG_LEVEL", "LOUD"),
        ("DB_CREATE_ALL", ""),
        ("DB_ECHO", "2"),
        ("DB_POOL_SIZE", "0"),
        ("DB_POOL_SIZE", "many"),
        ("DB_MAX_OVERFLOW", "-1"),
        ("DB_POOL_TIMEOUT", "0"),
        ("DB_POOL_RECYCLE", "1.5"),
        ("DB_POOL_PRE_PING", "x"),
        ("HEALTH_TIMEOUT", "0"),
        ("CORS_ORIGINS", "shop.example"),
        ("CORS_ORIGINS", "https://shop.example/"),
        ("CORS_ORIGINS", "https://shop.example/page"),
        ("CORS_ORIGINS", "https://Shop.example"),
        ("CORS_ORIGINS", "https://shop.example:443"),
        ("CORS_ORIGINS", "http://shop.example:80"),
        ("CORS_ORIGINS", "https://shop.example:port"),
        ("CORS_ORIGINS", "https://me@shop.example"),
        ("CORS_ORIGINS", "https://*.shop.example"),
        ("CORS_ORIGINS", "https://shöp.example"),
        ("CORS_ORIGINS", "https://"),
        ("CORS_ORIGINS", "null"),
        ("CORS_ORIGINS", "https://shop.example,*"),
        ("CORS_ORIGINS", '["https://shop.example", "x"]'),
    ],
)
def test_malformed_value_error_has_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SystemExit) as stop:
        Settings.load()

    message = str(stop.value)
    assert message.startswith(f"{variable}: ")
    assert repr(value) in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("", []),
        ("*", ["*"]),
        ("https://shop.example, http://[::1]:3000", ["https://shop.example", "http://[::1]:3000"]),
        ('["http://xn--shp-sna.example:8080"]', ["http://xn--shp-sna.example:8080"]),
        ("http://127.0.0.1:443,capacitor://localhost", None),
    ],
)
def test_origins_are_read_as_browsers_send_them(
    monkeypatch: pytest.MonkeyPatch, value: str, origins: list[str] | None
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", value)

    assert Settings.load().cors_origins == (value.split(",") if origins is None else origins)


def test_each_malformed_value_has_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_ECHO", "x")
    monkeypatch.setenv("DB_POOL_SIZE", "x")

    with pytest.raises(SystemExit) as stop:
        Settings.load()

    lines = str(stop.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["DB_ECHO", "DB_POOL_SIZE"]


def test_values_reach_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_ECHO", "true")
    monkeypatch.setenv("DB_POOL_SIZE", "3")
    monkeypatch.setenv("LOG_LEVEL", "warning")

    settings = Settings.load()

    assert settings.log_level == "WARNING"
    assert settings.engine_params["hide_parameters"] is False
    assert settings.engine_params["pool_size"] == 3


def test_environment_overrides_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DB_POOL_SIZE", "3")
    # Set and delete the variable, so that monkeypatch resets it after the test.
    monkeypatch.setenv("DB_MAX_OVERFLOW", "0")
    monkeypatch.delenv("DB_MAX_OVERFLOW")
    file = tmp_path / ".env"
    # An editor on Windows may add a byte order mark and CRLF.
    file.write_bytes(b"\xef\xbb\xbfDB_POOL_SIZE=4\r\nDB_MAX_OVERFLOW=5\r\n")

    settings = Settings.load(file)

    assert settings.db_pool_size == 3
    assert settings.db_max_overflow == 5


def test_env_file_is_not_interpolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOG_LEVEL", "")
    monkeypatch.delenv("LOG_LEVEL")
    file = tmp_path / ".env"
    file.write_text("LOG_LEVEL='${HOME}'", encoding="utf-8")

    with pytest.raises(SystemExit, match=r"^LOG_LEVEL: .* not '\$\{HOME\}'$"):
        Settings.load(file)


def test_env_file_in_wrong_encoding_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("DB_POOL_SIZE=4", encoding="utf-16")

    with pytest.raises(SystemExit, match=r"\.env: not text in UTF-8"):
        Settings.load(file)


class ShopSettings(Settings):
    shop_tags: list[str] = Field(default=[])
    shop_sizes: set[int] = Field(default=set())
    shop_limits: dict[str, int] = Field(default={})
    shop_key: SecretStr = SecretStr("")


@pytest.mark.parametrize("written", ["a,b", " a , b ", '["a", "b"]'])
def test_list_is_read_in_both_forms(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("SHOP_TAGS", written)
    monkeypatch.setenv("SHOP_SIZES", "1,2")
    monkeypatch.setenv("SHOP_LIMITS", '{"a": 1}')

    loaded = ShopSettings.load()

    assert loaded.shop_tags == ["a", "b"]
    assert loaded.shop_sizes == {1, 2}
    assert loaded.shop_limits == {"a": 1}


@pytest.mark.parametrize(
    ("variable", "written"),
    [("SHOP_TAGS", '["a"'), ("SHOP_SIZES", "1,x"), ("SHOP_LIMITS", "a,b")],
)
def test_malformed_list_error_has_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, written: str
) -> None:
    monkeypatch.setenv(variable, written)

    with pytest.raises(SystemExit) as stop:
        ShopSettings.load()

    assert re.fullmatch(rf"{variable}: [^\n]+{re.escape(repr(written))}", str(stop.value))


def test_argument_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "ERROR")

    given = ShopSettings(log_level="DEBUG", shop_tags=["a,b"], db_lock_timeout=2)

    assert (given.log_level, given.shop_tags, given.db_lock_timeout) == ("DEBUG", ["a,b"], 2)


def test_old_timeout_variable_sets_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_TIMEOUT", "7")
    assert Settings.load().db_connect_timeout == Settings.load().db_lock_timeout == 7

    monkeypatch.setenv("DB_LOCK_TIMEOUT", "3")
    assert (Settings.load().db_connect_timeout, Settings.load().db_lock_timeout) == (7, 3)
