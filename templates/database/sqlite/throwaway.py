"""The tests' own database: created when a test process starts, deleted when it ends."""

import shutil

from . import FOLDER

#: The error of `create` if it can't create the database.
UNREACHABLE = OSError


async def create() -> None:
    """Do nothing: SQLite creates the file itself."""


async def drop() -> None:
    """Delete the folder that was made for the database."""
    shutil.rmtree(FOLDER)
