"""The tests' own database: made when a test process starts, deleted when it ends."""

import shutil
from pathlib import Path

from src.config import config

#: What `create` raises when it cannot make the database.
UNREACHABLE = OSError


async def create() -> None:
    """Make the database, which SQLite does by itself."""


async def drop() -> None:
    """Delete the database with its folder."""
    shutil.rmtree(Path(str(config.engine.url.database)).parent)
