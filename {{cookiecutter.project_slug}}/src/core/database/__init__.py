"""The database: `DatabaseProvider` for `src/config.py`, `Base` for entities, `Reader` for reads."""

from .provider import DatabaseProvider
from .reader import Reader
from .schema import Base

__all__ = ["Base", "DatabaseProvider", "Reader"]
