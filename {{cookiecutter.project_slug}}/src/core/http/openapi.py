"""The OpenAPI schema, with the errors and headers that FastAPI doesn't know of, and `/docs`."""

import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from pydantic.alias_generators import to_camel

from src.core.errors import Problem, problems
from src.core.models import LOWER, UPPER
from src.core.routing import list_routes


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

#: Swagger UI has images in its style sheet, and sends the requests that a reader tries out.
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "connect-src 'self'; img-src 'self' data:; style-src 'self'"
)


def install_openapi(http_server: FastAPI, *, short_ids: bool = True) -> None:
    """Add the errors and headers that any route may respond with, and short operation ids."""
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
            _write_exactly(document)
            if short_ids:
                _shorten_ids(http_server, document["paths"])
        return document

    # FastAPI documents this as the way to extend the schema.
    http_server.openapi = openapi  # type: ignore[method-assign]


def install_docs(http_server: FastAPI, *, is_enabled: bool) -> None:
    """Replace FastAPI's docs pages, which load scripts from other hosts, by one that doesn't.

    Args:
        http_server: the app, with the URLs of its pages; `docs_url=None` leaves the page out.
        is_enabled: if false, remove the pages and the schema's URL.
    """
    docs_url, openapi_url = http_server.docs_url, http_server.openapi_url
    oauth2_url = http_server.swagger_ui_oauth2_redirect_url
    removed = {docs_url, http_server.redoc_url}
    if not is_enabled:
        removed |= {openapi_url, oauth2_url}
    routes: list[Any] = http_server.router.routes
    routes[:] = [route for route in routes if getattr(route, "path", ...) not in removed]
    if not is_enabled or docs_url is None or openapi_url is None:
        return

    async def show_docs(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "").rstrip("/")
        assets = f"{root}{docs_url}/assets"
        page = get_swagger_ui_html(
            openapi_url=f"{root}{openapi_url}",
            title=escape(http_server.title),
            swagger_js_url=f"{assets}/swagger-ui-bundle.js",
            swagger_css_url=f"{assets}/swagger-ui.css",
            swagger_favicon_url=f"{assets}/favicon-32x32.png",
            oauth2_redirect_url=oauth2_url and f"{root}{oauth2_url}",
            init_oauth=http_server.swagger_ui_init_oauth,
            swagger_ui_parameters=http_server.swagger_ui_parameters,
        )
        page.headers["Content-Security-Policy"] = _restrict(page)
        return page

    # The package's files are those that Swagger UI publishes; its code is not used.
    files = StaticFiles(packages=[("fastapi_swagger", "resources")])

    async def get_asset(request: Request) -> Response:
        return await files.get_response(request.path_params["name"], request.scope)

    http_server.add_route(docs_url, show_docs, include_in_schema=False)
    # A mount would respond with 404 if `FastAPI(root_path=...)` is given behind a proxy.
    http_server.add_route(docs_url + "/assets/{name}", get_asset, include_in_schema=False)


def _restrict(page: HTMLResponse) -> str:
    """Return a policy that allows the page's own inline script, and nothing of other hosts."""
    scripts = re.findall(rb"<script>(.*?)</script>", page.body, re.DOTALL)
    hashes = [b64encode(sha256(script).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    return f"{POLICY}; script-src 'self' {allowed}"


def _shorten_ids(http_server: FastAPI, paths: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Name each operation after its method. Ids that a route sets itself stay.

    If several methods have the same name, the first one in the schema has the short id, and the
    others have their tag in front. So a module doesn't change the ids of the modules before it.
    """
    operations = [(path, *item) for path, methods in paths.items() for item in methods.items()]
    taken = {getattr(route, "operation_id", None) for route in list_routes(http_server)}
    # PyNest registers the app's own controller, which has no tag, after all modules.
    for path, method, operation in sorted(operations, key=lambda each: "tags" in each[2]):
        suffix = re.sub(r"\W", "_", path)
        found = re.fullmatch(rf"(\w+){suffix}_[a-z]+", operation["operationId"])
        if found and operation["operationId"] not in taken:
            tag = operation.get("tags", [""])[0]
            names = (found[1], f"{tag} {found[1]}", f"{tag} {found[1]} {path} {method}")
            ids = (to_camel(re.sub(r"[\W_]+", "_", name).strip("_")) for name in names)
            unique = (each for each in ids if each not in taken)
            operation["operationId"] = next(unique, operation["operationId"])
        taken.add(operation["operationId"])


def _write_exactly(part: Any) -> None:
    """Turn 64-bit bounds into integers: FastAPI's 9.223372036854776e+18 is not 2**63 as text."""
    if isinstance(part, dict):
        for name in (LOWER | UPPER).values():
            bound = part.get(name)
            if isinstance(bound, float) and bound.is_integer() and abs(bound) <= 2**63:
                part[name] = int(bound)
        part = list(part.values())
    for each in part if isinstance(part, list) else ():
        _write_exactly(each)


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
