"""Drive the app of this folder without a network, and print who took the processor's time.

`profiled.py METHOD PATH` prints JSON: the microseconds of a request, and the share of each part of
the code in them, by the profiler of Python's library. It counts the time of the event loop's thread
alone, and makes everything slower, small functions most: the shares are a guide, not a measure.
"""

import asyncio
import cProfile
import json
import os
import pstats
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import uvloop

TASKS = 16
REQUESTS = 50
#: The parts, by what is in a file's path.
PARTS = {
    "FastAPI, Starlette and Pydantic": ("/fastapi/", "/starlette/", "/pydantic"),
    "the driver": ("/asyncpg/", "/aiomysql/", "/pymysql/", "/aiosqlite/"),
    "SQLAlchemy": ("/sqlalchemy/",),
    "PyNest": ("/nest/",),
    "the project's own code": ("/src/",),
    "the log": ("/structlog/", "/logging/"),
}
OTHERS = "the rest of Python's library"


def part_of(path: str) -> str:
    return next((part for part, marks in PARTS.items() if any(m in path for m in marks)), OTHERS)


async def request(app: Any, method: str, path: str) -> None:
    body = json.dumps({"name": os.urandom(8).hex()}).encode()
    target, _, query = path.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": target,
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] in (200, 201), message

    await app(scope, receive, send)


async def drive(app: Any, method: str, path: str) -> float:
    """Have several tasks make requests, and return the microseconds that each one took."""

    async def work() -> None:
        for _ in range(REQUESTS):
            await request(app, method, path)

    begin = time.thread_time()
    await asyncio.gather(*(work() for _ in range(TASKS)))
    return (time.thread_time() - begin) / TASKS / REQUESTS * 1e6


async def main(method: str, path: str) -> None:
    from app import app  # noqa: PLC0415  # of the folder

    async with app.router.lifespan_context(app):
        await drive(app, method, path)
        took = await drive(app, method, path)
        profiler = cProfile.Profile(time.thread_time)
        profiler.enable()
        await drive(app, method, path)
        profiler.disable()
    times: Counter[str] = Counter()
    # What is written in C counts for who calls it.
    for (file, _, _), (_, _, own, _, callers) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        if file != "~":
            times[part_of(file)] += own
        else:
            for caller, (_, _, called, _) in callers.items():
                times[part_of(caller[0])] += called
    total = sum(times.values())
    shares = {part: times[part] / total for part in (*PARTS, OTHERS)}
    print(json.dumps({"microseconds": took, "shares": shares}))


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    uvloop.run(main(*sys.argv[1:]))
