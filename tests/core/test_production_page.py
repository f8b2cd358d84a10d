"""The Python of the page about databases in production."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError
from src.config import config

from .items import CoreItem

PAGE = Path(__file__).parents[2] / "docs" / "production-databases.md"


def execute(heading: str) -> dict[str, Any]:
    """Execute the code of a section, and return its names."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    [code] = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  # the page is the project's
    return names


class Swap:
    """A transaction that writes two rows, and waits for another one in between."""

    def __init__(self, first: str, second: str, barrier: asyncio.Barrier) -> None:
        self.names = (first, second)
        self.barrier = barrier
        self.runs = 0

    async def run(self) -> None:
        self.runs += 1
        async with config.get_session() as session:
            for name in self.names:
                rows = update(CoreItem).where(CoreItem.name == name)
                await session.execute(rows.values(parent_id=None))
                if self.runs == 1 and name == self.names[0]:
                    await self.barrier.wait()
            await session.commit()


@pytest.mark.usefixtures("core_client")
async def test_deadlock_is_retried_as_documented() -> None:
    retry = execute("Retry a transaction")["retry"]
    async with config.get_session() as session:
        session.add_all([CoreItem(name="Ada"), CoreItem(name="Grace")])
        await session.commit()
    barrier = asyncio.Barrier(2)
    swaps = [Swap("Ada", "Grace", barrier), Swap("Grace", "Ada", barrier)]

    await asyncio.gather(*(retry(swap.run) for swap in swaps))

    # The database has given up one of the two.
    assert sorted(swap.runs for swap in swaps) == [1, 2]


@pytest.mark.usefixtures("core_client")
async def test_other_errors_are_not_retried() -> None:
    async def fail() -> None:
        nonlocal runs
        runs += 1
        async with config.get_session() as session:
            await session.execute(text("SELECT 1 FROM no_such_table"))

    runs = 0
    with pytest.raises(DBAPIError):
        await execute("Retry a transaction")["retry"](fail)

    assert runs == 1
