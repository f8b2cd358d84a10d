"""Logging: structlog, which also formats what libraries log through Python's logging.

Values of rows and inputs stay out of the log, even if a driver or pydantic quotes them in an error.
"""

import json
import logging
import re
import sys
import traceback
from typing import Any, Literal

import structlog
from pydantic_core import PydanticSerializationError, to_json
from structlog.contextvars import merge_contextvars
from structlog.types import EventDict, ExcInfo, FilteringBoundLogger, Processor, WrappedLogger

LogFormat = Literal["auto", "json", "text"]

# In a traceback, "|" and "+-" frame the errors of a group.
DRIVER = r"^[ |]*(?:aiomysql|asyncpg|pymysql|sqlalchemy|sqlite3)\.\S+: "
#: The words in front of a value.
WORD = r"query argument \$\d+:|(?:entry|value:?|in|near|:)(?= \\?['\"])"
END = r"\n[ |]*(?:\[SQL: |\+-|\n[ |]*(?:The above|During handling))|\Z"
#: A driver's message, of which one line without a value stays. PostgreSQL's DETAIL, which has the
#: whole row, is on the next.
MESSAGE = re.compile(rf"({DRIVER}.*?(?:{WORD}|$))(?!{END})(?s:.+?)(?={END})", re.MULTILINE)
#: The values that SQLAlchemy, pydantic and FastAPI quote.
INPUT = re.compile(r"(\[parameters:|input_value=|'input':).*")
stamp = structlog.processors.TimeStamper(fmt="iso")


def configure_logging(level: str, log_format: LogFormat) -> None:
    """Log to stderr: each event with its time, level, logger and request id.

    This replaces PyNest's configuration, which sets all of Python's logging to DEBUG on import.

    Args:
        level: the lowest level that is logged, for example `INFO`.
        log_format: `json` for one line of JSON for each event, `text` for people, `auto` for text
            on a terminal and JSON elsewhere.
    """
    stdlib = structlog.stdlib
    formatter = stdlib.ProcessorFormatter
    common: list[Processor] = [merge_contextvars, stdlib.add_log_level, stdlib.add_logger_name]
    common += [stdlib.ExtraAdder(), _drop_colors, stamp]
    rendering = [formatter.remove_processors_meta, *_rendering(log_format)]
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(processors=rendering, foreign_pre_chain=common))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[stdlib.filter_by_level, *common, formatter.wrap_for_formatter],
        logger_factory=stdlib.LoggerFactory(),
        wrapper_class=stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        # The request log has an entry for each request already.
        logger.propagate = name != "uvicorn.access"
    # httpx logs whole URLs, with any key in their query.
    for name in ("alembic", "alembic.runtime.plugins", "httpx", "pynest"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It logs each call, and each failure without a traceback, which src.core.errors logs with one.
    logging.getLogger("nest.core.decorators.database").setLevel(logging.CRITICAL)


def create_request_logger(level: str, log_format: LogFormat) -> FilteringBoundLogger:
    """Create the logger of the request log, which writes to stderr directly.

    Python's logging would take three times as long, and each request has an entry.

    Args:
        level: as for `configure_logging`.
        log_format: as for `configure_logging`.
    """
    processors: list[Processor] = [merge_contextvars, structlog.processors.add_log_level, stamp]
    processors += _rendering(log_format)
    wrapper = structlog.make_filtering_bound_logger(level)
    writer = structlog.WriteLogger(sys.stderr)
    logger: FilteringBoundLogger = structlog.wrap_logger(writer, processors, wrapper)
    # The name since 0.1.0, by which people find these entries.
    return logger.bind(logger="src.core.middleware")


def format_exception(exc_info: ExcInfo) -> str:
    """Format a traceback as Python does, without values of rows and inputs."""
    return _scrub(traceback.format_exception(exc_info[1]))


def describe(error: BaseException) -> str:
    """Return an error's class and message, without values of rows and inputs."""
    return _scrub(traceback.format_exception_only(error))


def _scrub(lines: list[str]) -> str:
    return INPUT.sub(r"\1 ...", MESSAGE.sub(r"\1 ...", "".join(lines).rstrip()))


def _rendering(log_format: LogFormat) -> list[Processor]:
    terminal = sys.stderr.isatty()
    renderer: Processor = structlog.processors.JSONRenderer(_to_json)
    if log_format == "text" or (log_format == "auto" and terminal):
        # structlog's own tracebacks show the values of variables, secrets among them.
        plain = structlog.dev.plain_traceback
        renderer = structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=plain)
    return [structlog.processors.ExceptionRenderer(format_exception), renderer]


def _to_json(event: EventDict, **options: Any) -> str:
    try:
        return to_json(event, fallback=repr).decode()
    except PydanticSerializationError:
        # A lone surrogate, for example.
        return json.dumps(event, **options)


def _drop_colors(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop uvicorn's second copy of its message, which has colours."""
    event.pop("color_message", None)
    return event
