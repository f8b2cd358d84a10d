"""`DATABASE_URL` of SQLite: the path of the file."""

from pathlib import Path

import pytest
from src.config import Settings
from src.core.database import DatabaseProvider


@pytest.mark.parametrize("name", ["app.db", "app", "a%20b.sqlite3"])
async def test_url_is_the_exact_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/{name}")
    provider = DatabaseProvider("sqlite", Settings.load().config_params)

    await provider.create_all()
    await provider.dispose()

    assert (tmp_path / name.replace("%20", " ")).is_file()


def test_url_may_be_relative(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///app.db")

    assert Settings.load().config_params["db_name"] == "app.db"


@pytest.mark.parametrize(
    "url",
    [
        "hidden",
        "postgresql://me:hidden@localhost/shop",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///hidden/app.db",
        "sqlite:///app.db?mode=hidden",
    ],
)
def test_unusable_url_is_one_line(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)

    with pytest.raises(SystemExit, match=r"^DATABASE_URL: Input should be [^\n]+$") as stop:
        Settings.load()

    assert "hidden" not in str(stop.value)
