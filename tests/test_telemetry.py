"""Projects with `telemetry=opentelemetry`, which send to a real collector.

`tests/telemetry/` has routes that a rendered project gets for these tests, and tests to run there.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import httpx
import pytest
import yaml

from tools import servers
from tools.template import TEMPLATE, files, run

from .conftest import Commands, RecordFigure, Render, RunOwnTests
from .helpers.collector import Collector, Point, Span, collecting
from .helpers.docs import find_section
from .helpers.projects import EXTENDED, Combination
from .helpers.repositories import commit
from .helpers.serving import Service, legs, serving_in_production
from .helpers.traffic import send_at_once
from .test_budgets import find_code_lines
from .test_update_matrix import History, history, live_in, update  # noqa: F401  # a fixture
from .test_update_tool import contents, outside_skip, read_skip, start

#: Each database, in both session styles, with and without authentication.
OBSERVED = [each for each in EXTENDED if each.telemetry == "opentelemetry"]
PLAIN = Combination("sqlite", "controller")
#: Lines of code in `telemetry.py`, and all that telemetry adds to core.
LINES, ALL_LINES = 150, 225
#: The files that differ with telemetry. Projects without it have none of the new ones.
CHANGED = """
    .cruft.json .env.example AGENTS.md compose.yaml docs/README.md docs/configuration.md
    docs/deployment.md docs/logging.md pyproject.toml requirements.txt src/core/core_module.py
    src/core/database/provider.py src/core/database/sessions.py src/core/errors.py
    src/core/logs.py tests/__init__.py
"""
NEW = """
    docs/telemetry.md observability/dashboard.json observability/dashboards.yaml
    src/core/exporters.py src/core/telemetry.py
"""
Found = TypeVar("Found")
#: A value that must not leave the process, but in the database.
SECRET = "s3cret-v4lue"  # noqa: S105  # a value of a row
#: Seconds that the shutdown waits for the collector.
STOP_TIMEOUT = 5
PARENT = f"00-{'2' * 32}-{'1' * 16}-01"
#: Exports come soon, so that no test waits.
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_METRIC_EXPORT_INTERVAL": "100"}

each_database = pytest.mark.parametrize(
    "combination", legs(OBSERVED), indirect=True, scope="session"
)
on_sqlite = pytest.mark.parametrize(
    "combination",
    legs([each for each in OBSERVED if each.database == "sqlite"]),
    indirect=True,
    scope="session",
)


@pytest.fixture(scope="session")
def observed(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy an installed project, and add the routes of the probe and the page's example to it."""
    folder = tmp_path_factory.mktemp("observed") / installed.name
    shutil.copytree(installed, folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    (folder / ".venv").symlink_to(installed / ".venv")
    example = find_section(installed, "docs/telemetry.md", "Your own spans and metrics")
    (folder / "documented.py").write_text(example.code_in("python")[0])
    shutil.copy(TEMPLATE / "tests" / "telemetry" / "probe.py", folder / "probe.py")
    (folder / "app.py").write_text('from probe import app\n\n__all__ = ["app"]\n')
    return folder


@pytest.fixture(scope="session")
def given(
    combination: Combination,
    installed: Path,
    observed: Path,
    settings: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    """Return the settings of the service: a database with tables, and few connections."""
    name = f"telemetry_{uuid4().hex}"
    if combination.database == "sqlite":
        name = str(tmp_path_factory.mktemp("database") / name)
    servers.execute(combination.database, settings, f"CREATE DATABASE {name}")
    given = settings | {f"{combination.database.upper()}_DB_NAME": name}
    given |= {"DB_POOL_SIZE": "2", "DB_POOL_TIMEOUT": "2"}
    if combination.auth == "oidc":
        example = (installed / ".env.example").read_text(encoding="utf-8")
        given |= dict(re.findall(r"^(AUTH_\w+|APP_DEBUG)=(.*)$", example, re.MULTILINE))
    run([".venv/bin/python", "-m", "alembic", "upgrade", "head"], observed, **given)
    yield given
    servers.execute(combination.database, settings, f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture(scope="session")
def headers(combination: Combination, observed: Path, given: dict[str, str]) -> dict[str, str]:
    """Return the headers that every request needs."""
    if combination.auth == "none":
        return {}
    scopes = ["examples:read", "examples:write"]
    token = run([".venv/bin/python", "-m", "scaffold.tokens", *scopes], observed, **given)
    return {"Authorization": f"Bearer {token.strip()}"}


@contextmanager
def sending(
    project: Path, collector: Collector, given: dict[str, str], *options: str, **more: str
) -> Iterator[Service]:
    """Run the service in production, and let it send to a collector."""
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **SOON, **given, **more}
    with serving_in_production(project, *options, **variables) as service:
        yield service


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="session")
def service(
    observed: Path, collector: Collector, given: dict[str, str], headers: dict[str, str]
) -> Iterator[Service]:
    """Run the service. The variables of OpenTelemetry are in `.env`."""
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **SOON}
    lines = [f"{name}={value}\n" for name, value in variables.items()]
    (observed / ".env").write_text("".join(lines))
    try:
        # With workers, nothing restarts the service, even if APP_DEBUG is true.
        with serving_in_production(observed, "--workers=1", **given) as service:
            service.client.headers.update(headers)
            yield service
    finally:
        (observed / ".env").unlink()


@pytest.fixture
def traced(service: Service, collector: Collector) -> Callable[..., list[Span]]:
    """Return a function that sends a request in a new trace, and waits for the route's span."""

    def traced(method: str, path: str, status: int = 200, **options: object) -> list[Span]:
        trace_id = uuid4().hex
        parent = {"traceparent": f"00-{trace_id}-{'1' * 16}-01"}
        response = service.client.request(method, path, headers=parent, **options)  # type: ignore[arg-type]
        assert response.status_code == status, response.text
        return wait_for(service, lambda: route_of(collector.trace(trace_id)))

    return traced


def route_of(spans: list[Span]) -> list[Span]:
    """Return the route's span and then the others, once all have arrived."""
    servers = [span for span in spans if span.kind == "SERVER"]
    return servers + [span for span in spans if span.kind != "SERVER"] if servers else []


def wait_for(service: Service, find: Callable[[], Found]) -> Found:
    """Wait until a function finds something, and return that."""
    service.wait_until(lambda: bool(find()))
    return find()


@each_database
@pytest.mark.matrix
def test_statement_is_below_its_route(
    combination: Combination,
    service: Service,
    collector: Collector,
    traced: Callable[..., list[Span]],
) -> None:
    """Write through a session, and read through the reader."""
    name = uuid4().hex
    added, insert = traced("POST", "/examples", 201, json={"name": name})
    key = service.client.get("/examples", params={"name": name}).json()["items"][0]["id"]
    found, select = traced("GET", f"/examples/{key}")

    assert (added.name, found.name) == ("POST /examples", "GET /examples/{example_id}")
    assert added.parent_id == found.parent_id == "1" * 16
    assert added.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 201,
        "http.route": "/examples",
        "url.path": "/examples",
        "url.scheme": "http",
    }
    for route, statement, operation in ((added, insert, "INSERT"), (found, select, "SELECT")):
        assert statement.parent_id == route.span_id
        assert (statement.kind, statement.is_error, route.is_error) == ("CLIENT", False, False)
        assert statement.name.split()[0] == operation
        assert statement.attributes["db.operation.name"] == operation
        assert statement.attributes["db.system.name"] == combination.database
        assert f"{operation} " in statement.attributes["db.query.text"]
        assert "examples" in statement.attributes["db.query.text"]
        assert 0 <= statement.seconds <= route.seconds
    assert name.encode() not in collector.received
    assert added.resource["service.name"] == "my-app"
    assert added.resource["service.version"] == "0.1.0"


@each_database
@pytest.mark.matrix
def test_unsampled_request_has_no_span(
    service: Service, collector: Collector, traced: Callable[..., list[Span]]
) -> None:
    trace_id = uuid4().hex
    parent = {"traceparent": f"00-{trace_id}-{'1' * 16}-00"}

    assert service.client.get("/examples", headers=parent).status_code == 200

    # The exporter sends spans in the order of their ends.
    traced("GET", "/examples")
    assert not collector.trace(trace_id)


@each_database
@pytest.mark.matrix
def test_log_entries_have_the_spans_ids(
    service: Service, traced: Callable[..., list[Span]]
) -> None:
    request_id = f"mine-{uuid4().hex}"
    [route] = traced("GET", "/logs")
    trace_id = uuid4().hex
    sent = {"traceparent": f"00-{trace_id}-{'1' * 16}-01", "X-Request-ID": request_id}
    response = service.client.get("/examples", headers=sent)

    assert response.headers["X-Request-ID"] == request_id
    [entry] = service.wait_for("Request", request_id)
    assert entry["trace_id"] == trace_id
    assert re.fullmatch("[0-9a-f]{16}", entry["span_id"])
    events = ("By structlog", "By logging", "Request")
    mine = [
        entry
        for event in events
        for entry in service.events(event)
        if entry.get("trace_id") == route.trace_id
    ]
    assert [entry["event"] for entry in mine] == list(events)
    assert {entry["span_id"] for entry in mine} == {route.span_id}
    assert len({entry["request_id"] for entry in mine}) == 1
    assert all("trace_id" not in entry for entry in service.events("Application startup complete."))


@each_database
@pytest.mark.matrix
def test_values_never_leave_the_process(
    collector: Collector,
    headers: dict[str, str],
    traced: Callable[..., list[Span]],
) -> None:
    """Fail in each way whose error quotes a row, a parameter, an input or a token."""
    secret = {"name": SECRET, "access_token": SECRET}
    conflict, *below = traced("POST", "/twice", 409, params=secret)
    error, *_ = traced("POST", "/unexpected", 500, params=secret)
    invalid, *_ = traced("POST", "/cups", 500, params={"size": SECRET})
    traced("POST", "/examples", 422, json={"name": [SECRET]})

    assert (conflict.is_error, error.is_error, invalid.is_error) == (False, True, True)
    [own] = [span for span in below if span.name == "add twice"]
    assert own.is_error
    assert [each["exception.type"] for each in own.exceptions] == ["sqlalchemy.exc.IntegrityError"]
    failed = [span for span in below if span.is_error and span.kind == "CLIENT"]
    assert [span.parent_id for span in failed] == [own.span_id]
    assert failed[0].attributes["error.type"].endswith("Error")
    assert [each["exception.type"] for each in error.exceptions] == ["RuntimeError"]
    assert [each["exception.message"] for each in error.exceptions] == ["unexpected"]
    assert "add_twice" in error.exceptions[0]["exception.stacktrace"]
    assert error.attributes["error.type"] == "500"
    assert invalid.exceptions[0]["exception.type"].endswith("ValidationError")
    assert SECRET.encode() not in collector.received
    for token in headers.values():
        for part in token.removeprefix("Bearer ").split("."):
            assert part.encode() not in collector.received


@each_database
@pytest.mark.matrix
def test_statement_is_sent_without_literals(
    collector: Collector, traced: Callable[..., list[Span]]
) -> None:
    _, select = traced("GET", "/literal", params={"name": f"{SECRET}'s"})

    assert select.attributes["db.query.text"].endswith("WHERE examples.name = ?")
    assert SECRET.encode() not in collector.received


@each_database
@pytest.mark.matrix
def test_log_quotes_no_tracing_headers(service: Service) -> None:
    """OpenTelemetry's API warns about each mistake, and quotes it."""
    secret, request_id = uuid4().hex, uuid4().hex
    bad = {"baggage": f"{secret},={secret}", "traceparent": PARENT, "tracestate": secret}
    service.client.get("/examples", headers=bad | {"X-Request-ID": request_id})

    service.wait_for("Request", request_id)
    assert secret not in service.output.read_text(encoding="utf-8")


@each_database
@pytest.mark.matrix
def test_broken_response_marks_the_span(service: Service, collector: Collector) -> None:
    trace_id = uuid4().hex
    parent = {"traceparent": f"00-{trace_id}-{'1' * 16}-01"}
    with pytest.raises(httpx.RemoteProtocolError):
        service.client.get("/broken", headers=parent)

    [span] = wait_for(service, lambda: collector.trace(trace_id))
    assert (span.attributes["http.response.status_code"], span.is_error) == (200, True)
    assert [each["exception.message"] for each in span.exceptions] == ["broken"]


@each_database
@pytest.mark.matrix
def test_spans_have_few_names(
    service: Service, collector: Collector, traced: Callable[..., list[Span]]
) -> None:
    for path in ("/health/live", "/health/ready"):
        assert service.client.get(path).status_code == 200
    [unknown] = traced("GET", "/nowhere/1", 404)
    [method] = traced("PROPFIND", "/examples", 405)

    assert (unknown.name, method.name) == ("GET", "HTTP /examples")
    assert method.attributes["http.request.method"] == "_OTHER"
    assert "http.route" not in unknown.attributes
    names = {span.name for span in collector.spans if span.kind == "SERVER"}
    assert not [name for name in names if "health" in name or "nowhere" in name]
    assert not [span for span in collector.spans if span.name.startswith("connect")]
    for point in collector.points:
        values = map(str, point.attributes.values())
        assert not [value for value in values if "health" in value or "nowhere" in value]


@each_database
@pytest.mark.matrix
def test_metrics_show_requests_and_pools(
    service: Service, collector: Collector, traced: Callable[..., list[Span]]
) -> None:
    def pool(metric: str, value: float, **more: str) -> list[Point]:
        name = f"db.client.connection.{metric}"
        found = collector.find(name, db_client_connection_pool_name="transactions", **more)
        return [point for point in found if point.value == value]

    holding = threading.Thread(target=service.client.get, args=["/hold"])
    holding.start()
    wait_for(service, lambda: pool("count", 1, db_client_connection_state="used"))
    traced("GET", "/hold", 503)
    wait_for(service, lambda: pool("timeouts", 1))
    service.client.post("/gates/hold")
    holding.join()
    wait_for(service, lambda: pool("count", 1, db_client_connection_state="idle"))

    assert pool("pending_requests", 1)
    assert pool("max", 1)
    assert {point.kind for point in pool("timeouts", 1)} == {"counter"}
    failed = {"http_request_method": "GET", "http_route": "/hold", "error_type": "503"}
    duration = "http.server.request.duration"
    [point, *_] = wait_for(service, lambda: collector.find(duration, **failed))
    assert (point.unit, point.kind, point.value) == ("s", "histogram", 1)
    assert point.attributes["http.response.status_code"] == 503


@each_database
@pytest.mark.matrix
def test_dashboard_names_exported_metrics(
    observed: Path, service: Service, collector: Collector, traced: Callable[..., list[Span]]
) -> None:
    """Translate each metric as Prometheus does, and compare the names and labels."""
    traced("GET", "/nowhere", 404)
    wait_for(service, lambda: collector.find("http.server.request.duration"))
    exported: dict[str, set[str]] = {}
    for point in collector.points:
        name = point.metric.replace(".", "_") + ("_seconds" if point.unit == "s" else "")
        labels = {label.replace(".", "_") for label in point.attributes} | {"job"}
        endings = {"histogram": ["_bucket", "_count", "_sum"], "counter": ["_total"]}
        for ending in endings.get(point.kind, [""]):
            more = {"le"} if ending == "_bucket" else set()
            exported.setdefault(name + ending, set()).update(labels | more)

    board = json.loads((observed / "observability/dashboard.json").read_text(encoding="utf-8"))

    assert len(board["panels"]) == 6
    assert len({panel["id"] for panel in board["panels"]}) == 6
    named = set()
    for panel in board["panels"]:
        assert panel["datasource"] == {"type": "prometheus", "uid": "prometheus"}
        for target in panel["targets"]:
            used, labels = names_in(target["expr"])
            assert used <= exported.keys()
            assert labels <= set.union(*(exported[name] for name in used)), target["expr"]
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= labels
            named |= used
    [variable] = board["templating"]["list"]
    assert f"${variable['name']}" in board["panels"][0]["targets"][0]["expr"]
    assert variable["definition"].split("(")[1].split(",")[0] in named
    # Every metric is on the dashboard; the sum of the durations isn't needed.
    assert exported.keys() - named == {
        name for name in exported if name.endswith("_sum") or name.startswith("shop_")
    }


def names_in(expression: str) -> tuple[set[str], set[str]]:
    """Return the metrics and the labels in an expression of PromQL."""
    labels = set(re.findall(r"(\w+)=~?\"", expression))
    for group in re.findall(r"by \(([^)]*)\)", expression):
        labels |= set(group.split(", "))
    return set(re.findall(r"(\w+){", expression)), labels


@each_database
@pytest.mark.matrix
def test_duration_is_that_of_the_response(
    service: Service, collector: Collector, traced: Callable[..., list[Span]]
) -> None:
    """A stream counts until its last part, and a background task doesn't count."""
    traced("POST", "/later", 200)
    duration = "http.server.request.duration"
    wait_for(service, lambda: collector.find(duration, http_route="/later"))
    service.client.post("/gates/later")

    trace_id = uuid4().hex
    parent = {"traceparent": f"00-{trace_id}-{'1' * 16}-01"}
    with service.client.stream("GET", "/stream", headers=parent) as response:
        parts = response.iter_text()
        assert next(parts) == "first"
        begin = time.monotonic()
        traced("GET", "/examples")
        seconds = time.monotonic() - begin
        assert not collector.trace(trace_id)
        service.client.post("/gates/stream")
        assert "".join(parts) == "last"
    [span] = wait_for(service, lambda: collector.trace(trace_id))
    assert (span.name, span.attributes["http.response.status_code"]) == ("GET /stream", 200)
    assert span.seconds >= seconds


@each_database
@pytest.mark.matrix
def test_documented_span_and_metric_arrive(
    service: Service, collector: Collector, traced: Callable[..., list[Span]]
) -> None:
    route, own = traced("POST", "/pay/7")

    assert (own.name, own.parent_id) == ("pay order", route.span_id)
    assert own.attributes == {"shop.order.id": 7}
    [point, *_] = wait_for(service, lambda: collector.find("shop.payments"))
    assert point.attributes == {"shop.payment.method": "card"}


@each_database
@pytest.mark.matrix
def test_websocket_works_untraced(
    observed: Path, service: Service, headers: dict[str, str]
) -> None:
    url = service.url.replace("http", "ws", 1) + "/echo"
    program = f"""
import asyncio
from websockets.asyncio.client import connect

async def main():
    async with connect({url!r}, additional_headers={headers!r}) as socket:
        await socket.send("hello")
        print(await socket.recv())

asyncio.run(main())
"""

    assert run([".venv/bin/python", "-c", program], observed) == "hello\n"


@on_sqlite
@pytest.mark.matrix
def test_workers_are_separate_instances(observed: Path, given: dict[str, str]) -> None:
    with collecting() as collector, sending(observed, collector, given, "--workers=2") as service:

        def both() -> bool:
            # Many connections at once reach both workers.
            send_at_once([service.url], clients=20, rounds=1)
            sent = {each.resource["service.instance.id"] for each in collector.points}
            traced = {each.resource["service.instance.id"] for each in collector.spans}
            return len(sent & traced) == 2

        service.wait_until(both)
        # The measurements of the last moment arrive too.
        count = len(collector.spans)
        last = httpx.get(f"{service.url}/examples", headers={"traceparent": PARENT})
        assert last.status_code == 200
        assert service.stop() == 0
    assert len(collector.spans) > count
    assert [span.name for span in collector.trace(PARENT.split("-")[1])][-1] == "GET /examples"


@on_sqlite
@pytest.mark.matrix
@pytest.mark.parametrize("state", ["hanging", "refusing", "slow"])
def test_broken_collector_changes_nothing(
    state: str, observed: Path, given: dict[str, str], record_figure: RecordFigure
) -> None:
    with collecting() as collector:
        collector.is_open.clear()
        if state == "slow":
            collector.patience = 1
        if state == "refusing":
            with socket.create_server(("127.0.0.1", 0)) as closed:
                collector.url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with sending(observed, collector, given, OTEL_SERVICE_NAME="tea-shop") as service:
            if state != "refusing":
                service.wait_until(lambda: collector.requests >= 2)
            for _ in range(20):
                assert service.client.get("/examples").status_code == 200
            begin = time.monotonic()
            assert service.stop() == 0
            seconds = time.monotonic() - begin
        record_figure(f"seconds until the exit, with a {state} collector", seconds)
        # The service waits once for both signals, and stops.
        assert seconds < 2 * STOP_TIMEOUT
        # Each of the 20 requests has a span, and one for its statement.
        assert len(collector.spans) >= 40 if state == "slow" else not collector.spans


@on_sqlite
@pytest.mark.matrix
@pytest.mark.parametrize(
    "variables",
    [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}],
    ids=["unset", "disabled"],
)
def test_sdk_is_not_imported_without_endpoint(
    variables: dict[str, str], observed: Path, given: dict[str, str]
) -> None:
    program = """
import asyncio, sys
from app import app

async def main():
    async with app.router.lifespan_context(app):
        print(sorted(name for name in sys.modules if name.startswith("opentelemetry.")))
        print([each.cls.__name__ for each in app.user_middleware])

asyncio.run(main())
"""

    printed = run([".venv/bin/python", "-c", program], observed, **given, **variables)

    assert "'opentelemetry.trace'" in printed
    assert "opentelemetry.sdk" not in printed
    assert "opentelemetry.exporter" not in printed
    assert "TelemetryMiddleware" not in printed
    assert "RequestMiddleware" in printed


@on_sqlite
@pytest.mark.matrix
def test_telemetry_passes_its_template_tests(
    installed: Path, settings: dict[str, str], tmp_path: Path, run_own_tests: RunOwnTests
) -> None:
    folder = tmp_path / installed.name
    shutil.copytree(installed, folder, ignore=shutil.ignore_patterns(".*"))
    extra = folder / "tests" / "telemetry_extra"
    shutil.copytree(TEMPLATE / "tests" / "telemetry", extra)
    environment = settings | {"UV_PROJECT_ENVIRONMENT": str(installed / ".venv")}

    printed = run_own_tests(f"uv run --no-sync pytest {extra}", folder, **environment)

    assert re.search(r"\d+ passed", printed)
    assert "skipped" not in printed


@pytest.mark.parametrize(
    "combination",
    # test_auth.py has the others.
    legs([each for each in OBSERVED if each.auth == "none"]),
    indirect=True,
    scope="session",
)
@pytest.mark.matrix
def test_observed_project_passes_its_checks(
    installed: Path, settings: dict[str, str], mypy_cache: Path, run_own_tests: RunOwnTests
) -> None:
    pins = (installed / "requirements.txt").read_text(encoding="utf-8")
    run("make lint", installed, MYPY_CACHE_DIR=str(mypy_cache))
    printed = run_own_tests("make test", installed, **settings)
    run("make lock", installed)

    assert re.search(r"\d+ passed", printed)
    assert "skipped" not in printed
    assert (installed / "requirements.txt").read_text(encoding="utf-8") == pins


@pytest.mark.runs_commands("docs/telemetry.md", "Try it")
def test_documented_collector_is_in_compose(render: Render, commands: Commands) -> None:
    project = render(telemetry="opentelemetry")
    compose = yaml.safe_load((project / "compose.yaml").read_text(encoding="utf-8"))
    collector = compose["services"]["observability"]
    local, beside = commands(project, "docs/telemetry.md", "Try it")
    start, run_here = local.split("\n")

    assert start == "docker compose up --detach --wait observability"
    assert run_here == "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 make run"
    assert beside == (
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://observability:4318 "
        "docker compose --profile observability up --build"
    )
    assert collector["ports"] == [f"127.0.0.1:{port}:{port}" for port in (3000, 4318)]
    assert collector["profiles"] == ["observability"]
    assert re.fullmatch(r"grafana/otel-lgtm:\d+\.\d+\.\d+", collector["image"])
    mounts = dict(volume.removesuffix(":ro").split(":") for volume in collector["volumes"])
    assert all((project / source).is_file() for source in mounts)
    provider = yaml.safe_load(
        (project / "observability" / "dashboards.yaml").read_text(encoding="utf-8")
    )
    dashboard = mounts["./observability/dashboard.json"]
    assert provider["providers"][0]["options"]["path"] == str(Path(dashboard).parent)
    assert collector["environment"] == {"GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": dashboard}
    # Without a value, Compose passes the variable only if it is set.
    app = compose["services"]["app"]["environment"]
    page = (project / "docs" / "telemetry.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `(OTEL_\w+)`", page, re.MULTILINE)
    passed = {name: app[name] for name in app if name.startswith("OTEL_")}
    assert passed == dict.fromkeys(documented)
    run(["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"], project)


def test_projects_without_telemetry_have_none_of_it(render: Render) -> None:
    for combination in OBSERVED:
        plain = render(**replace(combination, telemetry="none").answers)
        for path in files(plain):
            text = (plain / path).read_text(encoding="utf-8")
            if path.name not in {"update.py", ".cruft.json", "updating.md"}:
                assert not re.search(r"(?i)telemetry|\botel|grafana", text), path


@pytest.mark.parametrize("combination", OBSERVED, ids=str)
def test_telemetry_adds_few_lines_to_core(combination: Combination, render: Render) -> None:
    plain, observed = (
        {
            path.name: len(find_code_lines(path.read_text(encoding="utf-8")))
            for path in (render(**each.answers) / "src" / "core").rglob("*.py")
        }
        for each in (replace(combination, telemetry="none"), combination)
    )

    assert observed["telemetry.py"] <= LINES
    assert sum(observed.values()) - sum(plain.values()) <= ALL_LINES


@pytest.mark.parametrize("combination", OBSERVED, ids=str)
def test_telemetry_changes_only_listed_files(combination: Combination, render: Render) -> None:
    plain = contents(render(**replace(combination, telemetry="none").answers))
    observed = contents(render(**combination.answers))

    assert observed.keys() - plain.keys() == set(NEW.split())
    assert plain.keys() <= observed.keys()
    changed = {name for name, content in plain.items() if observed[name] != content}
    kubernetes = {
        name for name in plain if name.endswith(("/kustomization.yaml", "/kubernetes.md"))
    }
    assert changed == set(CHANGED.split()) | kubernetes


def test_telemetry_is_switched_on_and_off(
    history: History,  # noqa: F811  # the imported fixture
    tmp_path: Path,
) -> None:
    """Update a lived-in project, and back: the template's files equal those of a fresh one."""
    observed = replace(PLAIN, telemetry="opentelemetry")
    project = Path(shutil.copytree(history.render("HEAD", PLAIN), tmp_path / "lived"))
    live_in(project, deployed=False)
    project = start(project, tmp_path / "my-app")
    made = {each: history.render("HEAD", each) for each in (observed, PLAIN)}
    history.show("HEAD")
    lived = contents(project)

    report = run([sys.executable, "update.py", "telemetry=opentelemetry"], project)

    assert "once `OTEL_EXPORTER_OTLP_ENDPOINT` has the address of a collector" in report
    assert {name for name in contents(project) if name not in lived} == set(NEW.split())
    fresh = outside_skip(made[observed], read_skip(project))
    assert contents(project).items() >= {name: fresh[name] for name in NEW.split()}.items()
    commit(project, "Switch telemetry on")
    update(project, "telemetry=none")
    assert contents(project).keys() == lived.keys()
