"""Run rendered projects as servers, and find their database servers."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from tools import servers
from tools.template import environment, failure

from .projects import COMBINATIONS, Combination
from .promises import MISSING

#: The maximum seconds until a server responds, including its installation by pip.
START = 120
#: The maximum seconds until it stops, or does anything else, on a slow and busy machine.
STOP = 30

#: Each xdist process has its own range of ports, outside the system's ephemeral ports.
#: Otherwise another server could respond on a port before the expected one has started.
_ports = itertools.count(
    20_000 + 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
)

#: A password that must not reach the log. It only works if the URL is escaped correctly.
SECRET = "s3cret:p@ss/w%rd"  # noqa: S105  # of temporary databases


def legs(combinations: list[Combination]) -> list[Any]:
    """Return pytest parameters for combinations. Tests of a leg run in one process."""
    return [
        pytest.param(each, id=str(each), marks=pytest.mark.xdist_group(str(each)))
        for each in combinations
    ]


def on(*names: str) -> pytest.MarkDecorator:
    """Run a test in the legs of some combinations, which need not be the whole matrix."""
    combinations = [each for each in COMBINATIONS if str(each) in names]
    return pytest.mark.parametrize(
        "combination", legs(combinations), indirect=True, scope="session"
    )


def required() -> bool:
    """Return whether a missing database server or client fails a test."""
    return bool(os.environ.get("REQUIRE_DATABASES"))


def find_server(database: str) -> dict[str, str]:
    try:
        return servers.find(database)
    except servers.ServerError as error:
        report_missing(str(error))


def report_missing(message: str) -> NoReturn:
    """Skip a test for lack of a server or a program, or fail it in CI."""
    if required():
        pytest.fail(message)
    pytest.skip(f"{MISSING}{message}")


@contextlib.contextmanager
def serving(
    command: str, folder: Path, port: int, settings: dict[str, str]
) -> Iterator[httpx.Client]:
    """Run a shell command that serves on `port`; yield a client after its first response."""
    with (
        tempfile.NamedTemporaryFile("w") as output,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=STOP) as client,
    ):
        process = subprocess.Popen(
            f"set -e\n{command}",
            cwd=folder,
            env=environment(UVICORN_PORT=str(port), **settings),
            shell=True,  # the README's commands need a shell
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

        def told() -> str:
            printed = Path(output.name).read_text(encoding="utf-8")
            return failure(command, folder, process.poll(), printed)

        try:
            wait_until(lambda: answers(client), process, told, START)
            yield client
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(STOP)
            # The shell stops before the server that it started.
            end = time.monotonic() + STOP
            while answers(client):
                assert time.monotonic() < end, told()
                time.sleep(0.05)
            # A reloader may run longer than its server.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        assert "Traceback" not in told(), told()


@dataclass(frozen=True)
class Service:
    """A rendered project that runs as in production."""

    client: httpx.Client
    process: subprocess.Popen[bytes]
    output: Path
    #: Returns the process's exit code and output, for a failed assertion.
    told: Callable[[], str]

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        return str(self.client.base_url).rstrip("/")

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log events with this name. The whole log must be JSON."""
        events = map(json.loads, self._complete_lines())
        return [event for event in events if event["event"] == name]

    def check_log(self) -> None:
        """Check that the whole log is JSON and contains no password."""
        assert all("event" in json.loads(line) for line in self._complete_lines())
        assert SECRET not in self.output.read_text(encoding="utf-8")

    def _complete_lines(self) -> list[str]:
        # The last line may be incomplete.
        return self.output.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition is true while the service runs."""
        wait_until(condition, self.process, self.told, STOP)

    def wait_for(self, name: str, request_id: str) -> list[dict[str, Any]]:
        """Wait for a request's log events with this name, and return them."""

        def found() -> list[dict[str, Any]]:
            return [event for event in self.events(name) if event.get("request_id") == request_id]

        self.wait_until(lambda: bool(found()))
        return found()

    def stop(self) -> int:
        """Send SIGTERM, wait, and return the exit code."""
        self.process.terminate()
        return self.process.wait(STOP)


@contextlib.contextmanager
def serving_in_production(
    project: Path, *options: str, port: str = "", **variables: str
) -> Iterator[Service]:
    """Run `main.py` of an installed project, by default without migrations at startup.

    Args:
        project: the project's folder.
        options: options of `main.py`.
        port: the port to serve on; a free one by default.
        variables: the settings.
    """
    port = port or str(free_port())
    with (
        tempfile.TemporaryDirectory() as folder,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=STOP) as client,
    ):
        output = Path(folder) / "output"
        command = [".venv/bin/python", "main.py", "--port", port, *options]
        with output.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=project,
                env=environment(**{"DB_CREATE_ALL": "false", "LOG_FORMAT": "json", **variables}),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

        def told() -> str:
            return failure(command, project, process.poll(), output.read_text(encoding="utf-8"))

        service = Service(client, process, output, told)
        try:
            wait_until(lambda: answers(client), process, told, START)
            yield service
            if process.poll() is None:
                assert service.stop() == 0, told()
            service.check_log()
        finally:
            # Workers may still be running.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def assert_unavailable(response: httpx.Response) -> None:
    assert response.status_code == 503, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert int(response.headers["Retry-After"]) > 0


def wait_until(
    condition: Callable[[], bool],
    process: subprocess.Popen[bytes],
    told: Callable[[], str],
    seconds: float,
) -> None:
    """Wait until a condition is true. The process must not stop meanwhile."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, told()
        assert time.monotonic() < end, told()
        time.sleep(0.05)


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/").status_code in (200, 401)
    except httpx.TransportError:
        return False


def free_port() -> int:
    """Return a free port that no other process of this run will use."""
    while True:
        port = next(_ports)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
