"""Test a running service from outside: on every database, and in both session styles."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from tools import servers
from tools.template import environment, run

from .helpers.projects import COMBINATIONS, SOME, Combination
from .helpers.proxy import Proxy, proxying
from .helpers.serving import (
    SECRET,
    STOP,
    Service,
    assert_unavailable,
    legs,
    on,
    serving_in_production,
)

pytestmark = pytest.mark.matrix

#: Limits of the service in seconds, short to keep the tests fast.
LIMITS = {
    "DB_TIMEOUT": "1",
    "DB_POOL_SIZE": "5",
    "DB_POOL_TIMEOUT": "2",
    "REQUEST_TIMEOUT": "2.5",
    "HEALTH_TIMEOUT": "1",
}
#: The maximum seconds for a response: the longest limit, and some time for a busy machine.
ANSWER = 20

#: At each "hold", adds an example named "held". The next line commits it or rolls it back.
HOLD = """
import asyncio, sys
from src.config import config
from src.examples.examples_entity import Example

async def hold():
    while sys.stdin.readline():
        async with config.get_session() as session:
            session.add(Example(name="held"))
            await session.flush()
            print("held", flush=True)
            if sys.stdin.readline() == "commit\\n":
                await session.commit()
        print("released", flush=True)
    await config.dispose()

asyncio.run(hold())
"""


@dataclass
class Database:
    """A database with a separate user. `down` cuts it off from the service.

    The service reaches a server through a proxy. SQLite's file is in a folder that `down` moves:
    open connections keep working, and new ones fail.
    """

    settings: dict[str, str]
    #: The settings that bypass the proxy.
    direct: dict[str, str]
    proxy: Proxy | None
    folder: Path

    def down(self) -> None:
        if self.proxy:
            self.proxy.down()
        else:
            self.folder.rename(self.folder.with_name("elsewhere"))

    def up(self) -> None:
        if self.proxy:
            self.proxy.up()
        else:
            self.folder.with_name("elsewhere").rename(self.folder)


@contextlib.contextmanager
def making_database(
    combination: Combination, settings: dict[str, str], path: Path
) -> Iterator[Database]:
    """Create an empty database, and drop it at the end of the `with`."""
    name = f"production_{uuid4().hex[:12]}"
    folder = path / name
    folder.mkdir()
    if combination.database == "sqlite":
        own = {"SQLITE_DB_NAME": str(folder / "app")}
        yield Database(own, own, None, folder)
        return
    prefix = combination.database.upper()
    servers.make(combination.database, settings, name, SECRET)
    own = settings | {
        f"{prefix}_USER": name,
        f"{prefix}_PASSWORD": SECRET,
        f"{prefix}_DB_NAME": name,
    }
    try:
        with proxying(settings[f"{prefix}_HOST"], int(settings[f"{prefix}_PORT"])) as proxy:
            there = {f"{prefix}_HOST": "127.0.0.1", f"{prefix}_PORT": str(proxy.port)}
            yield Database(own | there, own, proxy, folder)
    finally:
        servers.drop(combination.database, settings, name)


@pytest.fixture
def database(
    combination: Combination, settings: dict[str, str], tmp_path: Path
) -> Iterator[Database]:
    with making_database(combination, settings, tmp_path) as database:
        yield database


@pytest.fixture(scope="session")
def served(
    combination: Combination,
    settings: dict[str, str],
    installed: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Service, Database]]:
    """Serve for all tests that don't stop the service, and change nothing but rows."""
    path = tmp_path_factory.mktemp(str(combination))
    with making_database(combination, settings, path) as database:
        settings = LIMITS | database.settings | {"DB_CREATE_ALL": "true"}
        with serving_in_production(installed, **settings) as service:
            yield service, database


@pytest.fixture
def service(served: tuple[Service, Database]) -> Service:
    return served[0]


class Holder:
    """A second process that holds a transaction open until a test releases it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin
        assert process.stdout
        self._input, self._output = process.stdin, process.stdout

    @contextlib.contextmanager
    def hold(self, *, undone: bool = False) -> Iterator[Callable[[], None]]:
        """Lock the name "held". A request that adds it waits for the yielded function.

        That function commits an example named "held", or rolls it back if `undone`.
        """
        self._tell("hold", "held")
        release = functools.cache(lambda: self._tell("undo" if undone else "commit", "released"))
        try:
            yield release
        finally:
            release()

    def _tell(self, command: str, done: str) -> None:
        self._input.write(f"{command}\n")
        self._input.flush()
        assert self._output.readline() == f"{done}\n"


@contextlib.contextmanager
def starting_holder(project: Path, database: Database) -> Iterator[Holder]:
    """Run a holder until the end of the `with`. The database must have tables."""
    with subprocess.Popen(
        [".venv/bin/python", "-c", HOLD],
        cwd=project,
        env=environment(**database.direct, LOG_LEVEL="ERROR"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Holder(process)
        _, _ = process.communicate(timeout=STOP)
        assert process.returncode == 0


@pytest.fixture(scope="session")
def holder(installed: Path, served: tuple[Service, Database]) -> Iterator[Holder]:
    with starting_holder(installed, served[1]) as holder:
        yield holder


def add(client: httpx.Client, name: str) -> httpx.Response:
    return client.post("/examples", json={"name": name})


def remove(client: httpx.Client, name: str) -> None:
    for example in client.get("/examples", params={"name": name}).json()["items"]:
        assert client.delete(f"/examples/{example['id']}").status_code == 204


def at_once(
    service: Service, number: int, request: Callable[[httpx.AsyncClient, int], Any]
) -> tuple[list[httpx.Response], list[float]]:
    """Send a number of requests at once; return the responses and their times in seconds."""

    async def send() -> Any:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=service.url, limits=limits, timeout=30) as client:

            async def timed(index: int) -> tuple[httpx.Response, float]:
                start = time.monotonic()
                response = await request(client, index)
                return response, time.monotonic() - start

            return await asyncio.gather(*(timed(index) for index in range(number)))

    responses, seconds = zip(*asyncio.run(send()), strict=True)
    return list(responses), list(seconds)


def assert_pool_is_whole(service: Service, holder: Holder) -> None:
    """Use every connection of the pool at once, which keeps failing if the service lost one."""
    size = int(LIMITS["DB_POOL_SIZE"])

    async def add_held(client: httpx.AsyncClient, _: int) -> httpx.Response:
        return await client.post("/examples", json={"name": "held"})

    def is_whole() -> bool:
        with holder.hold() as release, ThreadPoolExecutor(1) as threads:
            later = threads.submit(at_once, service, size, add_held)
            time.sleep(0.5)
            release()
            responses, _ = later.result()
        remove(service.client, "held")
        return [response.status_code for response in responses] == [409] * size

    # On a busy machine, a request may exceed a limit.
    service.wait_until(is_whole)


def is_ready(service: Service) -> bool:
    return service.client.get("/health/ready").status_code == 200


# Schema

#: Each database, and both session styles.
three_legs = on(*SOME)
#: For slow tests that don't depend on the session style.
one_style = pytest.mark.parametrize(
    "combination",
    legs([each for each in COMBINATIONS if each.session_style == "service"]),
    indirect=True,
    scope="session",
)


@one_style
def test_migration_is_generated_and_applied(
    combination: Combination,
    installed: Path,
    database: Database,
    tmp_path: Path,
    shared: Path,
) -> None:
    """Change an entity, and compare the generated migration with the other legs' ones."""
    project = tmp_path / "changed"
    shutil.copytree(installed, project, ignore=shutil.ignore_patterns(".*"))
    settings = database.direct | {"UV_PROJECT_ENVIRONMENT": str(installed / ".venv")}
    alembic = installed / ".venv" / "bin" / "alembic"
    entity = project / "src/examples/examples_entity.py"
    with serving_in_production(installed, **settings, DB_CREATE_ALL="true") as service:
        first = add(service.client, "Ada").json()["id"]

    assert "CREATE TABLE examples" in run(f"{alembic} upgrade head --sql", project, **settings)
    entity.write_text(
        entity.read_text().replace("String(100)", "String(120)")
        + "    code: Mapped[str | None] = mapped_column(String(50), unique=True)\n"
        + "    note: Mapped[str | None] = mapped_column(String(50), index=True)\n"
    )
    run("""make migration m='add "note"'""", project, **settings)
    [migration] = (project / "migrations/versions").glob("*_add_note.py")
    run("make migrate", project, **settings)
    run(f"{alembic} check", project, **settings)
    run(["ruff", "check", str(migration)], project)
    run(["ruff", "format", "--check", str(migration)], project)

    written = re.sub(r'^revision = ".*"$', "", migration.read_text(), flags=re.MULTILINE)
    assert "uq_examples_code" in written
    assert "ix_examples_note" in written
    (shared / f"migration-{combination}.py").write_text(written)
    for other in shared.glob("migration-*.py"):
        assert other.read_text() == written, other.name
    run(f"{alembic} downgrade -1", project, **settings)
    with serving_in_production(installed, **settings) as service:
        assert service.client.get(f"/examples/{first}").json()["name"] == "Ada"
        assert service.client.delete(f"/examples/{first}").status_code == 204
        assert add(service.client, "Ada").json()["id"] > first
        assert add(service.client, "Ada").status_code == 409


@one_style
def test_workers_starting_together_create_tables_once(installed: Path, database: Database) -> None:
    workers = 3
    started = "Application startup complete."

    with serving_in_production(
        installed, "--workers", str(workers), **database.settings, DB_CREATE_ALL="true"
    ) as service:
        service.wait_until(lambda: len(service.events(started)) >= workers)
        assert len(service.events(started)) == workers, "a worker was restarted"
        assert add(service.client, "Ada").status_code == 201

    assert "No new upgrade operations" in run(
        ".venv/bin/alembic check", installed, **database.direct
    )


# Transactions and sessions


@three_legs
def test_concurrent_creates_store_a_name_once(service: Service) -> None:
    async def add_same(client: httpx.AsyncClient, index: int) -> httpx.Response:
        return await client.post("/examples", json={"name": f"Ada {index // 2}"})

    responses, _ = at_once(service, 10, add_same)

    for pair in zip(responses[::2], responses[1::2], strict=True):
        assert sorted(response.status_code for response in pair) == [201, 409]


@three_legs
def test_requests_beyond_the_pool_get_responses(service: Service, holder: Holder) -> None:
    async def use(client: httpx.AsyncClient, index: int) -> httpx.Response:
        if index % 2:
            return await client.get("/examples")
        return await client.post("/examples", json={"name": f"at once {index}"})

    responses, seconds = at_once(service, 200, use)

    assert {response.status_code for response in responses} <= {200, 201, 503}
    assert sum(response.status_code != 503 for response in responses) >= 10
    assert max(seconds) < ANSWER
    assert_pool_is_whole(service, holder)


@three_legs
def test_disconnected_client_frees_its_connection(service: Service, holder: Holder) -> None:
    body = b'{"name": "held"}'
    request = (
        b"POST /examples HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b"
    )

    url = service.client.base_url

    with holder.hold() as release:
        for _ in range(int(LIMITS["DB_POOL_SIZE"])):
            with socket.create_connection((url.host, url.port or 0)) as client:
                client.sendall(request % (len(body), body))
                time.sleep(0.05)
        release()

    remove(service.client, "held")
    assert_pool_is_whole(service, holder)


@three_legs
def test_lock_wait_ends_at_the_limit(service: Service, holder: Holder) -> None:
    with holder.hold() as release, ThreadPoolExecutor(1) as threads:
        later = threads.submit(add, service.client, "held")
        time.sleep(0.5)
        assert service.client.get("/examples").status_code == 200
        release()
        assert later.result().status_code == 409
    remove(service.client, "held")

    with holder.hold(undone=True):
        start = time.monotonic()
        assert_unavailable(add(service.client, "held"))
        assert time.monotonic() - start < ANSWER
    # The rejected request must not commit later.
    assert add(service.client, "held").status_code == 201
    remove(service.client, "held")


@three_legs
def test_graceful_shutdown_finishes_requests(installed: Path, database: Database) -> None:
    with serving_in_production(installed, **database.settings, DB_CREATE_ALL="true") as service:
        assert add(service.client, "Ada").status_code == 201
        service.process.kill()
        service.process.wait()

    with serving_in_production(installed, **database.settings) as service:
        listed = service.client.get("/examples", headers={"Connection": "close"})
        assert listed.json()["items"] == [{"id": 1, "name": "Ada"}]

        with (
            starting_holder(installed, database) as holder,
            holder.hold() as release,
            ThreadPoolExecutor(4) as threads,
        ):
            later = [
                threads.submit(
                    httpx.post, f"{service.url}/examples", json={"name": "held"}, timeout=STOP
                )
                for _ in range(4)
            ]
            service.wait_until(lambda: count_connections(service) == 4)
            time.sleep(0.5)
            service.process.terminate()
            time.sleep(0.5)
            assert service.process.poll() is None, "the service did not wait for its requests"
            release()
            assert [response.result().status_code for response in later] == [409] * 4
        assert service.process.wait(STOP) == 0


def count_connections(service: Service) -> int:
    """Count the clients' connections that the service has accepted."""
    opened = psutil.Process(service.process.pid).net_connections("tcp")
    port = service.client.base_url.port
    return sum(
        each.status == psutil.CONN_ESTABLISHED and each.laddr.port == port for each in opened
    )


# Faults


def load(service: Service, seconds: float) -> tuple[list[httpx.Response], list[float]]:
    """Send requests from four clients for some seconds; return responses and their times."""
    end = time.monotonic() + seconds

    def ask(number: int) -> list[tuple[httpx.Response, float]]:
        answers: list[tuple[httpx.Response, float]] = []
        with httpx.Client(base_url=service.url, timeout=30) as client:
            while not answers or time.monotonic() < end:
                start = time.monotonic()
                response = client.get("/examples") if number % 2 else add(client, uuid4().hex)
                answers.append((response, time.monotonic() - start))
        return answers

    with ThreadPoolExecutor(4) as threads:
        answers = [answer for each in threads.map(ask, range(4)) for answer in each]
    responses, took = zip(*answers, strict=True)
    return list(responses), list(took)


@three_legs
def test_stopped_database_is_503_until_restart(
    served: tuple[Service, Database],
) -> None:
    service, database = served

    with ThreadPoolExecutor(1) as threads:
        later = threads.submit(load, service, 1.5)
        time.sleep(0.4)
        database.down()
        time.sleep(0.6)
        database.up()
        service.wait_until(lambda: is_ready(service))
        responses, seconds = later.result()

    failed = [response for response in responses if response.status_code not in {200, 201}]
    for response in failed:
        assert_unavailable(response)
    if database.proxy:
        assert failed
    assert max(seconds) < ANSWER
    assert len(responses) - len(failed) > 10
    after, _ = load(service, 0.2)
    assert {response.status_code for response in after} == {200, 201}


@pytest.mark.parametrize(
    "combination",
    # SQLite's file can't hang. The test of locks above covers SQLite.
    legs([each for each in COMBINATIONS if str(each) in SOME and each.database != "sqlite"]),
    indirect=True,
    scope="session",
)
def test_hung_database_is_503_until_resumed(
    served: tuple[Service, Database], holder: Holder
) -> None:
    service, database = served
    assert database.proxy

    database.proxy.silence()
    try:
        responses, seconds = load(service, 0.1)
        start = time.monotonic()
        assert_unavailable(service.client.get("/health/ready"))
        assert time.monotonic() - start < ANSWER
        assert service.client.get("/health/live").status_code == 200
    finally:
        database.up()

    for response in responses:
        assert_unavailable(response)
    assert max(seconds) < ANSWER
    # A busy machine may exceed HEALTH_TIMEOUT too.
    service.wait_until(lambda: is_ready(service))
    assert_pool_is_whole(service, holder)


@three_legs
def test_service_starts_before_its_database(installed: Path, database: Database) -> None:
    if database.proxy:
        database.down()

    with serving_in_production(
        installed, **LIMITS, **database.settings, APP_DEBUG="true", DB_ECHO="true"
    ) as service:
        if not database.proxy:
            database.down()
        assert service.client.get("/health/live").status_code == 200
        assert_unavailable(service.client.get("/health/ready"))
        assert_unavailable(service.client.get("/examples"))

        database.up()
        service.wait_until(lambda: is_ready(service))
        # The tables are missing, so this is an unexpected error.
        response = service.client.get("/examples", headers={"X-Request-ID": "abc"})

        assert response.status_code == 500
        assert response.headers["X-Request-ID"] == "abc"
        assert response.json() == {
            "type": "about:blank",
            "title": "Internal Server Error",
            "status": 500,
            "request_id": "abc",
        }
        [error] = service.events("Unexpected error")
        assert error["request_id"] == "abc"
        assert "Traceback" in error["exception"]
        assert sum("Traceback" in line for line in service.output.read_text().splitlines()) == 1

        # The service must still stop in time.
        if database.proxy:
            database.proxy.silence()
        assert service.stop() == 0


@three_legs
@pytest.mark.parametrize(
    ("body", "media_type", "statuses"),
    [
        (b'{"name": "Ada', "application/json", {422}),
        (b"name=Ada", "application/x-www-form-urlencoded", {415, 422}),
        (b"<name>Ada</name>", "text/xml", {415, 422}),
        (b'{"name": "Ada\\u0000"}', "application/json", {422}),
        (b'{"name": "Ada\\ud800"}', "application/json", {400, 422}),
        (b'{"name": "\xff"}', "application/json", {400, 422}),
        (b'{"name": "%b"}' % (b"x" * 2**20), "application/json", {413}),
    ],
    ids=["malformed", "form", "xml", "nul", "surrogate", "not UTF-8", "too large"],
)
def test_invalid_body_is_rejected(
    service: Service, body: bytes, media_type: str, statuses: set[int]
) -> None:
    response = service.client.post("/examples", content=body, headers={"Content-Type": media_type})

    assert response.status_code in statuses, response.text
    assert response.headers["Content-Type"] == "application/problem+json"


# Operations


@three_legs
def test_each_request_has_one_log_entry(service: Service) -> None:
    given = service.client.get("/examples/1", headers={"X-Request-ID": uuid4().hex})
    new = service.client.get("/nowhere", params={"password": SECRET})
    assert given.headers["X-Request-ID"] == given.request.headers["X-Request-ID"]

    lines = []
    for response in (given, new):
        request_id = response.headers["X-Request-ID"]
        # The service writes the entry after the last chunk of the response.
        [line] = service.wait_for("Request", request_id)
        assert line.pop("duration_ms") > 0
        assert line.pop("timestamp")
        assert line.pop("request_id")
        lines.append(line)
    same = {"event": "Request", "level": "info", "logger": "src.core.middleware", "method": "GET"}
    assert lines == [
        same
        | {
            "route": "/examples/{example_id}",
            "path": "/examples/1",
            "status": given.status_code,
        },
        same | {"route": None, "path": "/nowhere", "status": 404},
    ]


@three_legs
def test_log_is_json_without_passwords(service: Service) -> None:
    """Check the log of this leg's tests so far. Other services are checked when they stop."""
    response = service.client.post("/examples", json={"name": "Ada", "password": SECRET})

    assert service.wait_for("Request", response.headers["X-Request-ID"])
    service.check_log()


@three_legs
def test_redirect_keeps_https_behind_a_proxy(service: Service) -> None:
    response = service.client.get("/examples/", headers={"X-Forwarded-Proto": "https"})

    assert response.headers["Location"] == f"{service.url.replace('http', 'https')}/examples"
