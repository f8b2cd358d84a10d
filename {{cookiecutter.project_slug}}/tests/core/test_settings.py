"""Settings: their sources, and the error for an invalid value."""

from pathlib import Path

import pytest
from pydantic import Field

from src.config import Settings


@pytest.mark.parametrize(
    ("variable", "value"),
    [("LOG_LEVEL", "LOUD"), ("DB_POOL_SIZE", "0"), ("DB_LOCK_TIMEOUT", "x"), ("DB_ECHO", "2")],
)
def test_malformed_value_is_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SystemExit, match=rf"^{variable}: [^\n]*, not {value!r}$"):
        Settings.load()


def test_environment_overrides_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DB_POOL_SIZE", "3")
    # Set and delete the variable, so that monkeypatch resets it after the test.
    monkeypatch.setenv("DB_POOL_RECYCLE", "1")
    monkeypatch.delenv("DB_POOL_RECYCLE")
    file = tmp_path / ".env"
    file.write_text("DB_POOL_SIZE=4\nDB_POOL_RECYCLE=5\n", encoding="utf-8")

    settings = Settings.load(file)

    assert (settings.db_pool_size, settings.db_pool_recycle) == (3, 5)


def test_list_is_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    class ShopSettings(Settings):
        shop_tags: list[str] = Field(default=[])

    monkeypatch.setenv("SHOP_TAGS", "new, used")

    assert ShopSettings.load().shop_tags == ["new", "used"]
    assert ShopSettings(shop_tags=["given"]).shop_tags == ["given"]
