"""What the tests of rendered projects share: their servers, and the databases behind them."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from . import servers
from .projects import Combination, environment, failure

#: Seconds in which a server must answer, its installation by pip included.
START = 120
#: Seconds in which it must end.
STOP = 10


def legs(combinations: list[Combination]) -> list[Any]:
    """Make parameters of combinations; those of a leg run in one process."""
    return [
        pytest.param(each, id=str(each), marks=pytest.mark.xdist_group(str(each)))
        for each in combinations
    ]


def required() -> bool:
    """Tell whether servers and their clients must be here."""
    return bool(os.environ.get("REQUIRE_DATABASES"))


def find_server(database: str) -> dict[str, str]:
    try:
        return servers.find(database)
    except servers.ServerError as error:
        if required():
            pytest.fail(str(error))
        pytest.skip(str(error))


@contextlib.contextmanager
def serving(
    command: str, folder: Path, port: int, settings: dict[str, str]
) -> Iterator[httpx.Client]:
    """Run a command, in a shell, that serves on `port`; yield a client of it once it answers."""
    with (
        tempfile.NamedTemporaryFile("w") as output,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=STOP) as client,
    ):
        process = subprocess.Popen(
            f"set -e\n{command}",
            cwd=folder,
            env=environment(UVICORN_PORT=str(port), **settings),
            shell=True,  # the README's commands are for a shell
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

        def told() -> str:
            printed = Path(output.name).read_text(encoding="utf-8")
            return failure(command, folder, process.poll(), printed)

        try:
            end = time.monotonic() + START
            while not answers(client):
                assert process.poll() is None, told()
                assert time.monotonic() < end, told()
                time.sleep(0.05)
            yield client
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(STOP)
            # The shell ends before what it started.
            end = time.monotonic() + STOP
            while answers(client):
                assert time.monotonic() < end, told()
                time.sleep(0.05)
            # A reloader may outlive what it reloads.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        assert "Traceback" not in told(), told()


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/").status_code == 200
    except httpx.TransportError:
        return False


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
