"""Error handling: every error response is `application/problem+json` (RFC 9457).

Error responses never contain SQL, statement parameters, file paths or tracebacks.
"""

import json
from collections.abc import Mapping
from http import HTTPMethod
from http.client import responses
from inspect import iscoroutinefunction
from typing import Any

import structlog
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from nest.common.exceptions import HttpException
{% if cookiecutter.telemetry == "opentelemetry" %}
from opentelemetry import trace
{% endif %}
from pydantic import BaseModel, Field
from pydantic_core import to_jsonable_python
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Match

from .http.database_errors import explain, is_unavailable
from .logs import describe

Headers = Mapping[str, str] | None
#: The name of this class in 0.1.0, kept for annotations in existing projects.
ProblemResponse = Response

logger = structlog.stdlib.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
#: Status titles from RFC 9110. Python has these three only since 3.13.
TITLES = {**responses, 413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}


class InvalidInput(BaseModel):
    """One reason why the request is invalid or conflicts with stored data."""

    detail: str
    location: list[str | int] = Field(examples=[["body", "name"]])


class Problem(BaseModel):
    """The body of every error response (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str | None = None
    errors: list[InvalidInput] | None = None
    request_id: str | None = None


class ProblemError(HTTPException):
    """An error response. Raise it, or a subclass of it, in any service.

    Args:
        status: the HTTP status.
        detail: a human-readable explanation of this occurrence.
        headers: additional response headers.
        members: additional members of the body, which pydantic must be able to serialize. `type`
            (a URI) and `title` identify the kind of problem.
    """

    def __init__(
        self, status: int, detail: str | None = None, *, headers: Headers = None, **members: Any
    ) -> None:
        super().__init__(status, detail, headers)
        self.members = members


def problem(status: int, detail: Any = None, headers: Headers = None, **members: Any) -> Response:
    """Create an error response.

    Args:
        status: the HTTP status.
        detail: a human-readable explanation, or a mapping of members.
        headers: additional response headers.
        members: additional members of the body, such as `errors`.
    """
    given = detail if isinstance(detail, Mapping) else {"detail": detail and str(detail)}
    kind = {"type": "about:blank", "title": TITLES.get(status, "Error")}
    body: dict[Any, Any] = {**kind, **given, **members, "status": status}
    if not body.get("detail") or body["detail"] == responses.get(status):
        body.pop("detail", None)
    # json.dumps writes ASCII: a lone surrogate from a client can't be encoded as UTF-8.
    content = json.dumps(body, separators=(",", ":"), default=to_jsonable_python)
    return Response(content, status, headers, MEDIA_TYPE)


def unavailable(error: BaseException) -> Response:
    """Log a database failure or a timeout, and create a 503 response."""
    reason = getattr(error, "orig", None) or error
    logger.warning("Unavailable", error=type(reason).__name__, reason=describe(reason))
    detail = "The service is temporarily unavailable. Try again later."
    return problem(503, detail, {"Retry-After": "5"})


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document a route's error responses: `@Get("/{id}", responses=problems(404))`."""
    body = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    return {status: {"description": TITLES.get(status, "Error"), **body} for status in statuses}


def install_error_handlers(http_server: FastAPI) -> None:
    """Register the handlers that turn errors into problem responses."""
    for kind in (StarletteHTTPException, RequestValidationError, HttpException):
        # respond_to is async: plain functions wait for one of 40 threads, which may all be busy.
        http_server.exception_handler(kind)(respond_to)


async def respond_to(request: Request, error: Exception) -> Response:
    """Create the response to any error. Unexpected errors are logged with a traceback.

    Your own exception handlers take precedence. Only a handler for `Exception` comes last.
    """
    handlers = request.app.exception_handlers
    if isinstance(error, StarletteHTTPException):
        if error.status_code != 500 or isinstance(error, ProblemError):
            return _from_http_exception(request, error)
        # async_db_request_handler turns every error in a service into a 500 with SQL as its detail.
        cause = error.__context__
        if isinstance(cause, Exception) and not isinstance(cause, StarletteHTTPException):
            error = cause
            for kind in type(error).__mro__:
                if kind in handlers and kind is not Exception:
                    return await _call(handlers[kind], request, error)
    if response := _explain(request, error):
        return response
    logger.error("Unexpected error", exc_info=error)
{% if cookiecutter.telemetry == "opentelemetry" %}
    # The span of a background task's request has ended.
    if (span := trace.get_current_span()).is_recording():
        span.record_exception(error)
        # The status of a response that has started is no error.
        span.set_status(trace.StatusCode.ERROR)
{% endif %}
    if handler := handlers.get(500) or handlers.get(Exception):
        return await _call(handler, request, error)
    return problem(500, request_id=structlog.contextvars.get_contextvars().get("request_id"))


async def _call(handler: Any, request: Request, error: Exception) -> Response:
    """Call an exception handler as Starlette does: a plain function runs in a thread."""
    is_async = iscoroutinefunction(handler)
    calling = handler(request, error) if is_async else run_in_threadpool(handler, request, error)
    response: Response = await calling
    return response


def _explain(request: Request, error: Exception) -> Response | None:
    """Create the response to an expected error."""
    if isinstance(error, RequestValidationError):
        # Limit the list: a body of 1 MB may contain 100,000 errors.
        found = error.errors()[:100]
        if "json" not in request.headers.get("Content-Type", ""):
            # FastAPI doesn't parse such a body, and reports that it is no object.
            for each in found:
                if each["loc"] == ("body",) and each["type"].endswith("_type"):
                    each["msg"] = "Content-Type must be application/json"
        errors = [{"detail": each["msg"], "location": list(each["loc"])} for each in found]
        return problem(422, "The request is invalid.", errors=errors)
    if isinstance(error, HttpException):
        return problem(error.status_code, error.message)
    if explanation := explain(error):
        return problem(**explanation)
    return unavailable(error) if is_unavailable(error) else None


def _from_http_exception(request: Request, error: StarletteHTTPException) -> Response:
    if error.status_code in (204, 304):
        return Response(status_code=error.status_code, headers=error.headers)
    members = getattr(error, "members", {})
    response = problem(error.status_code, error.detail, error.headers, **members)
    if error.status_code == 405:
        # Starlette lists the methods of one route only. FastAPI 0.137 keeps routes in a tree, so
        # call `matches` instead of reading their methods.
        scope = {key: request.scope[key] for key in ("type", "path", "root_path", "headers")}
        scopes = [{**scope, "method": each.value} for each in HTTPMethod]
        routes = request.app.routes
        full = [each for each in scopes for route in routes if route.matches(each)[0] is Match.FULL]
        # Several routes may match, so remove duplicates.
        response.headers["Allow"] = ", ".join(dict.fromkeys(each["method"] for each in full))
    return response
