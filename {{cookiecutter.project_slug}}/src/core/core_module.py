"""What the app gets from `src.core`, wired in one place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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
        except (DBAPIError, OSError) as error:
            where = config.engine.url.render_as_string(hide_password=True)
            reason = getattr(error, "orig", error)
            message = f"cannot make the tables in {where} ({reason}); see the README on settings"
            raise ConnectionError(message) from None
    yield
    await config.dispose()


def install(http_server: FastAPI) -> None:
    """Give the server what every request needs."""
    install_error_handlers(http_server)
    install_openapi(http_server)
    http_server.add_middleware(
        RequestMiddleware,
        max_body_bytes=settings.max_body_bytes,
        seconds=settings.request_timeout,
    )
