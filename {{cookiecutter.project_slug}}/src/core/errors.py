"""Errors: every one leaves the app as `application/problem+json` (RFC 9457).

Nothing of the inside is shown: no SQL, parameter, path or traceback.
"""

import errno
import json
import socket
from collections.abc import Mapping
from http import HTTPStatus
from http.client import responses
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from nest.common.exceptions import HttpException
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from structlog.contextvars import get_contextvars

logger = structlog.stdlib.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
SCHEMA = {"$ref": "#/components/schemas/Problem"}
#: Seconds after which a client may ask again when the database did not answer.
RETRY_AFTER = 5
#: How many reasons an answer names; a body of a megabyte may have a hundred thousand.
MAX_ERRORS = 100

# SQLSTATEs of PostgreSQL, error numbers of MySQL and MariaDB, messages of SQLite.
CONFLICTS = {
    "A value that must be unique is there already.": ("23505", 1062, "UNIQUE constraint failed"),
    "This refers to something that does not exist, or something refers to this.": (
        *("23503", 1451, 1452),
        "FOREIGN KEY constraint failed",
    ),
}
UNAVAILABLE = (
    # not let in, no such database
    *("28000", "28P01", "3D000"),
    # serialization failure, deadlock, too many connections, shutting down, starting up
    *("40001", "40P01", "53300", "57P01", "57P02", "57P03"),
    # not let in, no such database
    *(1044, 1045, 1049),
    # too many connections, shutting down, lock wait timeout, deadlock, not reached, gone
    *(1040, 1053, 1205, 1213, 2002, 2003, 2006, 2013),
    *("database is locked", "unable to open database file"),
)


class InvalidInput(BaseModel):
    """One reason why a request is invalid."""

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


class ProblemResponse(JSONResponse):
    """A problem as a response."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """Encode as ASCII: a lone surrogate in a client's text has no UTF-8."""
        return json.dumps(content, separators=(",", ":")).encode("ascii")


def problem(
    status: int,
    detail: str | None = None,
    errors: list[dict[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
    request_id: str | None = None,
) -> ProblemResponse:
    """Make an error response.

    Args:
        status: the HTTP status.
        detail: what went wrong this time, for a person to read.
        errors: for invalid input, a `detail` and a `location` each.
        headers: further headers of the response.
        request_id: what to look for in the log.
    """
    body: dict[str, Any] = {"type": "about:blank", "title": _title(status), "status": status}
    if detail not in (None, responses.get(status)):
        body["detail"] = detail
    if errors is not None:
        body["errors"] = errors
    if request_id is not None:
        body["request_id"] = request_id
    return ProblemResponse(body, status, headers)


def unavailable(error: BaseException) -> ProblemResponse:
    """Log that the database, or the time for a request, failed with `error`; make a 503."""
    reason = getattr(error, "orig", None) or error
    logger.warning("Unavailable", error=type(reason).__name__, reason=str(reason))
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "This cannot be answered at the moment; try again later.",
        headers={"Retry-After": str(RETRY_AFTER)},
    )


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the errors of a route: `@Get("/{id}", responses=problems(404))`."""
    return {
        status: {"description": _title(status), "content": {MEDIA_TYPE: {"schema": SCHEMA}}}
        for status in statuses
    }


def install_error_handlers(http_server: FastAPI) -> None:
    """Answer every error with a problem."""
    http_server.exception_handler(HTTPException)(_on_error)
    http_server.exception_handler(RequestValidationError)(_on_invalid_request)
    http_server.exception_handler(HttpException)(_on_error)


def respond_to(error: BaseException) -> ProblemResponse:
    """Make the response to an error; one that is unforeseen is logged with its traceback."""
    if isinstance(error, HTTPException):
        if error.status_code != HTTPStatus.INTERNAL_SERVER_ERROR:
            return problem(error.status_code, str(error.detail), headers=error.headers)
        # async_db_request_handler makes a 500 of all that a service raises, with the SQL as detail.
        error = error.__context__ or error
    if isinstance(error, HttpException):
        return problem(error.status_code, error.message)
    if conflict := _conflict(error):
        return problem(HTTPStatus.CONFLICT, conflict)
    if _is_unavailable(error):
        return unavailable(error)
    logger.error("Unforeseen error", exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, request_id=get_contextvars().get("request_id"))


def _on_error(request: Request, error: Exception) -> ProblemResponse:
    response = respond_to(error)
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = _allowed_methods(request)
    return response


def _allowed_methods(request: Request) -> str:
    """List the methods of every route at the request's path; Starlette names the first's."""
    methods = {
        method
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    }
    return ", ".join(sorted(methods))


def _on_invalid_request(_: Request, error: RequestValidationError) -> ProblemResponse:
    errors = [
        {"detail": each["msg"], "location": list(each["loc"])}
        for each in error.errors()[:MAX_ERRORS]
    ]
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The request is invalid.", errors)


def _conflict(error: BaseException) -> str | None:
    """Say with what the request conflicts, if that is the error."""
    if isinstance(error, StaleDataError):
        return "This was changed or removed at the same time."
    return next((detail for detail, codes in CONFLICTS.items() if _matches(error, codes)), None)


def _is_unavailable(error: BaseException) -> bool:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    # Drivers let the failure to connect through as it is; asyncio makes one OSError, without a
    # number, of those of several addresses.
    network = (ConnectionError, TimeoutError, socket.gaierror)
    unreached = (None, errno.EHOSTUNREACH, errno.ENETUNREACH)
    return (
        isinstance(error, (PoolTimeoutError, *network))
        or (type(error) is OSError and error.errno in unreached)
        or _matches(error, UNAVAILABLE)
    )


def _matches(error: BaseException, codes: tuple[str | int, ...]) -> bool:
    """Tell whether it is an error of the driver's, wrapped or not, with one of `codes`."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    sqlstate = getattr(origin, "sqlstate", None)
    if origin is None or (origin is error and sqlstate is None):
        return False
    first = next(iter(origin.args), None)
    if {sqlstate, first}.intersection(codes):
        return True
    messages = tuple(code for code in codes if isinstance(code, str))
    return isinstance(first, str) and first.startswith(messages)


def _title(status: int) -> str:
    # RFC 9110's names, which Python has since 3.13.
    renamed = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}
    return renamed.get(status) or responses.get(status, "Error")
