import asyncio
import json
import logging
import warnings

import pydantic
import pytest
import structlog
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError
from src.core.logs import LogFormat, configure_logging, create_request_logger

SECRET = "kept back"  # noqa: S105  # a fake secret


@pytest.mark.parametrize("log_format", ["json", "auto"])
def test_log_is_json_without_a_terminal(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    configure_logging("INFO", log_format)
    requests = create_request_logger("INFO", log_format)

    with structlog.contextvars.bound_contextvars(request_id="abc"):
        structlog.stdlib.get_logger("app").info("Paid", amount=7)
        logging.getLogger("library").warning("two\n%s", "lines", extra={"amount": 7})
        requests.info("Request", status=200)
    logging.getLogger("uvicorn.error").info("Started", extra={"color_message": "\x1b[1m"})
    logging.getLogger("uvicorn.access").info("Not again")
    structlog.stdlib.get_logger("app").debug("Too much")
    requests.debug("Too much")

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert all(line.pop("timestamp").endswith("Z") for line in lines)
    by_request = {"request_id": "abc", "amount": 7}
    assert lines == [
        {"event": "Paid", "level": "info", "logger": "app", **by_request},
        {"event": "two\nlines", "level": "warning", "logger": "library", **by_request},
        {
            "event": "Request",
            "level": "info",
            "logger": "src.core.middleware",
            "request_id": "abc",
            "status": 200,
        },
        {"event": "Started", "level": "info", "logger": "uvicorn.error"},
    ]


def test_request_log_obeys_the_level(capsys: pytest.CaptureFixture[str]) -> None:
    create_request_logger("WARNING", "json").info("Request")

    assert capsys.readouterr().err == ""


def test_lone_surrogate_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "json")

    logging.getLogger("app").info("\ud800")

    assert json.loads(capsys.readouterr().err)["event"] == "\ud800"


def test_python_warning_is_one_entry(capsys: pytest.CaptureFixture[str]) -> None:
    # pytest captures warnings, so let the log capture them again.
    logging.captureWarnings(capture=False)
    configure_logging("INFO", "json")

    warnings.showwarning("Do not", UserWarning, "there.py", 7)

    [line] = map(json.loads, capsys.readouterr().err.splitlines())
    assert line["level"] == "warning"
    assert "there.py:7: UserWarning: Do not" in line["event"]


def test_text_format_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "text")

    structlog.stdlib.get_logger("app").info("Paid", amount=7)
    create_request_logger("INFO", "text").info("Request", status=200)

    printed = capsys.readouterr().err
    assert "Paid" in printed
    assert "amount=7" in printed
    assert "status=200" in printed
    assert "\x1b" not in printed


def print_error(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat, error: BaseException
) -> str:
    configure_logging("INFO", log_format)
    structlog.stdlib.get_logger("app").error("Failed", exc_info=error)
    printed = capsys.readouterr().err
    if log_format == "json":
        printed = json.loads(printed)["exception"]
    return printed


async def fail_twice() -> None:
    value = SECRET
    try:
        len(value, value)  # type: ignore[call-arg]  # it must fail
    except TypeError as error:
        error.add_note("A note.")
        raise KeyError("key") from error


@pytest.mark.parametrize("log_format", ["json", "text"])
async def test_traceback_equals_pythons_own(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    async def fail_in_group() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(fail_twice())

    with pytest.raises(Exception, match="TaskGroup") as caught:
        await fail_in_group()

    printed = print_error(capsys, log_format, caught.value)

    assert "Traceback (most recent call last)" in printed
    assert "len(value, value)" in printed
    assert "TypeError: len() takes exactly one argument (2 given)\n" in printed
    assert "A note." in printed
    assert "The above exception was the direct cause" in printed
    assert printed.count("KeyError: 'key'") == 2
    assert "ExceptionGroup: unhandled errors in a TaskGroup (2 sub-exceptions)" in printed
    assert SECRET not in printed


def make_driver_error(name: str, module: str, message: object) -> Exception:
    error: Exception = type(name, (Exception,), {"__module__": module})(message)
    return error


@pytest.mark.parametrize("log_format", ["json", "text"])
@pytest.mark.parametrize(
    ("module", "message", "shown"),
    [
        (
            "asyncpg.exceptions",
            f'new row violates check constraint "ck_a"\nDETAIL:  Failing row contains ({SECRET}).',
            'violates check constraint "ck_a"',
        ),
        (
            "asyncpg.exceptions",
            f"invalid input for query argument $1: '{SECRET}' ('str' object cannot be)",
            "invalid input for query argument $1: ...",
        ),
        (
            "asyncpg.exceptions",
            f'invalid input syntax for type integer: "{SECRET}"',
            "invalid input syntax for type integer: ...",
        ),
        (
            "asyncpg.exceptions",
            f'value "{SECRET}" is out of range for type integer',
            "value ...",
        ),
        (
            "pymysql.err",
            (1062, f"Duplicate entry '{SECRET}' for key 'uq_a'"),
            "Duplicate entry ...",
        ),
        (
            "pymysql.err",
            (1062, f"Duplicate entry '\"{SECRET}' for key 'uq_a'"),
            "Duplicate entry ...",
        ),
        (
            "asyncpg.exceptions",
            f"too long\nDETAIL:  Failing row contains (a\n\nb, {SECRET}\n).",
            "too long ...",
        ),
        (
            "pymysql.err",
            (1366, f"Incorrect integer value: '{SECRET}' for column `a`.`b`"),
            "Incorrect integer value: ...",
        ),
        (
            "pymysql.err",
            (1064, f"You have an error in your SQL syntax; near '{SECRET}' at line 1"),
            "near ...",
        ),
        ("sqlite3", "UNIQUE constraint failed: a.b", "UNIQUE constraint failed: a.b"),
        ("pymysql.err", (1054, "Unknown column 'b'"), "Unknown column 'b'"),
    ],
)
def test_log_has_no_values_of_rows(
    capsys: pytest.CaptureFixture[str],
    log_format: LogFormat,
    module: str,
    message: object,
    shown: str,
) -> None:
    driver = make_driver_error("Error", module, message)
    for kind in (DBAPIError, IntegrityError):
        wrapped = kind("INSERT INTO a VALUES ($1)", {"b": SECRET}, driver)
        wrapped.__cause__ = driver
        error = RuntimeError("outside")
        error.__context__ = wrapped

        printed = print_error(capsys, log_format, error)

        assert shown.replace("'", "") in printed.replace("'", "")
        assert "[SQL: INSERT INTO a VALUES ($1)]" in printed
        assert SECRET not in printed


class Model(pydantic.BaseModel):
    number: int


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_log_has_no_values_of_inputs(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        Model.model_validate({"number": SECRET})
    errors = caught.value.errors()

    for error in (caught.value, RequestValidationError(errors), ResponseValidationError(errors)):
        printed = print_error(capsys, log_format, error)

        assert "Input should be a valid integer" in printed
        assert SECRET not in printed
