"""The OpenAPI schema: the errors and headers that FastAPI doesn't know of."""

from typing import Any

from fastapi import FastAPI

from src.core.errors import MEDIA_TYPE, SCHEMA, Problem, problems

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "The id of the request, as in the log.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "The URL of the new resource.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
}
#: The header of a response with this status, in addition to `X-Request-ID`.
HEADER_OF = {"201": "Location", "503": "Retry-After"}


def install_openapi(http_server: FastAPI) -> None:
    """Add the errors and headers that any route may respond with."""
    generate = http_server.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        # FastAPI returns the same dictionary each time.
        if "Problem" not in schemas:
            _replace_schemas(schemas)
            document["components"]["headers"] = HEADERS
            for operations in document["paths"].values():
                for operation in operations.values():
                    _extend_responses(operation)
        return document

    # FastAPI documents this as the way to extend the schema.
    http_server.openapi = openapi  # type: ignore[method-assign]


def _replace_schemas(schemas: dict[str, Any]) -> None:
    """Replace FastAPI's own validation errors with problems."""
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs"))
    schemas["Problem"] = schema


def _extend_responses(operation: dict[str, Any]) -> None:
    statuses = [503]
    if "422" in operation["responses"]:
        statuses += [422]
    if "requestBody" in operation:
        statuses += [400, 413]
    responses = operation["responses"]
    responses |= {str(status): response for status, response in problems(*statuses).items()}
    responses["default"] = {
        "description": "Any other error",
        "content": {MEDIA_TYPE: {"schema": SCHEMA}},
    }
    for status, response in responses.items():
        names = ["X-Request-ID", *filter(None, [HEADER_OF.get(status)])]
        references = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        response["headers"] = references | response.get("headers", {})
    operation["responses"] = dict(sorted(responses.items()))
