import pytest

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
    ],
)
def test_a_malformed_value_is_one_line_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SystemExit) as stop:
        Settings.load()

    message = str(stop.value)
    assert message.startswith(f"{variable}: ")
    assert repr(value) in message
    assert "\n" not in message


def test_each_malformed_value_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert settings.engine_params["echo"] is True
    assert settings.engine_params["pool_size"] == 3
