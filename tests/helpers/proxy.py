"""A TCP proxy in front of a server. It can cut the server off from its clients."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from typing import Any


class Proxy:
    """Forward all data until `down` or `silence` is called.

    Args:
        host: the server's host.
        port: the server's port. The proxy listens on 127.0.0.1, on the attribute `port`.
    """

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._writers: set[asyncio.StreamWriter] = set()
        self._listener: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self.up()

    def up(self) -> None:
        """Accept connections and forward data."""
        self._run(self._up())

    def down(self) -> None:
        """Reset all connections and refuse new ones, like a stopped server."""
        self._run(self._down())

    def silence(self) -> None:
        """Accept connections but forward nothing, like a server that hangs."""
        self._run(self._silence())

    def close(self) -> None:
        """Stop the proxy and its thread."""
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _up(self) -> None:
        self._flowing.set()
        if self._listener is None:
            self._listener = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def _silence(self) -> None:
        self._flowing.clear()

    async def _down(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for writer in self._writers:
            writer.transport.abort()
        self._flowing.set()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = {writer}
        with contextlib.suppress(OSError):
            server_reader, server_writer = await asyncio.open_connection(*self.target)
            writers.add(server_writer)
            self._writers |= writers
            ways = [
                asyncio.ensure_future(self._pump(reader, server_writer)),
                asyncio.ensure_future(self._pump(server_reader, writer)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
        for each in writers:
            each.transport.abort()
        self._writers -= writers

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(2**16):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()


@contextlib.contextmanager
def proxying(host: str, port: int) -> Iterator[Proxy]:
    """Run a proxy until the end of the `with`."""
    proxy = Proxy(host, port)
    try:
        yield proxy
    finally:
        proxy.close()
