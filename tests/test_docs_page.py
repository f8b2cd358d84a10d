"""A service in a real browser: its docs page without other hosts, and calls from a website."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Error, Locator, Page, Route, expect

from tools import browser, pictures
from tools.template import run

from .conftest import Render
from .helpers.promises import MISSING
from .helpers.serving import free_port, required, serving

#: Milliseconds, on a machine that has other work.
expect.set_options(timeout=20_000)

pytestmark = [pytest.mark.matrix, pytest.mark.xdist_group("docs-page")]


@pytest.fixture(scope="module")
def shop(render: Render) -> Path:
    """Return the project of the pictures, installed and with its module."""
    project = render(project_name=pictures.NAME)
    run("make uv.lock && uv sync --quiet", project)
    run(pictures.MODULE, project)
    return project


@pytest.fixture(scope="module", params=["", "/shop"])
def root_path(request: pytest.FixtureRequest) -> str:
    assert isinstance(request.param, str)
    return request.param


@pytest.fixture(scope="module")
def client(shop: Path, root_path: str) -> Iterator[httpx.Client]:
    port = free_port()
    command = f"uv run --no-sync python main.py --root-path '{root_path}'"
    with serving(command, shop, port, {}) as client:
        yield client


@pytest.fixture
def page(client: httpx.Client, root_path: str) -> Iterator[Page]:
    """Open the docs page; fail if the browser asks another host or reports an error."""
    origin = f"http://{browser.HOST}:{client.base_url.port}"
    problems: list[str] = []

    def forward(route: Route) -> None:
        """Do as a proxy that removes the prefix, and reject other hosts."""
        url = route.request.url
        if not url.startswith(f"{origin}{root_path}/"):
            problems.append(f"requested {url}")
            route.abort()
        else:
            route.continue_(url=origin + url.removeprefix(origin + root_path))

    with open_page() as page:
        page.route("**/*", forward)
        page.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("requestfailed", lambda request: problems.append(f"failed {request.url}"))
        page.goto(f"{origin}{root_path}/docs")
        yield page
    assert problems == []


@contextlib.contextmanager
def open_page() -> Iterator[Page]:
    """Open a page; without a browser, fail in CI and skip elsewhere."""
    try:
        program = browser.find()
    except browser.BrowserError as error:
        if required():
            pytest.fail(str(error))
        pytest.skip(f"{MISSING}{error}")
    assert program
    with browser.open_page() as page:
        yield page


def execute(page: Page, method: str, path: str, body: dict[str, str] | None = None) -> Locator:
    """Try an operation out, and return its row with the response."""
    summary = page.locator(".opblock-summary", has=page.locator(f"[data-path='{path}']"))
    summary = summary.filter(has=page.get_by_text(method, exact=True))
    operation = page.locator(".opblock", has=summary)
    summary.locator("button").first.click()
    operation.get_by_role("button", name="Try it out").click()
    if body is not None:
        operation.locator("textarea").fill(json.dumps(body))
    operation.get_by_role("button", name="Execute").click()
    return operation.locator(".live-responses-table tr.response")


def test_docs_page_works_without_other_hosts(
    page: Page, client: httpx.Client, root_path: str
) -> None:
    number = f"A{root_path}"
    expect(page).to_have_title(pictures.NAME)
    expect(page.locator(".opblock")).to_have_count(13)

    created = execute(page, "POST", "/orders", {"number": number, "total": "12.50"})
    expect(created).to_contain_text("201")
    listed = execute(page, "GET", "/orders")
    expect(listed).to_contain_text("200")
    expect(listed).to_contain_text(f'"number": "{number}"')

    assert number in [order["number"] for order in client.get("/orders").json()["items"]]


def test_screenshot_shows_this_schema(client: httpx.Client, root_path: str) -> None:
    schema = client.get("/openapi.json").json()
    if root_path:
        # The prefix is in no picture.
        assert schema.pop("servers") == [{"url": root_path}]

    noted = pictures.digest(schema).encode() in pictures.DOCS_PAGE.read_bytes()

    assert noted, "run `make pictures`: the docs page has changed"


#: Calls the service at `url`, and returns everything that a script may read of the responses.
CALL = """async (url) => {
    const call = async (method, path, body) => {
        const headers = {"Authorization": "Bearer x", "Content-Type": "application/json"};
        const response = await fetch(url + path, {method, body, headers});
        return [response.status, Object.fromEntries(response.headers)];
    };
    return [
        await call("POST", "/orders", JSON.stringify({number: "CORS", total: "1"})),
        await call("PATCH", "/orders/0", "{}"),
        await call("POST", "/orders", "x".repeat(2 ** 21)),
        await call("GET", "/nowhere"),
    ];
}"""


@pytest.mark.parametrize("root_path", [""], indirect=True, scope="module")
def test_website_calls_only_services_that_allow_it(shop: Path, client: httpx.Client) -> None:
    # Another port is another origin. Each service is also the website that calls the other one.
    port = free_port()
    closed_url, open_url = (
        f"http://{browser.HOST}:{each}" for each in (client.base_url.port, port)
    )
    settings = {"CORS_ORIGINS": f"https://shop.example,{closed_url}"}
    with serving("uv run --no-sync python main.py", shop, port, settings), open_page() as page:
        page.goto(f"{closed_url}/health/live")
        responses = page.evaluate(CALL, open_url)
        page.goto(f"{open_url}/health/live")
        with pytest.raises(Error, match="Failed to fetch"):
            page.evaluate(CALL, closed_url)

    assert [status for status, _ in responses] == [201, 422, 413, 404]
    assert all(headers["x-request-id"] for _, headers in responses)
    assert responses[0][1]["location"].startswith("/orders/")


def test_docs_page_sends_a_pasted_token(render: Render, tmp_path: Path) -> None:
    project = Path(shutil.copytree(render(auth="oidc"), tmp_path / "my-app"))
    port = free_port()

    with serving("make run", project, port, {}), open_page() as page:
        token = run("make --silent token scopes=examples:read", project).strip()
        page.goto(f"http://{browser.HOST}:{port}/docs")
        expect(execute(page, "GET", "/examples")).to_contain_text("401")
        page.get_by_role("button", name="Authorize").first.click()
        dialog = page.locator(".modal-ux")
        dialog.locator("input").fill(token)
        dialog.get_by_role("button", name="Apply credentials").click()
        dialog.get_by_role("button", name="Close").first.click()
        page.get_by_role("button", name="Execute").click()

        response = page.locator(".live-responses-table tr.response")
        expect(response).to_contain_text("200")
        expect(response).to_contain_text('"items": []')
