"""The OpenAPI schema: the errors and headers that FastAPI doesn't know of."""

from typing import Any

from fastapi import FastAPI

from src.core.errors import Problem, problems


def _header(description: str, *, required: bool = True, **schema: Any) -> dict[str, Any]:
    return {"description": description, "required": required, "schema": schema}


URI = {"type": "string", "format": "uri-reference"}
HEADERS = {
    "X-Request-ID": _header("The id of the request, as in the log.", type="string"),
    "Location": _header("The URL of the new resource.", required=False, **URI),
    "Retry-After": _header("Seconds after which to try again.", type="integer", minimum=1),
}
#: The headers of a response with this status; others have the first one.
HEADERS_OF = {"201": ["X-Request-ID", "Location"], "503": ["X-Request-ID", "Retry-After"]}


def install_openapi(http_server: FastAPI) -> None:
    """Add the errors and headers that any route may respond with."""
    generate = http_server.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        # FastAPI returns the same dictionary each time.
        if "Problem" not in schemas:
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= problem.pop("$defs") | {"Problem": problem}
            # FastAPI's own form of errors.
            schemas.pop("HTTPValidationError", None)
            schemas.pop("ValidationError", None)
            document["components"]["headers"] = HEADERS
            for operations in document["paths"].values():
                for operation in operations.values():
                    operation["responses"] = _extend(operation)
        return document

    # FastAPI documents this as the way to extend the schema.
    http_server.openapi = openapi  # type: ignore[method-assign]


def _extend(operation: dict[str, Any]) -> dict[str, Any]:
    """Return an operation's responses with all errors, and each response's headers."""
    responses = operation["responses"]
    statuses = [400, 413, 503] if "requestBody" in operation else [503]
    statuses += [422] if "422" in responses else []
    responses |= {str(status): response for status, response in problems(*statuses).items()}
    responses["default"] = problems(500)[500] | {"description": "Any other error"}
    for status, response in responses.items():
        for name in HEADERS_OF.get(status, ["X-Request-ID"]):
            reference = {"$ref": f"#/components/headers/{name}"}
            response.setdefault("headers", {}).setdefault(name, reference)
    return dict(sorted(responses.items()))
