import json
import logging
import warnings

import pytest
import structlog

from src.core.logs import LogFormat, configure_logging


@pytest.mark.parametrize("log_format", ["json", "auto"])
def test_every_line_is_json_off_a_terminal(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    configure_logging("INFO", log_format)

    with structlog.contextvars.bound_contextvars(request_id="abc"):
        structlog.stdlib.get_logger("app").info("Paid", amount=7)
        logging.getLogger("library").warning("two\n%s", "lines", extra={"amount": 7})
    logging.getLogger("uvicorn.error").info("Started", extra={"color_message": "\x1b[1m"})
    logging.getLogger("uvicorn.access").info("Not again")
    structlog.stdlib.get_logger("app").debug("Too much")

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert all(line.pop("timestamp").endswith("Z") for line in lines)
    assert lines == [
        {"event": "Paid", "level": "info", "logger": "app", "request_id": "abc", "amount": 7},
        {
            "event": "two\nlines",
            "level": "warning",
            "logger": "library",
            "request_id": "abc",
            "amount": 7,
        },
        {"event": "Started", "level": "info", "logger": "uvicorn.error"},
    ]


def test_a_warning_of_python_is_a_line_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    # For every test, pytest takes the warnings to itself.
    logging.captureWarnings(capture=False)
    configure_logging("INFO", "json")

    warnings.showwarning("Do not", UserWarning, "there.py", 7)

    [line] = map(json.loads, capsys.readouterr().err.splitlines())
    assert line["level"] == "warning"
    assert "there.py:7: UserWarning: Do not" in line["event"]


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_an_error_has_its_traceback_without_the_values_of_variables(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    configure_logging("INFO", log_format)
    value = "kept back"

    try:
        len(value, value)  # type: ignore[call-arg]
    except TypeError:
        logging.getLogger("app").exception("Failed")

    printed = capsys.readouterr().err
    assert "Traceback (most recent call last)" in printed
    assert "len(value, value)" in printed
    assert "kept back" not in printed


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "text")

    structlog.stdlib.get_logger("app").info("Paid", amount=7)

    printed = capsys.readouterr().err
    assert "Paid" in printed
    assert "amount=7" in printed
    assert "\x1b" not in printed
