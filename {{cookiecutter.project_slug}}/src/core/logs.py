"""Logging: structlog's, which takes in all that goes through Python's own logging."""

import json
import logging
import sys
import time
from typing import Any, Literal

import structlog
from pydantic_core import PydanticSerializationError, to_json
from structlog.types import EventDict, Processor, WrappedLogger

LogFormat = Literal["auto", "json", "text"]

requests = logging.getLogger("src.core.middleware")
stamp = structlog.processors.TimeStamper(fmt="iso")


def configure_logging(level: str, log_format: LogFormat) -> None:
    """Log to stderr: each event with its time, level, logger and the id of the request.

    Takes back what PyNest does on import, which is to set all of Python's logging to DEBUG.

    Args:
        level: the least that is logged, `INFO` for one.
        log_format: `json` for a line of JSON each, `text` for people, `auto` for text on a
            terminal and JSON elsewhere.
    """
    terminal = sys.stderr.isatty()
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _drop_colors,
        stamp,
    ]
    rendering: list[Processor]
    if log_format == "json" or (log_format == "auto" and not terminal):
        rendering = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(_to_json),
        ]
    else:
        # Not structlog's own tracebacks: they show the values of variables, secrets among them.
        plain = structlog.dev.plain_traceback
        rendering = [structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=plain)]

    handler = logging.StreamHandler()
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=common,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *common,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    _tame_libraries()


def log_request(**event: Any) -> None:
    """Log that a request was answered: what a logger of structlog's does, in far less time.

    Args:
        event: what there is to say of it.
    """
    if requests.isEnabledFor(logging.INFO):
        event |= {"event": "Request", "level": "info", "logger": requests.name}
        merged = structlog.contextvars.merge_contextvars(None, "info", event)
        requests.handle(_RequestRecord(stamp(None, "info", merged)))


class _RequestRecord(logging.LogRecord):
    """An event that only has to be rendered."""

    #: What else a record has: all are of the same line, which nothing shows, and thread.
    COMMON = vars(logging.LogRecord(requests.name, logging.INFO, __file__, 0, "", None, None))

    event: EventDict

    def __init__(self, event: EventDict) -> None:
        now = time.time()
        more = {"msg": event, "event": event, "created": now, "msecs": int(now % 1 * 1000)}
        vars(self).update(self.COMMON, **more)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        if not isinstance(record, _RequestRecord):
            return super().format(record)
        # The others are for what only other records have.
        return str(self.processors[-1](None, "info", dict(record.event)))


def _to_json(event: EventDict, **options: Any) -> str:
    try:
        return to_json(event, fallback=repr).decode()
    except PydanticSerializationError:
        # Half of a character, for one.
        return json.dumps(event, **options)


def _tame_libraries() -> None:
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        # src.core.middleware has a line for each request already.
        logger.propagate = name != "uvicorn.access"
    # httpx logs addresses whole, with whatever key their query has.
    for name in ("alembic", "alembic.runtime.plugins", "httpx", "pynest", "src.core.pool"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It logs every call, and every failure without a traceback; src.core.errors does better.
    logging.getLogger("nest.core.decorators.database").setLevel(logging.CRITICAL)


def _drop_colors(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop the copy of its message that uvicorn hands over in colours."""
    event.pop("color_message", None)
    return event
