"""ASGI middleware: request ids, the request log, and limits for time and size."""

import asyncio
import re
import sys
import time
from contextlib import suppress
from functools import partial
from random import getrandbits
from urllib.parse import quote

from fastapi import HTTPException, Request
from starlette.datastructures import Headers, MutableHeaders, State
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars
from structlog.types import FilteringBoundLogger

from src.core.errors import respond_to

HEADER = "X-Request-ID"
REQUEST_ID = re.compile(r"[\w.:@/+=-]{1,128}", re.ASCII)
#: FastAPI needs one second to parse 5,000 query parameters, and four seconds for 10,000.
MAX_PARAMETERS = 1000


class RequestMiddleware:
    """Add a request id, a log entry, a time limit and error handling to each request.

    The id is the client's `X-Request-ID` if it is safe to log, otherwise a new one.

    Args:
        app: the next ASGI app.
        logger: the logger for the request log.
        seconds: the time limit for the start of the response. Its body has no limit, so downloads
            and event streams may take longer.
        state: the app's state; once it `is_stopping`, each response closes its connection.
    """

    def __init__(
        self,
        app: ASGIApp,
        logger: FilteringBoundLogger,
        seconds: float,
        state: State | None = None,
    ) -> None:
        self.app = app
        self.logger = logger
        self.seconds = seconds
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, partial(send_reason, send))
            return
        start = time.perf_counter()
        request_id = Headers(scope=scope).get(HEADER, "")
        if not REQUEST_ID.fullmatch(request_id):
            request_id = f"{getrandbits(128):032x}"
        limit = asyncio.timeout(self.seconds)
        status: int | None = None
        is_logged = False

        async def send_with_id(message: Message) -> None:
            nonlocal status, is_logged
            if message["type"] == "http.response.start":
                # Convert an HTTPStatus, which would be logged by its name.
                status = int(message["status"])
                self._set_headers(message, request_id)
                # An error response may start after the limit has expired; this then raises.
                with suppress(RuntimeError):
                    limit.reschedule(None)
            await send(message)
            # Log with the last chunk: the app only returns after its background tasks.
            if message["type"] == "http.response.body" and not message.get("more_body"):
                is_logged = True
                self._log(scope, status, start)

        with bound_contextvars(request_id=request_id):
            try:
                async with limit:
                    await self.app(scope, receive, send_with_id)
            except Exception as error:  # noqa: BLE001  # every error needs a response
                if isinstance(error, TimeoutError) and limit.expired():
                    error.args = ("REQUEST_TIMEOUT",)
                response = await respond_to(Request(scope, receive), error)
                if status is None:
                    await response(scope, receive, send_with_id)
            finally:
                if not is_logged:
                    self._log(scope, status, start)

    def _set_headers(self, message: Message, request_id: str) -> None:
        headers = MutableHeaders(scope=message)
        headers[HEADER] = request_id
        # Browsers then never treat a response as HTML or a script, unless it is declared as such.
        headers["X-Content-Type-Options"] = "nosniff"
        if getattr(self.state, "is_stopping", False):
            # The client's next request then reaches another instance.
            headers["Connection"] = "close"

    def _log(self, scope: Scope, status: int | None, start: float) -> None:
        # A full disk or a closed pipe must not break responses.
        with suppress(OSError, ValueError):
            duration = round((time.perf_counter() - start) * 1000, 1)
            route = getattr(scope.get("route"), "path", None)
            request = {"method": scope["method"], "route": route, "path": quote(scope["path"])}
            self.logger.info("Request", **request, status=status, duration_ms=duration)


async def send_reason(send: Send, message: Message) -> None:
    """Replace Starlette's traceback by one line if the database caused a failed startup."""
    # Starlette sends the message while it handles the error.
    error = sys.exception()
    is_explained = type(error) in (ConnectionError, TimeoutError) and str(error)
    if message["type"] == "lifespan.startup.failed" and is_explained:
        message = {**message, "message": str(error)}
    await send(message)


class SizeLimitMiddleware:
    """Reject bodies that are too large with 413, and queries with too many parameters with 414.

    Args:
        app: the next ASGI app.
        max_body_bytes: the maximum size of a body.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = 0

        async def receive_limited() -> Message:
            """Count the bytes, since a chunked body has no Content-Length."""
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_body_bytes:
                raise HTTPException(413)
            return message

        if scope["type"] == "http":
            if scope["query_string"].count(b"&") >= MAX_PARAMETERS:
                raise HTTPException(414, f"The query has more than {MAX_PARAMETERS} parameters.")
            length = Headers(scope=scope).get("Content-Length", "0")
            if not length.isdecimal():
                raise HTTPException(400, "Content-Length must be a number.")
            # Servers accept any number of digits, but int() raises ValueError above 4,300.
            if int(length.lstrip("0")[:19] or 0) > self.max_body_bytes:
                raise HTTPException(413)
        await self.app(scope, receive_limited, send)
