"""What the app does around every request, whichever its route."""

import asyncio
import re
import time
from collections.abc import Mapping
from random import getrandbits
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from .errors import respond_to
from .logs import log_request

HEADER = b"x-request-id"
REQUEST_ID = re.compile(rb"[\w.:@/+=-]{1,128}")
#: FastAPI takes a second to look through five thousand, and four times that for ten.
MAX_PARAMETERS = 1000


class RequestMiddleware:
    """Gives each request an id, a line in the log, and limits to its body and its time.

    Args:
        app: what answers the request.
        max_body_bytes: the largest body that is taken; a larger one is answered with 413.
        seconds: how long the app may take to begin its response before it is stopped, and
            the client told 503.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, seconds: float) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Servers give their names in lower case.
        headers = dict(scope["headers"])
        # The caller's id, or that of the proxy, where it is fit for a log.
        given = headers.get(HEADER, b"")
        request_id = given.decode() if REQUEST_ID.fullmatch(given) else f"{getrandbits(128):032x}"
        tokens = bind_contextvars(request_id=request_id)
        try:
            await self._respond(scope, self._limited(headers, receive), send, request_id)
        finally:
            reset_contextvars(**tokens)

    async def _respond(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        start = time.perf_counter()
        status: int | None = None
        # Tells a response of the app's from that to its failure, for which there is no limit.
        in_time = True

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                # What has begun may take as long as it likes: a download, a stream of events.
                if in_time:
                    limit.reschedule(None)
                # An HTTPStatus would be logged by its name.
                status = int(message["status"])
                headers = [header for header in message["headers"] if header[0] != HEADER]
                message["headers"] = [*headers, (HEADER, request_id.encode())]
            await send(message)

        limit = asyncio.timeout(self.seconds)
        try:
            _check_query(scope)
            async with limit:
                await self.app(scope, receive, send_with_id)
        except Exception as error:  # noqa: BLE001  # whatever comes, the client is answered
            in_time = False
            response = respond_to(TimeoutError("REQUEST_TIMEOUT") if limit.expired() else error)
            if status is None:
                await response(scope, receive, send_with_id)
        finally:
            log_request(
                method=scope["method"],
                route=getattr(scope.get("route"), "path", None),
                path=quote(scope["path"]),
                status=status,
                duration_ms=round((time.perf_counter() - start) * 1000, 1),
            )

    def _limited(self, headers: Mapping[bytes, bytes], receive: Receive) -> Receive:
        """Wrap `receive`, so that whoever reads too large a body gets a 413 raised."""
        # A server lets any number of digits through; int() does not take thousands.
        announced = int(headers.get(b"content-length", b"").lstrip(b"0")[:18] or 0)
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            if announced > self.max_body_bytes:
                raise HTTPException(413)
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_body_bytes:
                raise HTTPException(413)
            return message

        return receive_limited


def _check_query(scope: Scope) -> None:
    if scope["query_string"].count(b"&") >= MAX_PARAMETERS:
        raise HTTPException(414, "The query has too many parameters.")
