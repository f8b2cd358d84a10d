"""Everything the app gets from `src.core`, wired in one place."""

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from types import FrameType

from fastapi import FastAPI
from nest.core import Module
from sqlalchemy.exc import DBAPIError
from starlette.datastructures import State

from .database import DatabaseProvider
from .errors import install_error_handlers
from .http.health_controller import HealthController
from .http.middleware import RequestMiddleware, SizeLimitMiddleware
from .http.openapi import install_openapi
from .logs import create_request_logger
from .routing import order_routes
from .settings import CoreSettings

#: Seconds to close the connections at shutdown: asyncpg waits for the server's goodbye.
DISPOSE_TIMEOUT = 5


@Module(controllers=[HealthController])
class CoreModule:
    """The controllers of `src.core`."""


def setup_app(http_server: FastAPI, config: DatabaseProvider, settings: CoreSettings) -> None:
    """Give the server everything that each request needs.

    Args:
        http_server: the app that `PyNestFactory` created.
        config: the database provider; requests find it as `request.app.state.config`.
        settings: the settings; requests find them as `request.app.state.settings`.
    """
    http_server.state.config = config
    http_server.state.settings = settings
    http_server.state.is_stopping = False
    if settings.db_echo:
        # The engine's own echo would bypass the log's format.
        logging.getLogger("sqlalchemy.engine").setLevel(logging.INFO)
    install_error_handlers(http_server)
    install_openapi(http_server)
    # The last one added is called first.
    http_server.add_middleware(SizeLimitMiddleware, max_body_bytes=settings.max_body_bytes)
    logger = create_request_logger(settings.log_level, settings.log_format)
    http_server.add_middleware(
        RequestMiddleware,
        logger=logger,
        seconds=settings.request_timeout,
        state=http_server.state,
    )


def install(http_server: FastAPI) -> None:
    """Call `setup_app` with the project's configuration, as an `app_module.py` of 0.1.0 expects."""
    from src.config import config, settings  # noqa: PLC0415  # only 0.1.0 needs it

    setup_app(http_server, config, settings)


@asynccontextmanager
async def lifespan(http_server: FastAPI) -> AsyncIterator[None]:
    """Create the tables at startup, and close the database's connections at shutdown.

    Raises:
        ConnectionError: the database can't be used; the message has its address and the reason.
        ValueError: a route hides another one; the message names both.
    """
    state = http_server.state
    order_routes(http_server)
    try:
        if state.settings.db_create_all:
            await state.config.create_all()
    except Exception as error:
        # asyncpg's own errors have no base class that projects on other databases could import.
        if not isinstance(error, (DBAPIError, OSError)) and not hasattr(error, "sqlstate"):
            raise
        reason = str(getattr(error, "orig", error)) or "no answer in time"
        # A URL's repr hides the password.
        message = f"cannot create the tables in {state.config.engine.url!r} ({reason})"
        raise ConnectionError(f"{message}; see the README on settings") from None
    try:
        with delay_shutdown(state, state.settings.shutdown_delay):
            yield
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(state.config.dispose(), DISPOSE_TIMEOUT)


@contextmanager
def delay_shutdown(state: State, seconds: float) -> Iterator[None]:
    """On SIGTERM, set `state.is_stopping` at once, and shut down after a delay.

    The server closes its socket as soon as it gets the signal, and the kernel then resets
    connections that wait to be accepted. A balancer needs some seconds to see that the service is
    not ready any more, and to send its requests elsewhere.

    Args:
        state: the app's state.
        seconds: the delay; 0 leaves the signal to the server.
    """
    # uvicorn has set its handler by now, in each of its workers.
    shut_down = signal.getsignal(signal.SIGTERM)
    is_main = threading.current_thread() is threading.main_thread()
    if not seconds or not callable(shut_down) or not is_main:
        yield
        return
    loop = asyncio.get_running_loop()

    def stop(number: int, frame: FrameType | None) -> None:
        # A process manager may send the signal to a worker and to its parent, which passes it on.
        if not state.is_stopping:
            state.is_stopping = True
            loop.call_soon_threadsafe(loop.call_later, seconds, shut_down, number, frame)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, shut_down)
