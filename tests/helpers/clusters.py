"""Private servers for a test: PostgreSQL and its standby, MariaDB, PgBouncer, HAProxy, a CA.

Each one listens on 127.0.0.1, on a free port, and keeps its data in a temporary folder.
If root runs the tests, the servers run as nobody, since most of them refuse to run as root.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import asyncpg
import httpx
import pymysql

from .serving import SECRET, STOP, free_port, report_missing

#: Folders of Debian's packages that may not be on the PATH.
FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/lib/postgresql/*/bin")
INSTALL = "apt-get install haproxy mariadb-server-core openssl pgbouncer postgresql"
#: The user and the database of the service on each private server.
APP = "app"

#: The demands of a server on new connections: none, TLS, or TLS with a client certificate.
Demand = Literal["nothing", "tls", "certificate"]


def find_program(name: str) -> str:
    """Find a program; if it is missing, skip the test, or fail it in CI."""
    versions = [str(path) for each in FOLDERS for path in sorted(Path("/").glob(each[1:]))]
    path = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *versions]))
    if path is None:
        report_missing(f"the program {name!r} is missing: install it with `{INSTALL}`")
    return path


def find_postgresql(name: str) -> str:
    """Find a program of PostgreSQL, of the version of the server that is installed."""
    return str(Path(find_program("postgres")).resolve().with_name(name))


def run_unprivileged(command: list[str], folder: Path) -> str:
    """Run a command without root's rights, as servers require; return its output."""
    result = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, **_unprivileged()
    )
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    printed: str = result.stdout
    return printed


def _unprivileged() -> dict[str, Any]:
    """Arguments of `subprocess` that make a process of root's a process of nobody's."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def making_folder() -> Iterator[Path]:
    """Create a folder that servers may write to. Its path is short enough for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="clusters-", dir="/tmp") as name:
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(name, nobody.pw_uid, nobody.pw_gid)
        yield Path(name)


class Server:
    """A process that listens on a port of 127.0.0.1.

    Args:
        command: the command, which must stay in the foreground.
        folder: the folder it runs in, and which has its log.
        port: the port it listens on once it is up.
    """

    stop_signal = signal.SIGTERM

    def __init__(self, command: list[str], folder: Path, port: int) -> None:
        self.command, self.folder, self.port = command, folder, port
        self.log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start the server, and wait until it accepts connections."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.command, *options],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **_unprivileged(),
            )
        self._wait(self._is_up)

    def stop(self) -> None:
        """Ask the server to end, without waiting for its clients, and wait for its end."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End all of its processes at once, as if the machine lost power."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, number)
            self._process.wait(STOP)

    def _is_up(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def _wait(self, condition: Any) -> None:
        end = time.monotonic() + 3 * STOP
        while not condition():
            assert self._process
            is_running = self._process.poll() is None
            printed = self.log.read_text(encoding="utf-8", errors="replace")
            assert is_running, f"{self.command} ended: {printed}"
            assert time.monotonic() < end, f"{self.command} is not up: {printed}"
            time.sleep(0.05)


@contextlib.contextmanager
def running(server: Server) -> Iterator[None]:
    """Start a server, and stop it after the `with`, even if it was restarted."""
    server.start()
    try:
        yield
    finally:
        server.kill()


# Certificates


@dataclass(frozen=True)
class Certificate:
    """The files of a certificate and its key."""

    path: Path
    key: Path


class Authority:
    """A certificate authority. Its own certificate is in the file `certificate`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self.certificate = self._request(name, "CN=" + name).path

    def issue(self, name: str, host: str) -> Certificate:
        """Issue a certificate: for a server's host, or for the user of that name."""
        authority = ["-CA", str(self.certificate), "-CAkey", f"{self._name}.key"]
        extensions = ["-addext", f"subjectAltName=DNS:{host}"]
        extensions += ["-addext", "basicConstraints=critical,CA:FALSE"]
        return self._request(f"{self._name}-{name}", f"CN={host}", *authority, *extensions)

    def _request(self, name: str, subject: str, *options: str) -> Certificate:
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        command = [find_program("openssl"), "req", "-x509", "-nodes", "-days", "2"]
        command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        command += ["-subj", f"/{subject}", "-out", str(made.path), "-keyout", str(made.key)]
        run_unprivileged([*command, *options], self._folder)
        return made


# PostgreSQL


class PostgreSQL(Server):
    """A PostgreSQL server, with a database and a user for the service.

    The superuser gets in by the Unix socket alone.

    Args:
        folder: an empty folder, or one that `pg_basebackup` filled.
        options: options of the command line, such as `--ssl=on`.
    """

    #: A fast shutdown: SIGTERM would wait for all clients to leave.
    stop_signal = signal.SIGINT

    _SESSIONS = "FROM pg_stat_activity WHERE usename = 'app' AND pid <> pg_backend_pid()"

    def __init__(self, folder: Path, *options: str) -> None:
        self.data = folder / "data"
        port = free_port()
        command = [find_postgresql("postgres"), "-D", str(self.data), f"--port={port}"]
        command += ["--listen-addresses=127.0.0.1", f"--unix-socket-directories={folder}"]
        command += ["--fsync=off", "--shared-buffers=16MB", *options]
        super().__init__(command, folder, port)

    def url(self, *, host: str = "127.0.0.1", port: int | None = None) -> str:
        """Return a `DATABASE_URL` of the service, by any address of the server."""
        return f"postgresql://{APP}:{quote(SECRET, safe='')}@{host}:{port or self.port}/{APP}"

    def query(self, statement: str, database: str = "postgres") -> Any:
        """Run a statement as the superuser; return the first value of the result."""
        return asyncio.run(self._query(statement, database))

    def set(self, name: str, value: str) -> None:
        """Change a setting of the running server."""
        self.query(f"ALTER SYSTEM SET {name} = {value}")
        self.reload()

    def demand(self, demand: Demand) -> None:
        """Set the server's demand on new connections."""
        kind = "host" if demand == "nothing" else "hostssl"
        option = "clientcert=verify-ca" if demand == "certificate" else ""
        lines = ["local all all trust", f"{kind} all all 127.0.0.1/32 scram-sha-256 {option}"]
        (self.data / "pg_hba.conf").write_text("\n".join([*lines, ""]), encoding="utf-8")
        self.reload()

    def reload(self) -> None:
        """Have the server read its configuration again, certificates included."""
        before = self.query("SELECT pg_conf_load_time()")
        assert self.query("SELECT pg_reload_conf()")
        # The main process reads it later. New connections are its children.
        self._wait(lambda: self.query("SELECT pg_conf_load_time()") > before)

    def count_sessions(self) -> int:
        """Count the connections of the service."""
        return int(self.query(f"SELECT count(*) {self._SESSIONS}"))

    def count_active(self) -> int:
        """Count the statements of the service that are running."""
        return int(self.query(f"SELECT count(*) {self._SESSIONS} AND state <> 'idle'"))

    def drop_connections(self) -> int:
        """End all connections of the service; return their number."""
        return int(self.query(f"SELECT count(pg_terminate_backend(pid)) {self._SESSIONS}"))

    def _is_up(self) -> bool:
        try:
            return bool(self.query("SELECT 1") == 1)
        except (OSError, asyncpg.PostgresError):
            return False

    async def _query(self, statement: str, database: str) -> Any:
        connection = await asyncpg.connect(
            host=str(self.folder), port=self.port, user="postgres", database=database
        )
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()


@contextlib.contextmanager
def running_postgresql(*options: str) -> Iterator[PostgreSQL]:
    """Run a new server, which can have a standby."""
    with making_folder() as folder:
        server = PostgreSQL(folder, *options)
        command = [
            find_postgresql("initdb"),
            "--pgdata",
            str(server.data),
            "--username",
            "postgres",
        ]
        command += ["--auth-local", "trust", "--auth-host", "scram-sha-256", "--no-sync"]
        run_unprivileged([*command, "--encoding", "UTF8", "--locale", "C"], folder)
        with running(server):
            server.query(f"CREATE ROLE {APP} LOGIN PASSWORD '{SECRET}'")
            server.query(f"CREATE DATABASE {APP} OWNER {APP}")
            yield server


@contextlib.contextmanager
def running_standby(primary: PostgreSQL, *options: str) -> Iterator[PostgreSQL]:
    """Run a server that streams from the primary, and has all that was in it by then."""
    with making_folder() as folder:
        server = PostgreSQL(folder, *options)
        command = [find_postgresql("pg_basebackup"), "--pgdata", str(server.data), "--no-sync"]
        command += ["--host", str(primary.folder), "--port", str(primary.port)]
        command += ["--username", "postgres", "--write-recovery-conf", "--checkpoint", "fast"]
        run_unprivileged(command, folder)
        with running(server):
            assert server.query("SELECT pg_is_in_recovery()")
            yield server


@contextlib.contextmanager
def running_pgbouncer(server: PostgreSQL, connections: int) -> Iterator[Server]:
    """Run PgBouncer in transaction mode, with that many connections to the server at most."""
    port = free_port()
    with making_folder() as folder:
        (folder / "users").write_text(f'"{APP}" "{SECRET}"\n', encoding="utf-8")
        (folder / "pgbouncer.ini").write_text(
            "[databases]\n"
            f"{APP} = host=127.0.0.1 port={server.port}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            "auth_type = scram-sha-256\nauth_file = users\n"
            f"pool_mode = transaction\ndefault_pool_size = {connections}\n"
            f"max_db_connections = {connections}\nmax_client_conn = 500\n",
            encoding="utf-8",
        )
        bouncer = Server([find_program("pgbouncer"), "pgbouncer.ini"], folder, port)
        with running(bouncer):
            yield bouncer


# MariaDB


class MariaDB(Server):
    """A MariaDB server, with a database and a user for the service.

    Root gets in by the Unix socket alone.
    """

    _SESSIONS = "FROM information_schema.processlist WHERE user = 'app'"

    def __init__(self, folder: Path, *options: str) -> None:
        self.data = folder / "data"
        port = free_port()
        command = [find_program("mariadbd"), "--no-defaults", f"--datadir={self.data}"]
        command += [f"--socket={folder}/socket", "--bind-address=127.0.0.1", f"--port={port}"]
        command += ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M"]
        super().__init__([*command, "--skip-name-resolve", *options], folder, port)

    def url(self, *, host: str = "127.0.0.1", port: int | None = None) -> str:
        """Return a `DATABASE_URL` of the service, by any address of the server."""
        return f"mysql://{APP}:{quote(SECRET, safe='')}@{host}:{port or self.port}/{APP}"

    def query(self, statement: str, database: str = "mysql") -> list[tuple[Any, ...]]:
        """Run a statement as root; return the rows of the result."""
        socket = f"{self.folder}/socket"
        connection = pymysql.connect(
            unix_socket=socket, user="root", database=database, ssl_disabled=True
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def demand(self, demand: Demand) -> None:
        """Set the server's demand on new connections."""
        words = {"nothing": "NONE", "tls": "SSL", "certificate": "X509"}
        self.query(f"ALTER USER {APP} REQUIRE {words[demand]}")

    def reload(self) -> None:
        """Have the server read its certificates again."""
        self.query("FLUSH SSL")

    def connections(self) -> list[int]:
        """Return the ids of the service's connections."""
        return [row[0] for row in self.query(f"SELECT id {self._SESSIONS}")]

    def count_active(self) -> int:
        """Count the statements of the service that are running."""
        return len(self.query(f"SELECT id {self._SESSIONS} AND command <> 'Sleep'"))

    def drop_connections(self) -> int:
        """End all connections of the service; return their number."""
        ended = 0
        for each in self.connections():
            # One may have ended by itself.
            with contextlib.suppress(pymysql.Error):
                self.query(f"KILL {each}")
                ended += 1
        return ended

    def _is_up(self) -> bool:
        # pymysql would leave a socket open if it failed.
        return (self.folder / "socket").exists() and super()._is_up()


@contextlib.contextmanager
def running_mariadb(*options: str) -> Iterator[MariaDB]:
    """Run a new server."""
    with making_folder() as folder:
        server = MariaDB(folder, *options)
        command = [find_program("mariadb-install-db"), "--no-defaults", "--skip-test-db"]
        command += [f"--datadir={server.data}", "--auth-root-authentication-method=normal"]
        run_unprivileged(command, folder)
        with running(server):
            server.query(f"CREATE DATABASE {APP}")
            server.query(f"CREATE USER {APP} IDENTIFIED BY '{SECRET}'")
            server.query(f"GRANT ALL ON {APP}.* TO {APP}")
            yield server


# HAProxy


class Balancer(Server):
    """HAProxy in front of instances, to which it sends requests while they are ready.

    It tries nothing again, so a request that an instance drops is an error of the client's.
    """

    def __init__(self, folder: Path, instances: dict[str, str]) -> None:
        port, self._statistics = free_port(), free_port()
        servers = "".join(
            f"    server {name} 127.0.0.1:{number} check\n" for name, number in instances.items()
        )
        (folder / "haproxy.cfg").write_text(
            "defaults\n"
            "    mode http\n    retries 0\n    timeout connect 2s\n"
            "    timeout client 30s\n    timeout server 30s\n    timeout check 5s\n"
            f"listen app\n    bind 127.0.0.1:{port}\n    balance roundrobin\n"
            "    option httpchk GET /health/ready\n    http-check expect status 200\n"
            "    default-server inter 200ms fall 2 rise 1\n"
            f"{servers}"
            f"listen statistics\n    bind 127.0.0.1:{self._statistics}\n    stats uri /\n",
            encoding="utf-8",
        )
        super().__init__([find_program("haproxy"), "-db", "-f", "haproxy.cfg"], folder, port)

    @property
    def url(self) -> str:
        """The base URL, for clients."""
        return f"http://127.0.0.1:{self.port}"

    def wait_for(self, name: str) -> None:
        """Wait until an instance gets requests."""
        self._wait(lambda: self._states()[name] == "UP")

    def _states(self) -> dict[str, str]:
        table = httpx.get(f"http://127.0.0.1:{self._statistics}/;csv").text.removeprefix("# ")
        return {
            row["svname"]: row["status"]
            for row in csv.DictReader(table.splitlines())
            if row["pxname"] == "app"
        }


@contextlib.contextmanager
def running_balancer(**instances: str) -> Iterator[Balancer]:
    """Run HAProxy in front of instances, given by name and port, which may not be up yet."""
    with making_folder() as folder:
        balancer = Balancer(folder, instances)
        with running(balancer):
            yield balancer
