"""What the app gets from `src.core`, wired in one place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from nest.core import Module

from src.config import config, settings

from .errors import install_error_handlers
from .health_controller import HealthController
from .logs import configure_logging

# Before the app is made: PyNest logs while it makes it.
configure_logging(settings.log_level)


@Module(controllers=[HealthController])
class CoreModule:
    """The controllers and providers of `src.core`."""


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Make the tables at start, and close the database's connections at shutdown."""
    if settings.db_create_all:
        await config.create_all()
    yield
    await config.dispose()


def install(http_server: FastAPI) -> None:
    """Give the server what every request needs."""
    install_error_handlers(http_server)
