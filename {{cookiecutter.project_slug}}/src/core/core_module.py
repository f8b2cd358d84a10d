"""The connection between the app and `src.core`: middleware, errors, health checks, lifespan."""

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from types import FrameType

from fastapi import FastAPI
from nest.core import Module
from starlette.datastructures import State
from starlette.middleware.cors import CORSMiddleware

{% if cookiecutter.auth == "oidc" %}
from .auth import check_routes, install_auth
{% endif %}
from .database import DatabaseProvider
from .errors import install_error_handlers
from .http.health_controller import HealthController
from .http.middleware import RequestMiddleware, SizeLimitMiddleware
from .http.openapi import install_docs, install_openapi
from .logs import create_request_logger
from .routing import order_routes
from .settings import CoreSettings
{% if cookiecutter.telemetry == "opentelemetry" %}
from .telemetry import install_telemetry, start_exporters, stopping
{% endif %}

#: Seconds to close the connections at shutdown. asyncpg would wait forever for a hanging server.
DISPOSE_TIMEOUT = 5


@Module(controllers=[HealthController])
class CoreModule:
    """The controllers of `src.core`."""


def setup_app(
    http_server: FastAPI,
    config: DatabaseProvider,
    settings: CoreSettings,
    *,
    short_operation_ids: bool = True,
) -> None:
    """Add the middleware, the error handlers and the OpenAPI schema to the app.

    Args:
        http_server: the FastAPI app that `PyNestFactory` created.
        config: the database provider, available to requests as `request.app.state.config`.
        settings: the settings, available to requests as `request.app.state.settings`.
        short_operation_ids: name the operations in the OpenAPI schema after their methods, such as
            `getExample`. Otherwise they have FastAPI's ids, such as
            `get_example_examples__example_id__get`.
    """
    http_server.state.config = config
    http_server.state.settings = settings
    http_server.state.is_stopping = False
    if settings.db_echo:
        # `echo=True` on the engine would add a handler that bypasses the log format.
        logging.getLogger("sqlalchemy.engine").setLevel(logging.INFO)
    install_error_handlers(http_server)
{% if cookiecutter.auth == "oidc" %}
    install_auth(http_server, settings)
{% endif %}
    install_openapi(http_server, short_ids=short_operation_ids)
    install_docs(http_server, is_enabled=settings.api_docs)
    # Starlette calls the last added middleware first: the request log must see every response.
    http_server.add_middleware(SizeLimitMiddleware, max_body_bytes=settings.max_body_bytes)
    logger = create_request_logger(settings.log_level, settings.log_format)
    http_server.add_middleware(
        RequestMiddleware,
        logger=logger,
        seconds=settings.request_timeout,
        state=http_server.state,
    )
{% if cookiecutter.telemetry == "opentelemetry" %}
    # Around the request log, so that its entries have the span's ids.
    install_telemetry(http_server, config)
{% endif %}
    if settings.cors_origins:
        # Outermost: browsers hide a response without these headers, errors included. Without
        # credentials, no site can use a visitor's cookies.
        http_server.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Location", "Retry-After", "WWW-Authenticate", "X-Request-ID"],
        )


def install(http_server: FastAPI) -> None:
    """Call `setup_app` with the project's configuration. An `app_module.py` of 0.1.0 calls this."""
    from src.config import config, settings  # noqa: PLC0415  # only 0.1.0 needs it

    # Clients that were generated from the schema of 0.1.0 keep the names of their functions.
    setup_app(http_server, config, settings, short_operation_ids=False)


@asynccontextmanager
async def lifespan(http_server: FastAPI) -> AsyncIterator[None]:
    """Create the tables at startup, and close the database connections at shutdown.

    Raises:
        ConnectionError, TimeoutError: the tables can't be created; the message is one line.
{% if cookiecutter.auth == "oidc" %}
        ValueError: a route hides another one, or ignores its guards; the message names it.
{% else %}
        ValueError: a route hides another one; the message names both.
{% endif %}
    """
    state = http_server.state
    order_routes(http_server)
{% if cookiecutter.auth == "oidc" %}
    check_routes(http_server)
{% endif %}
    if state.settings.db_create_all:
        await state.config.create_all()
{% if cookiecutter.auth == "oidc" %}
    state.issuer.start()
{% endif %}
{% if cookiecutter.telemetry == "opentelemetry" %}
    exporters = start_exporters(http_server.version)
{% endif %}
    try:
        with delay_shutdown(state, state.settings.shutdown_delay):
            yield
    finally:
{% if cookiecutter.auth == "oidc" %}
        state.issuer.stop()
{% endif %}
{% if cookiecutter.telemetry == "opentelemetry" %}
        with stopping(exporters), suppress(TimeoutError):
{% else %}
        with suppress(TimeoutError):
{% endif %}
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
