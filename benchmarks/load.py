"""Run contenders as server processes, and send requests with wrk."""

import contextlib
import http.client
import json
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import psutil

from tests.helpers.serving import free_port
from tools.template import environment

from .contenders import BUILD, Contender, MeasurementError
from .databases import Database

SCRIPT = Path(__file__).with_name("requests.lua")
#: Seconds for a server to start, to stop, or to become idle.
PATIENCE = 30
#: The names of the database servers' processes.
DATABASE_PROCESSES = ("postgres", "mariadbd", "mysqld")


@dataclass(frozen=True)
class Measurement:
    """The measurements of one server in one round. Times are in seconds."""

    #: Responses per second.
    rate: float
    p50: float
    p99: float
    #: Processor time of the server for each request.
    cpu: float
    #: How many processors the server, the database server, wrk and all other programs kept busy.
    server_load: float
    database_load: float
    wrk_load: float
    other_load: float


@dataclass(frozen=True)
class Server:
    """A running contender."""

    contender: Contender
    process: psutil.Process
    port: int
    log: Path
    #: Seconds from the start of the process to the first response.
    start: float

    @property
    def url(self) -> str:
        """Return the base URL, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def processes(self) -> list[psutil.Process]:
        """Return the process and its workers."""
        return [self.process, *self.process.children(recursive=True)]

    def cpu(self) -> float:
        """Return the processor time that the server has used, in seconds."""
        return sum(map(cpu_of, self.processes()))

    def memory(self) -> int:
        """Return the resident memory in bytes."""
        return sum(process.memory_info().rss for process in self.processes())

    def settle(self) -> None:
        """Wait until the server has finished the requests that wrk abandoned at its end."""
        end = time.monotonic() + PATIENCE
        before = -1.0
        while before < (before := self.cpu()) and time.monotonic() < end:
            time.sleep(0.03)

    def fail(self, message: str) -> NoReturn:
        """Raise MeasurementError with the last lines of the log and a message."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        raise MeasurementError("\n".join([*lines, f"{self.contender.name}: {message}"]))


@contextlib.contextmanager
def serving(contender: Contender, database: Database, workers: int = 1) -> Iterator[Server]:
    """Start a contender, and yield it after its first response."""
    port = free_port()
    log = BUILD / "logs" / f"{database.kind} {contender.name} {workers}.log"
    log.parent.mkdir(exist_ok=True)
    options = ["--workers", str(workers)] if workers > 1 else []
    variables = {**database.settings, **contender.variables, "WEB_CONCURRENCY": "1"}
    # Append mode, so that `drive` can truncate the log.
    with log.open("ab") as output:
        os.truncate(log, 0)
        begin = time.perf_counter()
        process = psutil.Popen(
            [*contender.command, str(port), *options],
            cwd=contender.folder,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while not responds(port, contender.first):
                took = time.perf_counter() - begin
                if process.poll() is not None or took > PATIENCE:
                    stopped = Server(contender, process, port, log, took)
                    stopped.fail("does not start")
                time.sleep(0.002)
            yield Server(contender, process, port, log, time.perf_counter() - begin)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def collecting() -> Iterator[str]:
    """Serve a collector that drops all it receives; yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def responds(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def drive(server: Server, workload: str, connections: int, seconds: int) -> Measurement:
    """Measure a server with wrk, which sends as many requests as the server can handle.

    Args:
        server: the server.
        workload: the name of the requests in `requests.lua`.
        connections: the number of requests in flight.
        seconds: the duration.

    Raises:
        MeasurementError: a request failed, or its response was an error.
    """
    os.truncate(server.log, 0)
    command = ["wrk", "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{seconds}s", "--timeout", "10s", "--script", str(SCRIPT)]
    command += [server.url, "--", workload, uuid4().hex, server.contender.token]
    before = server.cpu(), database_cpu(), wrk_cpu(), machine_cpu()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    after = server.cpu(), database_cpu(), wrk_cpu(), machine_cpu()
    if result.returncode != 0:
        server.fail(f"wrk failed: {result.stdout}{result.stderr}")
    seen = json.loads(result.stdout.splitlines()[-1])
    if seen["errors"] or not seen["requests"]:
        message = f"{seen['errors']} of {seen['requests']} requests failed ({workload})"
        server.fail(message)
    server.settle()
    took = seen["microseconds"] / 1e6
    used = [max(0, end - begin) for begin, end in zip(before, after, strict=True)]
    server_load, database_load, wrk_load, machine_load = (each / took for each in used)
    return Measurement(
        seen["requests"] / took,
        seen["p50"] / 1e6,
        seen["p99"] / 1e6,
        used[0] / seen["requests"],
        server_load,
        database_load,
        wrk_load,
        max(0, machine_load - server_load - database_load - wrk_load),
    )


def database_cpu() -> float:
    """Return the processor time of all database servers on this machine, in seconds."""
    processes = psutil.process_iter(["name"])
    return sum(cpu_of(each) for each in processes if each.info["name"] in DATABASE_PROCESSES)


def wrk_cpu() -> float:
    """Return the processor time of all child processes that have ended, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def machine_cpu() -> float:
    """Return the processor time of all programs on this machine, in seconds."""
    # The user times include the guest times.
    idle = ("idle", "iowait", "guest", "guest_nice")
    times: dict[str, float] = psutil.cpu_times()._asdict()
    return sum(seconds for name, seconds in times.items() if name not in idle)


def cpu_of(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0
    return float(times.user + times.system)
