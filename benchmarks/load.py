"""Servers as real processes, and wrk, which drives them."""

import contextlib
import http.client
import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import psutil

from tests.helpers.serving import free_port
from tools.template import environment

from .contenders import BUILD, Contender
from .databases import Database

SCRIPT = Path(__file__).with_name("requests.lua")
#: Seconds in which a server must answer at first, end, or be idle again.
PATIENCE = 30
#: What the processes of database servers are called.
DATABASE_PROCESSES = ("postgres", "mariadbd", "mysqld")


class MeasurementError(Exception):
    """A server does not do what it is measured at; the message has the end of its log first."""


@dataclass(frozen=True)
class Measurement:
    """What was seen while one server was driven; times are in seconds."""

    #: Requests answered, for each second.
    rate: float
    p50: float
    p99: float
    #: Time of a processor that the server took, for each request.
    cpu: float
    #: How many processors were busy with the server, the database's, wrk, and all else.
    server_load: float
    database_load: float
    wrk_load: float
    other_load: float


@dataclass(frozen=True)
class Server:
    """A contender that serves."""

    contender: Contender
    process: psutil.Process
    port: int
    log: Path
    #: Seconds from its start to its first answer.
    start: float

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def processes(self) -> list[psutil.Process]:
        """List its processes: one, unless it has workers."""
        return [self.process, *self.process.children(recursive=True)]

    def cpu(self) -> float:
        """Return the seconds of processors that it has taken so far."""
        return sum(map(cpu_of, self.processes()))

    def memory(self) -> int:
        """Return its resident memory in bytes."""
        return sum(process.memory_info().rss for process in self.processes())

    def settle(self) -> None:
        """Wait until it is done with requests that nobody waits for any more."""
        end = time.monotonic() + PATIENCE
        before = -1.0
        while before < (before := self.cpu()) and time.monotonic() < end:
            time.sleep(0.03)

    def fail(self, message: str) -> NoReturn:
        """Raise an error, with the end of its log before it."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        raise MeasurementError("\n".join([*lines, f"{self.contender.name}: {message}"]))


@contextlib.contextmanager
def serving(contender: Contender, database: Database, workers: int = 1) -> Iterator[Server]:
    """Start a contender, and yield it once it answers."""
    port = free_port()
    log = BUILD / "logs" / f"{database.kind} {contender.name} {workers}.log"
    log.parent.mkdir(exist_ok=True)
    options = ["--workers", str(workers)] if workers > 1 else []
    variables = {**database.settings, **contender.variables, "WEB_CONCURRENCY": "1"}
    # Appended to, so that it can be emptied meanwhile.
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
            while not answers(port, contender.first):
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


def answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def drive(server: Server, workload: str, connections: int, seconds: int) -> Measurement:
    """Have wrk ask a server for as much as it can answer.

    Args:
        server: who is asked.
        workload: the name that `requests.lua` has for what is asked.
        connections: how many requests are in flight.
        seconds: for how long.

    Raises:
        MeasurementError: a request failed, or was answered with an error.
    """
    os.truncate(server.log, 0)
    command = ["wrk", "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{seconds}s", "--timeout", "10s", "--script", str(SCRIPT)]
    command += [server.url, "--", workload, uuid4().hex]
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
    """Return the seconds of processors that database servers on this machine have taken."""
    processes = psutil.process_iter(["name"])
    return sum(cpu_of(each) for each in processes if each.info["name"] in DATABASE_PROCESSES)


def wrk_cpu() -> float:
    """Return the seconds of processors that all that has ended here has taken."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def machine_cpu() -> float:
    """Return the seconds of processors that anything at all has taken."""
    # What guests take is among what users do.
    idle = ("idle", "iowait", "guest", "guest_nice")
    times: dict[str, float] = psutil.cpu_times()._asdict()
    return sum(seconds for name, seconds in times.items() if name not in idle)


def cpu_of(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0
    return float(times.user + times.system)
