"""The connection between the app and `src.core`: middleware, errors, health checks, lifespan."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from nest.core import Module
from sqlalchemy.exc import DBAPIError

from .database import DatabaseProvider
from .errors import install_error_handlers
from .http.health_controller import HealthController
from .http.middleware import RequestMiddleware, SizeLimitMiddleware
from .http.openapi import install_docs, install_openapi
from .logs import create_request_logger
from .routing import order_routes
from .settings import CoreSettings

#: Seconds to close the connections at shutdown. asyncpg would wait forever for a hanging server.
DISPOSE_TIMEOUT = 5


@Module(controllers=[HealthController])
class CoreModule:
    """The controllers of `src.core`."""


def setup_app(http_server: FastAPI, config: DatabaseProvider, settings: CoreSettings) -> None:
    """Add the middleware, the error handlers and the OpenAPI schema to the app.

    Args:
        http_server: the FastAPI app that `PyNestFactory` created.
        config: the database provider, available to requests as `request.app.state.config`.
        settings: the settings, available to requests as `request.app.state.settings`.
    """
    http_server.state.config = config
    http_server.state.settings = settings
    if settings.db_echo:
        # `echo=True` on the engine would add a handler that bypasses the log format.
        logging.getLogger("sqlalchemy.engine").setLevel(logging.INFO)
    install_error_handlers(http_server)
    install_openapi(http_server)
    install_docs(http_server, is_enabled=settings.api_docs)
    # Starlette calls the last added middleware first: the request log must see every response.
    http_server.add_middleware(SizeLimitMiddleware, max_body_bytes=settings.max_body_bytes)
    logger = create_request_logger(settings.log_level, settings.log_format)
    http_server.add_middleware(RequestMiddleware, logger=logger, seconds=settings.request_timeout)


def install(http_server: FastAPI) -> None:
    """Call `setup_app` with the project's configuration. An `app_module.py` of 0.1.0 calls this."""
    from src.config import config, settings  # noqa: PLC0415  # only 0.1.0 needs it

    setup_app(http_server, config, settings)


@asynccontextmanager
async def lifespan(http_server: FastAPI) -> AsyncIterator[None]:
    """Create the tables at startup, and close the database connections at shutdown.

    Raises:
        ConnectionError: the tables can't be created; the message has the address and the reason.
        ValueError: a route hides another one; the message names both.
    """
    state = http_server.state
    order_routes(http_server)
    try:
        if state.settings.db_create_all:
            await state.config.create_all()
    except Exception as error:
        # asyncpg has its own errors, which projects on other databases can't import.
        if not isinstance(error, (DBAPIError, OSError)) and not hasattr(error, "sqlstate"):
            raise
        reason = str(getattr(error, "orig", error)) or "no response in time"
        # A URL's repr hides the password.
        message = f"cannot create the tables in {state.config.engine.url!r} ({reason})"
        raise ConnectionError(f"{message}; see docs/database.md") from None
    try:
        yield
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(state.config.dispose(), DISPOSE_TIMEOUT)
