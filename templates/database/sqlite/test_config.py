from pathlib import Path

import pytest
from sqlalchemy import text

from src.config import Settings, config
from src.core.database import DatabaseProvider


def test_needs_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQLITE_DB_NAME")
    monkeypatch.delenv("DATABASE_URL")

    assert Settings.load().config_params == {"db_name": "default_nest_db"}


@pytest.mark.parametrize("path", ["", ":memory:", "file:x?mode=memory", "no/such/folder/app"])
def test_rejects_an_impossible_path(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("SQLITE_DB_NAME", path)

    with pytest.raises(SystemExit, match=r"^SQLITE_DB_NAME: .*") as stop:
        Settings.load()

    assert "\n" not in str(stop.value)


@pytest.mark.parametrize("name", ["app", "app.db"])
async def test_the_file_ends_in_db(tmp_path: Path, name: str) -> None:
    provider = DatabaseProvider("sqlite", {"db_name": str(tmp_path / name)})

    await provider.create_all()
    await provider.dispose()

    assert (tmp_path / "app.db").is_file()


async def test_connections_check_foreign_keys_and_write_ahead() -> None:
    async with config.engine.connect() as connection:
        assert await connection.scalar(text("PRAGMA foreign_keys")) == 1
        assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
