"""Logging with structlog, which also formats the log entries of Python's logging.

Drivers and pydantic quote values of rows and inputs in their errors. The log omits these values.
"""

import json
import logging
import re
import sys
import traceback
from typing import Any, Literal

import structlog
{% if cookiecutter.telemetry == "opentelemetry" %}
from opentelemetry import trace
{% endif %}
from pydantic_core import PydanticSerializationError, to_json
from structlog.contextvars import merge_contextvars
from structlog.types import EventDict, ExcInfo, FilteringBoundLogger, Processor, WrappedLogger

LogFormat = Literal["auto", "json", "text"]

# In the traceback of an exception group, "|" and "+-" frame each error.
DRIVER = r"^[ |]*(?:aiomysql|asyncpg|pymysql|sqlalchemy|sqlite3)\.\S+: "
#: The words before a value in a driver's message.
WORD = r"query argument \$\d+:|(?:entry|value:?|in|near|:)(?= \\?['\"])"
END = r"\n[ |]*(?:\[SQL: |\+-|\n[ |]*(?:The above|During handling))|\Z"
#: A driver's message. Only its first line is kept, up to the value: PostgreSQL's DETAIL on the next
#: line contains the whole row.
MESSAGE = re.compile(rf"({DRIVER}.*?(?:{WORD}|$))(?!{END})(?s:.+?)(?={END})", re.MULTILINE)
#: Values quoted by SQLAlchemy, pydantic and FastAPI.
INPUT = re.compile(r"(\[parameters:|input_value=|'input':).*")
stamp = structlog.processors.TimeStamper(fmt="iso")


def configure_logging(level: str, log_format: LogFormat) -> None:
    """Log to stderr: each entry with its timestamp, level, logger and request id.

    This replaces the configuration of PyNest, which sets the root logger to DEBUG on import.

    Args:
        level: the lowest level to log, such as `INFO`.
        log_format: `json` for one JSON object per line, `text` for people, or `auto` for text on a
            terminal and JSON otherwise.
    """
    stdlib = structlog.stdlib
    formatter = stdlib.ProcessorFormatter
    common: list[Processor] = [merge_contextvars, stdlib.add_log_level, stdlib.add_logger_name]
    common += [stdlib.ExtraAdder(), _drop_colors, stamp]
{% if cookiecutter.telemetry == "opentelemetry" %}
    common.append(_add_span)
{% endif %}
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
        # RequestMiddleware already logs each request.
        logger.propagate = name != "uvicorn.access"
    logging.getLogger("uvicorn.error").addFilter(_hide_credentials)
    # httpx logs whole URLs, including API keys in the query.
    for name in ("alembic", "alembic.runtime.plugins", "httpx", "pynest"):
        logging.getLogger(name).setLevel(logging.WARNING)
{% if cookiecutter.telemetry == "opentelemetry" %}
    # OpenTelemetry's API quotes the headers of clients, such as baggage, once for each mistake.
    # urllib3 quotes the collector's address, whose query may have an API key.
    for name in ("opentelemetry.baggage", "opentelemetry.trace", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
{% endif %}
    # PyNest's decorator logs every call, and also failures, which src.core.errors already logs.
    logging.getLogger("nest.core.decorators.database").setLevel(logging.CRITICAL)


def create_request_logger(level: str, log_format: LogFormat) -> FilteringBoundLogger:
    """Create the logger for the request log.

    It writes to stderr directly, since Python's logging takes three times as long per request.

    Args:
        level: as for `configure_logging`.
        log_format: as for `configure_logging`.
    """
    processors: list[Processor] = [merge_contextvars, structlog.processors.add_log_level, stamp]
{% if cookiecutter.telemetry == "opentelemetry" %}
    processors.append(_add_span)
{% endif %}
    processors += _rendering(log_format)
    wrapper = structlog.make_filtering_bound_logger(level)
    writer = structlog.WriteLogger(sys.stderr)
    logger: FilteringBoundLogger = structlog.wrap_logger(writer, processors, wrapper)
    # Keep the name from 0.1.0: people filter their logs by it.
    return logger.bind(logger="src.core.middleware")


def format_exception(exc_info: ExcInfo) -> str:
    """Format a traceback like Python, but without values of rows and inputs."""
    return _scrub(traceback.format_exception(exc_info[1]))


def describe(error: BaseException) -> str:
    """Return an error's class and message, without values of rows and inputs."""
    return _scrub(traceback.format_exception_only(error))


{% if cookiecutter.telemetry == "opentelemetry" %}
def scrub(text: str) -> str:
    """Return an error's message or traceback without values of rows and inputs."""
    return _scrub([text])


{% endif %}
def _hide_credentials(record: logging.LogRecord) -> bool:
    """Drop the headers and the messages of WebSockets, and the queries in uvicorn's entries."""
    if "WebSocket" in str(record.msg):
        record.msg, record.args = re.sub(r'\?[^ ]*"', '"', record.getMessage()), ()
    return record.levelno >= logging.INFO


def _scrub(lines: list[str]) -> str:
    return INPUT.sub(r"\1 ...", MESSAGE.sub(r"\1 ...", "".join(lines).rstrip()))


def _rendering(log_format: LogFormat) -> list[Processor]:
    terminal = sys.stderr.isatty()
    renderer: Processor = structlog.processors.JSONRenderer(_to_json)
    if log_format == "text" or (log_format == "auto" and terminal):
        # structlog's own tracebacks show the values of variables, including secrets.
        plain = structlog.dev.plain_traceback
        renderer = structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=plain)
    return [structlog.processors.ExceptionRenderer(format_exception), renderer]


def _to_json(event: EventDict, **options: Any) -> str:
    try:
        return to_json(event, fallback=repr).decode()
    except PydanticSerializationError:
        # pydantic rejects lone surrogates, which json escapes.
        return json.dumps(event, **options)


def _drop_colors(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop the coloured copy of uvicorn's message."""
    event.pop("color_message", None)
    return event
{% if cookiecutter.telemetry == "opentelemetry" %}


def _add_span(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the ids of the current span, if there is one."""
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = trace.format_trace_id(span.trace_id)
        event["span_id"] = trace.format_span_id(span.span_id)
    return event
{% endif %}
