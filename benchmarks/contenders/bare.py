"""FastAPI directly on the database's driver, with the driver's pool and without checks.

The variable `DATABASE` selects the driver. The other variables are those of a rendered project.
"""

import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiomysql
import aiosqlite
import asyncpg
from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse
from pydantic import BaseModel

DATABASE = os.environ["DATABASE"]
CONNECTIONS = 10


def setting(name: str) -> str:
    return os.environ[f"{DATABASE.upper()}_{name}"]


class SqliteStore:
    """One connection of aiosqlite, in AUTOCOMMIT."""

    async def open(self) -> None:
        path = f"{setting('DB_NAME')}.db"
        self.connection = await aiosqlite.connect(path, isolation_level=None)

    async def close(self) -> None:
        await self.connection.close()

    async def get(self, key: int) -> dict[str, Any] | None:
        rows = await self._fetch("SELECT id, name FROM examples WHERE id = ?", key)
        return rows[0] if rows else None

    async def page(self, after: int, limit: int) -> list[dict[str, Any]]:
        statement = "SELECT id, name FROM examples WHERE id > ? ORDER BY id LIMIT ?"
        return await self._fetch(statement, after, limit)

    async def add(self, name: str) -> int:
        row = await self.connection.execute_insert("INSERT INTO examples (name) VALUES (?)", [name])
        assert row
        return int(row[0])

    async def _fetch(self, statement: str, *values: int) -> list[dict[str, Any]]:
        rows = await self.connection.execute_fetchall(statement, values)
        return [{"id": key, "name": name} for key, name in rows]


class PostgresqlStore:
    """asyncpg's pool. It prepares each statement once per connection."""

    async def open(self) -> None:
        self.pool = await asyncpg.create_pool(
            host=setting("HOST"),
            port=int(setting("PORT")),
            user=setting("USER"),
            password=setting("PASSWORD"),
            database=setting("DB_NAME"),
            min_size=CONNECTIONS,
            max_size=CONNECTIONS,
        )

    async def close(self) -> None:
        await self.pool.close()

    async def get(self, key: int) -> dict[str, Any] | None:
        row = await self.pool.fetchrow("SELECT id, name FROM examples WHERE id = $1", key)
        return dict(row) if row else None

    async def page(self, after: int, limit: int) -> list[dict[str, Any]]:
        statement = "SELECT id, name FROM examples WHERE id > $1 ORDER BY id LIMIT $2"
        return [dict(row) for row in await self.pool.fetch(statement, after, limit)]

    async def add(self, name: str) -> int:
        statement = "INSERT INTO examples (name) VALUES ($1) RETURNING id"
        return int(await self.pool.fetchval(statement, name))


class MysqlStore:
    """aiomysql's pool, in AUTOCOMMIT."""

    async def open(self) -> None:
        self.pool = await aiomysql.create_pool(
            host=setting("HOST"),
            port=int(setting("PORT")),
            user=setting("USER"),
            password=setting("PASSWORD"),
            db=setting("DB_NAME"),
            charset="utf8mb4",
            autocommit=True,
            minsize=CONNECTIONS,
            maxsize=CONNECTIONS,
        )

    async def close(self) -> None:
        self.pool.close()
        await self.pool.wait_closed()

    async def get(self, key: int) -> dict[str, Any] | None:
        rows = await self._fetch("SELECT id, name FROM examples WHERE id = %s", key)
        return rows[0] if rows else None

    async def page(self, after: int, limit: int) -> list[dict[str, Any]]:
        statement = "SELECT id, name FROM examples WHERE id > %s ORDER BY id LIMIT %s"
        return await self._fetch(statement, after, limit)

    async def add(self, name: str) -> int:
        async with self.pool.acquire() as connection, connection.cursor() as cursor:
            await cursor.execute("INSERT INTO examples (name) VALUES (%s)", [name])
            return int(cursor.lastrowid)

    async def _fetch(self, statement: str, *values: int) -> list[dict[str, Any]]:
        async with (
            self.pool.acquire() as connection,
            connection.cursor(aiomysql.DictCursor) as cursor,
        ):
            await cursor.execute(statement, values)
            return list(await cursor.fetchall())


STORES: dict[str, type[SqliteStore | PostgresqlStore | MysqlStore]] = {
    "sqlite": SqliteStore,
    "postgresql": PostgresqlStore,
    "mysql": MysqlStore,
}
store = STORES[DATABASE]()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await store.open()
    yield
    await store.close()


app = FastAPI(lifespan=lifespan)


class ExampleCreate(BaseModel):
    name: str


@app.get("/examples/{example_id}")
async def get_example(example_id: int) -> JSONResponse:
    example = await store.get(example_id)
    if example is None:
        raise HTTPException(404)
    return JSONResponse(example)


@app.get("/examples")
async def get_examples(limit: int = 20, cursor: str = "") -> JSONResponse:
    after = json.loads(base64.urlsafe_b64decode(f"{cursor}=="))[-1] if cursor else 0
    rows = await store.page(after, limit + 1)
    items = rows[:limit]
    following = None
    if len(rows) > limit:
        last = items[-1]["id"]
        following = base64.urlsafe_b64encode(f'["id",{last},{last}]'.encode()).decode().rstrip("=")
    return JSONResponse({"items": items, "next": following})


@app.post("/examples")
async def add_example(example: ExampleCreate) -> JSONResponse:
    key = await store.add(example.name)
    headers = {"Location": f"/examples/{key}"}
    return JSONResponse({"id": key, "name": example.name}, 201, headers)


@app.get("/health/live")
async def get_live() -> JSONResponse:
    return JSONResponse({"status": "ok"})
