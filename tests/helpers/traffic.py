"""HTTP clients that are light enough for a thousand connections beside the servers they call."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

from .serving import STOP

#: In place of a status if the connection failed or broke.
BROKEN = 0
#: Seconds between two requests of a client that sends until it is stopped.
PAUSE = 0.06
#: Seconds after which a response counts as broken.
PATIENCE = 60


@dataclass(frozen=True)
class Answer:
    """The response to one request."""

    method: str
    #: The name that a POST gave its example.
    name: str
    status: int
    #: The body, or why there is none.
    text: str
    #: When the response ended, on the clock of `time.monotonic`.
    at: float
    #: How long it took, in seconds.
    seconds: float


class Client:
    """A client with one connection, which is opened again when it is lost."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def read(self) -> Answer:
        """Ask for a page of examples."""
        return await self._send("GET", "/examples?limit=5")

    async def write(self, name: str) -> Answer:
        """Add an example."""
        return await self._send("POST", "/examples", name)

    def close(self) -> None:
        """Close the connection."""
        if self._streams:
            self._streams[1].transport.abort()
        self._streams = None

    async def _send(self, method: str, target: str, name: str = "") -> Answer:
        body = json.dumps({"name": name}).encode() if name else b""
        head = f"{method} {target} HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n"
        head += "Content-Type: application/json\r\n\r\n"
        start = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                status, text = await self._exchange(head.encode() + body)
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            status, text = BROKEN, repr(error)
        end = time.monotonic()
        return Answer(method, name, status, text, end, end - start)

    async def _exchange(self, request: bytes) -> tuple[int, str]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().splitlines()
        headers = dict(line.split(": ", 1) for line in lines if line)
        body = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        return int(status.split()[1]), body.decode()


def count(answers: list[Answer]) -> Counter[int]:
    """Count the answers of each status."""
    return Counter(answer.status for answer in answers)


def send_at_once(urls: list[str], clients: int, rounds: int) -> list[Answer]:
    """Have that many clients read and write at once; each waits for an answer, then goes on.

    Args:
        urls: the servers, among which the clients are divided.
        clients: the number of connections that are open at the same time.
        rounds: the number of requests of each client; every second one writes.
    """

    async def use(client: Client, number: int) -> list[Answer]:
        return [
            await (client.write(uuid4().hex) if (number + turn) % 2 else client.read())
            for turn in range(rounds)
        ]

    async def send() -> list[Answer]:
        everyone = [Client(urls[number % len(urls)]) for number in range(clients)]
        try:
            used = [use(client, number // len(urls)) for number, client in enumerate(everyone)]
            return [answer for each in await asyncio.gather(*used) for answer in each]
        finally:
            for client in everyone:
                client.close()

    return asyncio.run(send())


class Traffic:
    """Clients that read and write by turns, as `sending` starts them.

    A write that fails is tried again under the same name until it is acknowledged: 201, or 409 if
    an earlier try was stored but its response was lost.
    """

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.acknowledged: set[str] = set()
        self._is_over = threading.Event()

    def statuses(self, method: str, since: float = 0) -> set[int]:
        """The statuses of the answers to requests of a method that were sent since then."""
        # A copy, since the clients go on.
        found = [each for each in list(self.answers) if each.method == method]
        return {each.status for each in found if each.at - each.seconds >= since}

    def first_success(self, method: str, since: float) -> float:
        """Wait for the first success of a request that was sent since then.

        Returns:
            The seconds that it took.
        """

        def find() -> list[float]:
            good = [each for each in list(self.answers) if each.status in {200, 201}]
            sent = [each for each in good if each.at - each.seconds >= since]
            return [each.at - since for each in sent if each.method == method]

        wait_for(lambda: bool(find()), 3 * STOP)
        return min(find())

    def stop(self) -> None:
        """Stop once all writes are acknowledged."""
        self._is_over.set()

    async def send(self, url: str, clients: int) -> None:
        """Send until stopped."""
        everyone = [Client(url) for _ in range(clients)]
        await asyncio.gather(*map(self._use, everyone))
        for client in everyone:
            client.close()

    async def _use(self, client: Client) -> None:
        while not self._is_over.is_set():
            self.answers.append(await client.read())
            name = uuid4().hex
            while name not in self.acknowledged:
                answer = await client.write(name)
                self.answers.append(answer)
                if answer.status in {201, 409}:
                    self.acknowledged.add(name)
                await asyncio.sleep(PAUSE)


@contextmanager
def sending(url: str, clients: int) -> Iterator[Traffic]:
    """Send requests in another thread during a `with`."""
    traffic = Traffic()
    thread = threading.Thread(target=lambda: asyncio.run(traffic.send(url, clients)), daemon=True)
    thread.start()
    try:
        yield traffic
    finally:
        traffic.stop()
        thread.join(3 * STOP)
    assert not thread.is_alive(), count(traffic.answers)


def wait_for(condition: Callable[[], bool], seconds: float = STOP) -> None:
    """Wait for something that has to come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{seconds} seconds were not enough"
        time.sleep(0.05)
