import json
import re
from typing import Any

import pytest
from fastapi import FastAPI
from nest.core import Controller, Get, Module, PyNestFactory
from pydantic import BaseModel
from src.config import config, settings
from src.core.core_module import install, setup_app
from src.core.http.openapi import install_openapi
from src.core.models import BigInteger, Double, Id, Text
from src.core.paging import After, Limit


class Body(BaseModel):
    name: Text
    count: BigInteger = 0
    ratio: Double = 0.5


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


def test_64_bit_bounds_are_exact_text(document: dict[str, Any]) -> None:
    """Some clients don't read numbers as floats."""
    schemas = document["components"]["schemas"]["Body"]["properties"]

    assert '"minimum": -9223372036854775808, ' in json.dumps(schemas["count"])
    assert '"exclusiveMaximum": 9223372036854775808, ' in json.dumps(schemas["count"])
    assert '"maximum": 1.7976931348623157e+308, ' in json.dumps(schemas["ratio"])


@pytest.mark.parametrize("text", ["", " \t", "\u00a0", "nul\0", "\0"])
def test_schema_rejects_blank_text(document: dict[str, Any], text: str) -> None:
    schema = document["components"]["schemas"]["Body"]["properties"]["name"]

    assert not re.search(schema["pattern"], text)
    assert re.search(schema["pattern"], " a text\n")


def test_app_uses_this_schema(app: FastAPI) -> None:
    for operation in operations(app.openapi()):
        assert "default" in operation["responses"]


@Controller("/")
class RootController:
    @Get("/total")
    async def get_total(self) -> None: ...


@Controller("orders", tag="orders")
class OrdersController:
    @Get("/{order_id}")
    async def get_order(self, order_id: int) -> None: ...

    @Get("/total")
    async def get_total(self) -> None: ...

    @Get("/all", operation_id="list_orders_all_get")
    async def get_all(self) -> None: ...


@Controller("old-orders", tag="old orders")
class OldOrdersController:
    @Get("/{order_id}")
    async def get_order(self, order_id: int) -> None: ...

    @Get("/total")
    async def get_total(self) -> None: ...


def ids_of(*controllers: type) -> dict[str, str]:
    """Return the operation ids of an app with these modules and its root controller."""
    modules = [
        Module(controllers=[each])(type(f"{each.__name__}Module", (), {})) for each in controllers
    ]
    module = Module(imports=modules, controllers=[RootController])(type("AppModule", (), {}))
    app = PyNestFactory.create(module).get_server()
    setup_app(app, config, settings)
    return {path: item["get"]["operationId"] for path, item in app.openapi()["paths"].items()}


def test_operation_id_is_the_methods_name() -> None:
    assert ids_of(OrdersController) == {
        "/total": "getTotal",
        "/orders/{order_id}": "getOrder",
        "/orders/total": "ordersGetTotal",
        "/orders/all": "list_orders_all_get",
    }


def test_added_module_changes_no_operation_id() -> None:
    before, after = ids_of(OrdersController), ids_of(OrdersController, OldOrdersController)

    assert after == before | {
        "/old-orders/{order_id}": "oldOrdersGetOrder",
        "/old-orders/total": "oldOrdersGetTotal",
    }


def test_function_with_several_routes_has_unique_ids() -> None:
    app = FastAPI()
    setup_app(app, config, settings)

    @app.api_route("/things", methods=["PUT", "POST"], tags=["things"])
    @app.get("/things/{thing_id}/parts", tags=["things"])
    @app.get("/things", tags=["things"])
    async def use_things() -> None: ...

    ids = [operation["operationId"] for operation in operations(app.openapi())]
    assert len(ids) == len(set(ids)) == 4
    assert ids[:2] == ["useThings", "thingsUseThings"]


def test_routes_generator_of_ids_is_kept() -> None:
    app = FastAPI(generate_unique_id_function=lambda route: f"own-{route.name}")
    setup_app(app, config, settings)

    @app.get("/things")
    async def get_things() -> None: ...

    [operation] = operations(app.openapi())
    assert operation["operationId"] == "own-get_things"


@pytest.mark.parametrize("is_first_release", [True, False])
def test_older_projects_keep_their_operation_ids(*, is_first_release: bool) -> None:
    app = FastAPI()
    if is_first_release:
        install(app)
    else:
        setup_app(app, config, settings, short_operation_ids=False)

    @app.get("/things/{thing_id}")
    async def get_thing(thing_id: int) -> None: ...

    [operation] = operations(app.openapi())
    assert operation["operationId"] == "get_thing_things__thing_id__get"
