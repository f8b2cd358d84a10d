"""Logging: structlog's, which takes in all that goes through Python's own logging."""

import logging
import sys
from typing import Literal

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

LogFormat = Literal["auto", "json", "text"]


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
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    rendering: list[Processor]
    if log_format == "json" or (log_format == "auto" and not terminal):
        rendering = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Not structlog's own tracebacks: they show the values of variables, secrets among them.
        plain = structlog.dev.plain_traceback
        rendering = [structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=plain)]

    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
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


def _tame_libraries() -> None:
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        # src.core.middleware has a line for each request already.
        logger.propagate = name != "uvicorn.access"
    # httpx logs addresses whole, with whatever key their query has.
    for name in ("alembic", "alembic.runtime.plugins", "httpx", "pynest"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It logs every call, and every failure without a traceback; src.core.errors does better.
    logging.getLogger("nest.core.decorators.database").setLevel(logging.CRITICAL)


def _drop_colors(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop the copy of its message that uvicorn hands over in colours."""
    event.pop("color_message", None)
    return event
