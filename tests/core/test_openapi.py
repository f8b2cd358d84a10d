import re
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from src.core.http.openapi import install_openapi
from src.core.models import Id, Text
from src.core.paging import After, Limit


class Body(BaseModel):
    name: Text


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    app = FastAPI()
    install_openapi(app)

    @app.post("/bodies/{body_id}", status_code=201)
    async def post(body_id: Id, body: Body) -> None: ...

    @app.get("/bodies")
    async def get(limit: Limit, after: After) -> None: ...

    @app.get("/")
    async def get_nothing() -> None: ...

    assert app.openapi() is app.openapi()
    return app.openapi()


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def test_errors_are_problems(document: dict[str, Any]) -> None:
    for operation in operations(document):
        for status, response in operation["responses"].items():
            if not status.startswith("2"):
                assert list(response["content"]) == ["application/problem+json"]
    assert document["components"]["schemas"].keys() == {"Body", "InvalidInput", "Problem"}


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("/", ["200", "503", "default"]),
        ("/bodies", ["200", "422", "503", "default"]),
        ("/bodies/{body_id}", ["201", "400", "413", "422", "503", "default"]),
    ],
)
def test_routes_document_common_errors(
    document: dict[str, Any], path: str, statuses: list[str]
) -> None:
    [operation] = document["paths"][path].values()

    assert list(operation["responses"]) == statuses


def test_responses_have_headers(document: dict[str, Any]) -> None:
    of_status = {"201": {"Location"}, "503": {"Retry-After"}}
    for operation in operations(document):
        for status, response in operation["responses"].items():
            assert response["headers"].keys() == {"X-Request-ID"} | of_status.get(status, set())
            for name, reference in response["headers"].items():
                assert reference == {"$ref": f"#/components/headers/{name}"}
    assert document["components"]["headers"].keys() == {"X-Request-ID", "Location", "Retry-After"}


def test_parameters_have_bounds(document: dict[str, Any]) -> None:
    bounds = {
        parameter["name"]: (parameter["schema"]["minimum"], parameter["schema"]["maximum"])
        for operation in operations(document)
        for parameter in operation.get("parameters", [])
    }

    assert bounds == {"limit": (1, 100), "after": (0, 2**31 - 1), "body_id": (1, 2**31 - 1)}


@pytest.mark.parametrize("text", ["", " \t", "\u00a0", "nul\0", "\0"])
def test_schema_rejects_blank_text(document: dict[str, Any], text: str) -> None:
    schema = document["components"]["schemas"]["Body"]["properties"]["name"]

    assert not re.search(schema["pattern"], text)
    assert re.search(schema["pattern"], " a text\n")


def test_app_uses_this_schema(app: FastAPI) -> None:
    for operation in operations(app.openapi()):
        assert "default" in operation["responses"]
