"""What the app gets from `src.core`, wired in one place."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from nest.core import Module
from sqlalchemy.exc import DBAPIError

from src.config import config, settings

from .errors import install_error_handlers
from .health_controller import HealthController
from .logs import configure_logging
from .middleware import RequestMiddleware
from .openapi import install_openapi

# Before the app is made: PyNest logs while it makes it.
configure_logging(settings.log_level, settings.log_format)
if settings.db_echo:
    # Not the engine's own echo: it prints beside the log.
    logging.getLogger("sqlalchemy.engine").setLevel(logging.INFO)


@Module(controllers=[HealthController])
class CoreModule:
    """The controllers of `src.core`."""


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Make the tables at start, and close the database's connections at shutdown.

    Raises:
        ConnectionError: the database cannot be used; with its address and the reason.
    """
    if settings.db_create_all:
        try:
            await config.create_all()
        except Exception as error:
            known = isinstance(error, (DBAPIError, OSError))
            # asyncpg's own errors are none of these.
            if not known and not hasattr(error, "sqlstate"):
                raise
            where = config.engine.url.render_as_string(hide_password=True)
            reason = str(getattr(error, "orig", error)) or "no answer in time"
            message = f"cannot make the tables in {where} ({reason}); see the README on settings"
            raise ConnectionError(message) from None
    # What has been made so far stays: the collector need not look through it ever again.
    gc.freeze()
    try:
        yield
    finally:
        # asyncpg waits for the server's good-bye, however long.
        with suppress(TimeoutError):
            await asyncio.wait_for(config.dispose(), settings.db_connect_timeout)


def install(http_server: FastAPI) -> None:
    """Give the server what every request needs."""
    install_error_handlers(http_server)
    install_openapi(http_server)
    http_server.add_middleware(
        RequestMiddleware,
        max_body_bytes=settings.max_body_bytes,
        seconds=settings.request_timeout,
    )
