"""A service keeps its promises on real clusters: a pooler, a standby, a replica, TLS, a balancer.

Every test runs its own servers, from `tests/helpers/clusters.py`. A test runs with one
combination, or with one of each database if that can break it.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tools.template import run

from .conftest import RecordFigure
from .helpers.clusters import (
    APP,
    Authority,
    Certificate,
    MariaDB,
    PostgreSQL,
    find_program,
    making_folder,
    running_balancer,
    running_mariadb,
    running_pgbouncer,
    running_postgresql,
    running_standby,
)
from .helpers.projects import Combination
from .helpers.proxy import proxying
from .helpers.serving import (
    STOP,
    Service,
    assert_unavailable,
    free_port,
    on,
    serving_in_production,
)
from .helpers.traffic import count, send_at_once, sending, wait_for

pytestmark = pytest.mark.matrix


@contextmanager
def running_database(database: str, *options: str) -> Iterator[PostgreSQL | MariaDB]:
    """Run a server for projects on a database, with further options of its command line."""
    run_server = running_mariadb if database == "mysql" else running_postgresql
    with run_server(*options) as server:
        yield server


def add(service: Service, name: str) -> httpx.Response:
    return service.client.post("/examples", json={"name": name})


def wait_until_well(service: Service) -> None:
    """Wait until the service is ready, reads and writes."""
    name = f"well at {time.monotonic()}"
    wait_for(lambda: service.client.get("/health/ready").status_code == 200)
    wait_for(lambda: add(service, name).status_code in {201, 409})
    wait_for(lambda: service.client.get("/examples").status_code == 200)


@pytest.mark.parametrize(
    ("required", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)]
)
def test_missing_program_skips_or_fails(
    monkeypatch: pytest.MonkeyPatch, required: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("REQUIRE_DATABASES", required)

    with pytest.raises(outcome, match=r"'teabouncer' is missing: .*`apt-get .* pgbouncer "):
        find_program("teabouncer")


# PgBouncer


@on("postgresql-service")
def test_pooler_serves_more_clients_than_connections(
    installed: Path, record_figure: RecordFigure
) -> None:
    """Two instances and 400 clients share four connections, from the empty database on."""
    with (
        running_postgresql() as server,
        running_pgbouncer(server, 4) as pooler,
        ExitStack() as stack,
    ):
        variables = {
            "DATABASE_URL": server.url(port=pooler.port),
            "DB_TRANSACTION_POOLER": "true",
            "DB_POOL_TIMEOUT": "30",
            "DB_CREATE_ALL": "true",
        }
        # The workers of the first one create the tables at once.
        services = [
            stack.enter_context(serving_in_production(installed, *options, **variables))
            for options in (["--workers", "2"], [])
        ]

        start = time.monotonic()
        answers = send_at_once([service.url for service in services], clients=400, rounds=2)
        seconds = time.monotonic() - start

        assert count(answers) == {200: 400, 201: 400}
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        assert server.query(locks) == 0
        assert 1 <= server.count_sessions() <= 4
        assert server.query("SELECT count(*) FROM examples", APP) == 400
    record_figure("PgBouncer: requests of 400 clients on 4 connections", len(answers))
    record_figure("PgBouncer: requests a second", len(answers) / seconds)


@on("postgresql-service")
def test_migrations_go_around_the_pooler(installed: Path) -> None:
    with running_postgresql() as server:
        variables = {
            "DATABASE_URL": server.url(port=free_port()),
            "DB_MIGRATION_URL": server.url(),
            "DB_TRANSACTION_POOLER": "true",
        }

        run(".venv/bin/alembic upgrade head", installed, **variables)

        assert server.query("SELECT count(*) FROM examples", APP) == 0
        assert "No new upgrade operations" in run(".venv/bin/alembic check", installed, **variables)


# TLS

#: Options of a server that has TLS, and of one that has none.
TLS = {
    "postgresql": "--ssl=on --ssl_cert_file={cert} --ssl_key_file={key} --ssl_ca_file={ca}",
    "mysql": "--ssl-cert={cert} --ssl-key={key} --ssl-ca={ca}",
}
NO_TLS = {"postgresql": "--ssl=off", "mysql": "--skip-ssl"}


@on("postgresql-controller", "mysql-service")
def test_tls_is_verified_and_never_dropped(combination: Combination, installed: Path) -> None:
    """Change the server's certificate and demands below two services.

    One verifies the server. The other only requires TLS, and has a client certificate.
    """
    database = combination.database
    with making_folder() as folder, ExitStack() as stack:
        right, wrong = Authority(folder, "right"), Authority(folder, "wrong")
        good, user = right.issue("good", "localhost"), right.issue("user", APP)
        used = right.issue("used", "localhost")

        def install(certificate: Certificate) -> None:
            # Into the same files, which keep their owner.
            shutil.copyfile(certificate.path, used.path)
            shutil.copyfile(certificate.key, used.key)
            server.reload()
            server.drop_connections()

        options = TLS[database].format(cert=used.path, key=used.key, ca=right.certificate)
        server = stack.enter_context(running_database(database, *options.split()))
        server.demand("tls")
        trusting = {
            "DATABASE_URL": server.url(),
            "DB_SSLMODE": "require",
            "DB_SSLCERT": str(user.path),
            "DB_SSLKEY": str(user.key),
        }
        verifying = {
            "DATABASE_URL": server.url(host="localhost"),
            "DB_SSLMODE": "verify-full",
            "DB_SSLROOTCERT": str(right.certificate),
        }
        run(".venv/bin/alembic upgrade head", installed, **verifying)
        careful = stack.enter_context(serving_in_production(installed, **verifying))
        lenient = stack.enter_context(serving_in_production(installed, **trusting))
        wait_until_well(careful)
        wait_until_well(lenient)

        server.demand("nothing")
        for invalid in (wrong.issue("forged", "localhost"), right.issue("other", "elsewhere.test")):
            install(invalid)
            assert_fails(careful)
            wait_until_well(lenient)
        install(good)
        wait_until_well(careful)

        server.demand("certificate")
        server.drop_connections()
        assert_fails(careful)
        wait_until_well(lenient)

        server.demand("nothing")
        server.stop()
        server.start(NO_TLS[database])
        assert_fails(careful)
        assert_fails(lenient)
        server.stop()
        server.start()
        wait_until_well(careful)
        wait_until_well(lenient)


def assert_fails(service: Service) -> None:
    """Check that the service gets no connection: it says so, time and again."""
    for _ in range(3):
        assert_unavailable(service.client.get("/health/ready"))
        assert_unavailable(service.client.get("/examples"))
        assert_unavailable(add(service, f"never at {time.monotonic()}"))
    assert service.client.get("/health/live").status_code == 200


# Failover


@on("postgresql-controller")
def test_writes_find_the_new_primary(installed: Path, record_figure: RecordFigure) -> None:
    """Demote the primary, move the endpoint, then promote the standby while clients write.

    The connections to the demoted server stay open, as they do if a DNS name moves.
    """
    with (
        running_postgresql() as primary,
        running_standby(primary) as standby,
        proxying("127.0.0.1", primary.port) as endpoint,
    ):
        # A commit is acknowledged once the standby has it.
        primary.set("synchronous_standby_names", "'*'")
        variables = {"DATABASE_URL": primary.url(port=endpoint.port), "DB_CREATE_ALL": "true"}
        with serving_in_production(installed, **variables) as service:
            with sending(service.url, clients=8) as traffic:
                traffic.first_success("POST", time.monotonic())
                time.sleep(0.5)
                primary.set("default_transaction_read_only", "on")
                endpoint.target = ("127.0.0.1", standby.port)
                demoted = time.monotonic()
                time.sleep(1)
                assert service.client.get("/health/live").status_code == 200
                assert standby.query("SELECT pg_promote()")
                promoted = time.monotonic()
                seconds = traffic.first_success("POST", promoted)
                wait_until_well(service)
                time.sleep(0.5)
                late = time.monotonic()
                time.sleep(0.5)

            assert traffic.statuses("POST") <= {201, 409, 503}
            assert 503 in traffic.statuses("POST", since=demoted)
            assert traffic.statuses("POST", since=late) <= {201, 409}
            assert traffic.statuses("GET", since=late) == {200}
            # Reads must have left the old primary too.
            wait_for(lambda: primary.count_sessions() == 0)
            stored = set(standby.query("SELECT array_agg(name) FROM examples", APP))
            assert traffic.acknowledged <= stored
    record_figure("failover by endpoint: acknowledged writes, none lost", len(traffic.acknowledged))
    record_figure("failover by endpoint: seconds from promotion to first write", seconds)


@on("postgresql-controller")
def test_writes_find_another_host(installed: Path, record_figure: RecordFigure) -> None:
    """Kill the primary while clients write, and promote the standby, the second host of the URL."""
    with running_postgresql() as primary, running_standby(primary) as standby:
        primary.set("synchronous_standby_names", "'*'")
        hosts = primary.url().replace(
            f":{primary.port}/", f":{primary.port},127.0.0.1:{standby.port}/"
        )
        variables = {
            "DATABASE_URL": f"{hosts}?target_session_attrs=read-write",
            "DB_CREATE_ALL": "true",
        }
        with serving_in_production(installed, **variables) as service:
            with sending(service.url, clients=8) as traffic:
                traffic.first_success("POST", time.monotonic())
                time.sleep(0.5)
                primary.kill()
                time.sleep(1)
                assert standby.query("SELECT pg_promote()")
                promoted = time.monotonic()
                seconds = traffic.first_success("POST", promoted)

            assert traffic.statuses("POST") <= {201, 409, 503}
            wait_until_well(service)
            stored = set(standby.query("SELECT array_agg(name) FROM examples", APP))
            assert traffic.acknowledged <= stored
    record_figure("failover among hosts: acknowledged writes, none lost", len(traffic.acknowledged))
    record_figure("failover among hosts: seconds from promotion to first write", seconds)


# Replica


@on("postgresql-service")
def test_replica_takes_reads_and_no_writes(installed: Path, record_figure: RecordFigure) -> None:
    with (
        running_postgresql("--log_statement=all") as primary,
        running_standby(primary, "--log_statement=all") as standby,
        proxying("127.0.0.1", standby.port) as replica,
    ):
        variables = {
            "DATABASE_URL": primary.url(),
            "DB_READ_URL": primary.url(port=replica.port),
            "DB_CREATE_ALL": "true",
        }
        with serving_in_production(installed, **variables) as service:
            wait_until_well(service)
            before = [count_reads(primary), count_reads(standby)]
            answers = send_at_once([service.url], clients=10, rounds=20)
            after = [count_reads(primary), count_reads(standby)]

            assert count(answers) == {200: 100, 201: 100}
            assert [after[0] - before[0], after[1] - before[1]] == [0, 100]

            with sending(service.url, clients=4) as traffic:
                traffic.first_success("GET", time.monotonic())
                replica.down()
                time.sleep(0.2)
                down = time.monotonic()
                time.sleep(1)
                failed = traffic.statuses("GET", since=down)
                replica.up()
                seconds = traffic.first_success("GET", time.monotonic())
                wait_until_well(service)
            assert failed == {503}
            assert traffic.statuses("POST") == {201}
    record_figure("replica: reads on it, of 100", after[1] - before[1])
    record_figure("replica: seconds from its return to the first read", seconds)


def count_reads(server: PostgreSQL) -> int:
    """Count the pages of examples that a server with `log_statement=all` was asked for."""
    log = server.log.read_text(encoding="utf-8")
    return sum("SELECT examples." in line for line in log.splitlines())


# Read-only servers, slow statements, killed connections


@on("mysql-service")
def test_writes_return_when_server_is_writable(installed: Path) -> None:
    with running_mariadb() as server:
        variables = {"DATABASE_URL": server.url(), "DB_CREATE_ALL": "true"}
        with serving_in_production(installed, **variables) as service:
            wait_until_well(service)
            before = server.connections()

            server.query("SET GLOBAL read_only = ON")
            assert_unavailable(add(service, "Ada"))
            assert service.client.get("/examples").status_code == 200
            # The address may lead to a new primary by now.
            assert not {*before} & {*server.connections()}

            server.query("SET GLOBAL read_only = OFF")
            assert add(service, "Ada").status_code == 201


#: Makes any read of examples take half a minute.
SLOW = {
    "postgresql": [
        "ALTER TABLE examples RENAME TO fast",
        "CREATE VIEW examples AS SELECT fast.* FROM fast, pg_sleep(30)",
        f"ALTER VIEW examples OWNER TO {APP}",
    ],
    "mysql": [
        "RENAME TABLE examples TO fast",
        "CREATE VIEW examples AS SELECT fast.* FROM fast, (SELECT SLEEP(30)) AS slow",
    ],
}


@on("postgresql-controller", "mysql-service")
def test_slow_statement_ends_at_the_limit(combination: Combination, installed: Path) -> None:
    with running_database(combination.database) as server:
        variables = {
            "DATABASE_URL": server.url(),
            "DB_CREATE_ALL": "true",
            "DB_STATEMENT_TIMEOUT": "1",
        }
        with serving_in_production(installed, **variables) as service:
            wait_until_well(service)
            for statement in SLOW[combination.database]:
                server.query(statement, APP)

            start = time.monotonic()
            assert_unavailable(service.client.get("/examples"))
            assert 1 <= time.monotonic() - start < 20
            # The server must have stopped too, not only its client.
            wait_for(lambda: server.count_active() == 0, 5)
            assert service.client.get("/health/ready").status_code == 200


@on("postgresql-controller", "mysql-service")
def test_killed_connections_are_replaced(
    combination: Combination, installed: Path, record_figure: RecordFigure
) -> None:
    ended = 0
    with running_database(combination.database) as server:
        variables = {"DATABASE_URL": server.url(), "DB_CREATE_ALL": "true"}
        with serving_in_production(installed, **variables) as service:
            with sending(service.url, clients=4) as traffic:
                traffic.first_success("POST", time.monotonic())
                for _ in range(4):
                    ended += server.drop_connections()
                    time.sleep(0.4)
                wait_until_well(service)
                last = time.monotonic()
                time.sleep(0.5)

            assert ended >= 4
            assert traffic.statuses("POST") <= {201, 409, 503}
            assert traffic.statuses("GET") <= {200, 503}
            assert traffic.statuses("POST", since=last) <= {201, 409}
            assert traffic.statuses("GET", since=last) == {200}
    lost = count(traffic.answers)[503]
    record_figure(f"{combination.database}: connections killed under load", ended)
    record_figure(f"{combination.database}: requests of {len(traffic.answers)} told 503", lost)


# Restarts and load


@on("mysql-controller")
def test_rolling_restarts_fail_no_request(installed: Path, record_figure: RecordFigure) -> None:
    """Restart two instances behind HAProxy by turns; one of them has two workers."""
    ports = {"one": str(free_port()), "two": str(free_port())}
    options: dict[str, list[str]] = {"one": [], "two": ["--workers", "2"]}
    with running_mariadb() as server, running_balancer(**ports) as balancer:
        variables = {"DATABASE_URL": server.url(), "SHUTDOWN_DELAY": "2", "DB_CREATE_ALL": "true"}

        def start(name: str) -> ExitStack:
            stack = ExitStack()
            stack.enter_context(
                serving_in_production(installed, *options[name], port=ports[name], **variables)
            )
            balancer.wait_for(name)
            return stack

        with ExitStack() as all_instances:
            instances = {name: all_instances.enter_context(start(name)) for name in ports}
            with sending(balancer.url, clients=4) as traffic:
                traffic.first_success("POST", time.monotonic())
                for name in ports:
                    # This checks that the exit code is 0.
                    instances[name].close()
                    instances[name] = all_instances.enter_context(start(name))

    assert [each for each in traffic.answers if each.status not in {200, 201}] == []
    record_figure("two rolling restarts: requests, none failed", len(traffic.answers))


@on("sqlite-controller")
@pytest.mark.parametrize("workers", [1, 3])
def test_shutdown_delay_keeps_serving(installed: Path, tmp_path: Path, workers: int) -> None:
    variables = {"DATABASE_URL": f"sqlite:///{tmp_path}/app.db", "DB_CREATE_ALL": "true"}
    variables |= {"SHUTDOWN_DELAY": "4"}
    with serving_in_production(installed, "--workers", str(workers), **variables) as service:
        service.wait_until(lambda: len(service.events("Application startup complete.")) == workers)
        start = time.monotonic()
        # To all its processes, as systemd does; uvicorn's own parent passes the signal on as well.
        os.killpg(service.process.pid, signal.SIGTERM)
        time.sleep(1)
        while time.monotonic() - start < 2.5:
            # Each request opens a connection, so it meets any of the workers.
            assert_unavailable(httpx.get(f"{service.url}/health/ready"))
            assert httpx.get(f"{service.url}/health/live").status_code == 200
            assert httpx.get(f"{service.url}/examples").status_code == 200
            time.sleep(0.1)
        assert service.process.wait(STOP) == 0
        assert time.monotonic() - start >= 4


@on("postgresql-service")
def test_a_thousand_clients_cost_little(installed: Path, record_figure: RecordFigure) -> None:
    """Serve a thousand connections with one worker, twice, and look at its memory."""
    with running_postgresql() as server:
        variables = {"DATABASE_URL": server.url(), "DB_CREATE_ALL": "true"}
        with serving_in_production(installed, **variables) as service:
            process = psutil.Process(service.process.pid)
            send_at_once([service.url], clients=50, rounds=2)
            sizes = [process.memory_info().rss / 2**20]
            for _ in range(2):
                answers = send_at_once([service.url], clients=1000, rounds=1)
                sizes.append(process.memory_info().rss / 2**20)
                assert count(answers).keys() <= {200, 201, 503}
                assert count(answers).keys() & {200, 201}

            wait_until_well(service)
            assert count(send_at_once([service.url], clients=10, rounds=10)) == {200: 50, 201: 50}
    assert sizes[1] - sizes[0] < 100
    assert sizes[2] - sizes[1] < 50
    statuses = count(answers)
    record_figure("1,000 clients on one worker: requests told 503", statuses[503])
    record_figure("1,000 clients on one worker: MiB more than with 50", sizes[2] - sizes[0])
