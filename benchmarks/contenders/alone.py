"""FastAPI as in bare.py, on SQLAlchemy as a rendered project uses it, and nothing else of one.

It is started in the folder of a project: what this and the bare driver have between them is what
SQLAlchemy costs, and what it and the project have is the price of all that the project promises.
"""

import gc
import logging
from typing import Any

import bare
from src.config import config
from src.examples.examples_entity import Example
from src.examples.examples_service import BY_ID, PAGE


class ProjectStore:
    """On the project's engine and pool, with its statements."""

    async def open(self) -> None:
        # To import PyNest is to log all that is DEBUG.
        logging.getLogger().setLevel(logging.WARNING)
        # As a project does.
        gc.freeze()

    async def close(self) -> None:
        await config.dispose()

    async def get(self, key: int) -> dict[str, Any] | None:
        row = (await config.reader.execute(BY_ID, {"id": key})).mappings().first()
        return dict(row) if row else None

    async def page(self, after: int, limit: int) -> list[dict[str, Any]]:
        rows = await config.reader.execute(PAGE, {"after": after, "limit": limit})
        return [dict(row) for row in rows.mappings()]

    async def add(self, name: str) -> int:
        async with config.get_session() as session:
            added = Example(name=name)
            session.add(added)
            await session.commit()
            return int(added.id)


bare.store = ProjectStore()
app = bare.app
