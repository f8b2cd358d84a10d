"""Errors: each one leaves the app as `application/problem+json` (RFC 9457).

A response never shows SQL, parameters, paths or tracebacks.
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
from pydantic import BaseModel, Field
from pydantic_core import to_jsonable_python
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Match

from .http.database_errors import explain, is_unavailable
from .logs import describe

Headers = Mapping[str, str] | None
#: The class of these responses in 0.1.0, which an owner's annotations may name.
ProblemResponse = Response

logger = structlog.stdlib.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
#: RFC 9110's names, some of which Python has since 3.13.
TITLES = {**responses, 413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}


class InvalidInput(BaseModel):
    """One reason why a request is invalid, or conflicts with what is stored."""

    detail: str
    location: list[str | int] = Field(examples=[["body", "name"]])


class Problem(BaseModel):
    """The body of every error."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str | None = None
    errors: list[InvalidInput] | None = None
    request_id: str | None = None


class ProblemError(HTTPException):
    """An error that reaches the client as it is: raise it, or a subclass, anywhere in a service.

    Args:
        status: the HTTP status.
        detail: a sentence about this occurrence, for people.
        headers: further headers of the response.
        members: further members of the body; `type`, a URI, and `title` name the kind of problem.
            pydantic has to be able to write them as JSON.
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
        detail: a sentence about this occurrence, for people, or a mapping of members.
        headers: further headers of the response.
        members: further members of the body, such as `errors`.
    """
    given = detail if isinstance(detail, Mapping) else {"detail": detail and str(detail)}
    kind = {"type": "about:blank", "title": TITLES.get(status, "Error")}
    body: dict[Any, Any] = {**kind, **given, **members, "status": status}
    if not body.get("detail") or body["detail"] == responses.get(status):
        body.pop("detail", None)
    # As ASCII: a lone surrogate in a client's text has no UTF-8.
    content = json.dumps(body, separators=(",", ":"), default=to_jsonable_python)
    return Response(content, status, headers, MEDIA_TYPE)


def unavailable(error: BaseException) -> Response:
    """Log that the database or the time limit failed with `error`, and create a 503."""
    reason = getattr(error, "orig", None) or error
    logger.warning("Unavailable", error=type(reason).__name__, reason=describe(reason))
    detail = "This cannot be answered at the moment; try again later."
    # Clients may try again after five seconds.
    return problem(503, detail, {"Retry-After": "5"})


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the errors of a route: `@Get("/{id}", responses=problems(404))`."""
    body = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    return {status: {"description": TITLES.get(status, "Error"), **body} for status in statuses}


def install_error_handlers(http_server: FastAPI) -> None:
    """Respond to each error with a problem."""
    for kind in (StarletteHTTPException, RequestValidationError, HttpException):
        # A coroutine: plain functions run in Starlette's 40 threads, which requests may have taken.
        http_server.exception_handler(kind)(respond_to)


async def respond_to(request: Request, error: Exception) -> Response:
    """Create the response to any error; an unexpected one is logged with its traceback.

    An owner's exception handlers come first, except that one for `Exception` comes last.
    """
    handlers = request.app.exception_handlers
    if isinstance(error, StarletteHTTPException):
        if error.status_code != 500 or isinstance(error, ProblemError):
            return _from_http_exception(request, error)
        # async_db_request_handler makes a 500 of every error in a service. Its detail is the SQL.
        cause = error.__context__
        if isinstance(cause, Exception) and not isinstance(cause, StarletteHTTPException):
            error = cause
            for kind in type(error).__mro__:
                if kind in handlers and kind is not Exception:
                    return await _call(handlers[kind], request, error)
    if response := _explain(error):
        return response
    logger.error("Unexpected error", exc_info=error)
    if handler := handlers.get(500) or handlers.get(Exception):
        return await _call(handler, request, error)
    return problem(500, request_id=structlog.contextvars.get_contextvars().get("request_id"))


async def _call(handler: Any, request: Request, error: Exception) -> Response:
    """Call an exception handler as Starlette does: a plain function runs in a thread."""
    is_async = iscoroutinefunction(handler)
    calling = handler(request, error) if is_async else run_in_threadpool(handler, request, error)
    response: Response = await calling
    return response


def _explain(error: Exception) -> Response | None:
    """Create the response to an expected error."""
    if isinstance(error, RequestValidationError):
        # At most 100: a body of a megabyte may have a hundred thousand.
        found = error.errors()[:100]
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
        # Starlette names the methods of one route. Routes are asked because they may be a tree.
        scope = {key: request.scope[key] for key in ("type", "path", "root_path", "headers")}
        scopes = [{**scope, "method": each.value} for each in HTTPMethod]
        routes = request.app.routes
        full = [each for each in scopes for route in routes if route.matches(each)[0] is Match.FULL]
        # Without duplicates: several routes may match.
        response.headers["Allow"] = ", ".join(dict.fromkeys(each["method"] for each in full))
    return response
