"""The docs page: it needs no other host, and a setting removes it."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from src.config import config, settings
from src.core.core_module import setup_app

from tests.problems import assert_problem


@asynccontextmanager
async def client_of(
    *, api_docs: bool = True, root_path: str = "", **options: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """Talk to an app that is set up with these options of FastAPI's pages."""
    app = FastAPI(title="Tea & Cake", **options)
    setup_app(app, config, settings.model_copy(update={"api_docs": api_docs}))
    transport = httpx.ASGITransport(app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def links_of(page: httpx.Response) -> list[str]:
    """Find everything that a browser loads for the page, the schema included."""
    assert page.status_code == 200
    return re.findall(r"""(?:href=|src=|url: )["']([^"']*)""", page.text)


@pytest.mark.parametrize("root_path", ["", "/shop"])
@pytest.mark.parametrize("is_prefix_kept", [True, False])
async def test_page_loads_everything_from_the_service(
    root_path: str, *, is_prefix_kept: bool
) -> None:
    # `uvicorn --root-path` puts the prefix into the path, `FastAPI(root_path=...)` does not.
    prefix = root_path if is_prefix_kept else ""
    async with client_of(root_path=root_path) as client:
        page = await client.get(f"{prefix}/docs")

        links = links_of(page)
        assert len(links) == 4
        assert not re.search(r"https?:|[\"']//", page.text)
        assert "<title>Tea &amp; Cake</title>" in page.text
        assert f"window.location.origin + '{root_path}/docs/oauth2-redirect'" in page.text
        types = {}
        for link in links:
            assert link.startswith(f"{root_path}/")
            response = await client.get(prefix + link.removeprefix(root_path))
            assert response.status_code == 200
            types[link.rpartition("/")[2]] = response.headers["Content-Type"].partition(";")[0]
        assert types == {
            "favicon-32x32.png": "image/png",
            "openapi.json": "application/json",
            "swagger-ui-bundle.js": "text/javascript",
            "swagger-ui.css": "text/css",
        }


async def test_page_runs_only_its_own_scripts() -> None:
    swagger = {"swagger_ui_parameters": {"filter": "</script><script>alert(1)//"}}
    async with client_of(**swagger, swagger_ui_init_oauth={"appName": "é"}) as client:
        page = await client.get("/docs")

    policy = dict(
        directive.split(" ", 1) for directive in page.headers["Content-Security-Policy"].split("; ")
    )
    [script] = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.pop("script-src") == f"'self' 'sha256-{digest}'"
    assert policy == {
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "style-src": "'self'",
    }


async def test_assets_are_cached_by_browsers() -> None:
    async with client_of() as client:
        path = "/docs/assets/swagger-ui.css"
        head = await client.head(path)
        again = await client.get(path, headers={"If-None-Match": head.headers["ETag"]})

        assert (head.status_code, again.status_code) == (200, 304)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/docs", 405),
        ("POST", "/docs/assets/swagger-ui.css", 405),
        ("GET", "/docs/assets/missing.js", 404),
        ("GET", "/docs/assets/%2e%2e/main.py", 404),
        ("GET", "/docs/assets", 404),
        ("GET", "/redoc", 404),
    ],
)
async def test_other_requests_are_problems(method: str, path: str, status: int) -> None:
    async with client_of() as client:
        assert_problem(await client.request(method, path), status)


async def test_setting_removes_page_and_schema() -> None:
    async with client_of(api_docs=False) as client:
        for path in ("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"):
            assert_problem(await client.get(path), 404)
        assert_problem(await client.get("/docs/assets/swagger-ui.css"), 404)


@pytest.mark.parametrize("api_docs", [True, False])
async def test_app_without_page_stays_so(*, api_docs: bool) -> None:
    async with client_of(api_docs=api_docs, docs_url=None) as client:
        assert_problem(await client.get("/docs"), 404)
        status = (await client.get("/openapi.json")).status_code
        assert status == (200 if api_docs else 404)
    async with client_of(api_docs=api_docs, openapi_url=None) as client:
        assert_problem(await client.get("/docs"), 404)


async def test_page_has_the_apps_urls_and_options() -> None:
    options = {"docs_url": "/api/page", "openapi_url": "/api/schema.json"}
    swagger = {"swagger_ui_parameters": {"tryItOutEnabled": True}}
    async with client_of(**options, **swagger) as client:
        page = await client.get("/api/page")

        assert "/api/schema.json" in links_of(page)
        assert '"tryItOutEnabled": true' in page.text
        for link in links_of(page):
            assert (await client.get(link)).status_code == 200


async def test_routes_added_later_are_documented() -> None:
    app = FastAPI()
    setup_app(app, config, settings)

    @app.get("/later")
    async def later() -> None: ...

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        document = (await client.get("/openapi.json")).json()

    assert list(document["paths"]) == ["/later"]


async def test_app_of_first_release_has_the_page(core_client: httpx.AsyncClient) -> None:
    links = links_of(await core_client.get("/docs"))

    assert "/docs/assets/swagger-ui-bundle.js" in links
